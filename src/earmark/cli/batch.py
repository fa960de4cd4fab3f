"""Tag many files, in this process or in worker processes, and yield results in the order of the files."""

import contextlib
import dataclasses
import os
import pickle
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.errors import AudioError, EarmarkError, FileError, InstallationError
from earmark.file_errors import file_errors
from earmark.workers.process import Done, Ended, Late

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from earmark.audio.stopwatch import Profile
    from earmark.library.jobs import Limits
    from earmark.tagging.engines.engine import Engine
    from earmark.tagging.prediction import Prediction
    from earmark.tagging.tagger import OnBlock, Tagger
    from earmark.tagging.windows import OverTimeSettings


FACTORY = "earmark.cli.batch:work_of"
FILES_AHEAD = 32
"""How many files each process may finish while the results wait for an earlier, longer file."""


@dataclasses.dataclass(frozen=True)
class TagOptions:
    """The options that apply to every file."""

    model: str | None
    engine: "Engine"
    over_time: "OverTimeSettings | None"
    keep_features: bool
    read_ahead: bool
    profile: bool
    limits: "Limits"


@dataclasses.dataclass(frozen=True)
class Tagged:
    """The result of one file, with a profile if one was requested."""

    prediction: "Prediction"
    profile: "Profile | None"


def tag_here(tagger: "Tagger", options: TagOptions, sources: Sequence[Path]) -> "Iterator[Tagged | EarmarkError]":
    """Tag files one after another in this process. A file that fails yields its error, and the others follow."""
    for source in sources:
        yield _tag_file(tagger, options, source)


def tag_in_processes(options: TagOptions, sources: Sequence[Path], jobs: int) -> "Iterator[Tagged | EarmarkError]":
    """Tag files in `jobs` processes of one thread each, and yield the results in the order of the files.

    A file whose process ends is tried again; if that fails too, the file yields an error.

    Raises:
        WorkerError: no process can be started.
    """
    from earmark.workers.pool import Pool

    # The variable must be set before a process imports numpy.
    environment = {"OPENBLAS_NUM_THREADS": "1"} | dict(os.environ)
    pool: Pool[int] = Pool(jobs, FACTORY, pickle.dumps(options), environment)
    results: dict[int, Tagged | EarmarkError] = {}
    tries: Counter[int] = Counter()
    submitted = 0

    def submit(index: int) -> None:
        tries[index] += 1
        pool.submit(index, pickle.dumps(sources[index]), _allowed_seconds(sources[index], options.limits))

    try:
        for expected in range(len(sources)):
            while expected not in results:
                while submitted < min(len(sources), expected + jobs * FILES_AHEAD):
                    submit(submitted)
                    submitted += 1
                index, answer = pool.wait()
                match answer:
                    case Done():
                        results[index] = pickle.loads(answer.payload)
                    case Ended() if tries[index] < answer.tries_at_most:
                        submit(index)
                    case Ended():
                        results[index] = _process_error(sources[index], answer.how)
                    case Late():
                        limit = f"after {answer.seconds:.0f} seconds, the limit for a file of its size"
                        results[index] = _process_error(sources[index], limit)
            yield results.pop(expected)
    finally:
        pool.close()


def work_of(setup: bytes, tell: Callable[[bytes], None]) -> Callable[[bytes], bytes]:
    """Return the function of a worker process, which takes a pickled path and returns a pickled Tagged or EarmarkError.

    setup: pickled TagOptions.
    """
    from earmark.tagging.tagger import load

    del tell  # Nobody waits for the progress within a file.
    options: TagOptions = pickle.loads(setup)
    tagger = load(options.model, options.engine)
    return lambda source: pickle.dumps(_tag_file(tagger, options, pickle.loads(source)))


def _process_error(source: Path, how: str) -> FileError:
    return FileError(str(source), f"the process that tagged it ended ({how}). Tag this file by itself.")


def _allowed_seconds(source: Path, limits: "Limits") -> float:
    """Return how long a process may take for a file of this size; the limits are those of a library."""
    from earmark.library.jobs import Stamp

    try:
        size_bytes = source.stat().st_size
    except (OSError, ValueError):  # Reading the file raises its error.
        size_bytes = 0
    return limits.allowed_seconds(Stamp(size_bytes, 0), None)


def _tag_file(tagger: "Tagger", options: TagOptions, source: Path) -> "Tagged | EarmarkError":
    from earmark.audio.stopwatch import Stopwatch

    stopwatch = Stopwatch() if options.profile else None
    try:
        with file_errors(str(source)):
            found = tagger.tag(
                source,
                over_time=options.over_time,
                keep_features=options.keep_features,
                read_ahead=options.read_ahead,
                stopwatch=stopwatch,
                on_block=duration_check(str(source), options.limits),
            )
    except FileError as error:
        return InstallationError(str(error.__cause__)) if isinstance(error.__cause__, ImportError) else error
    except EarmarkError as error:
        return error
    # Results name the whole path, because many folders contain a 01.mp3.
    prediction = dataclasses.replace(found, source=str(source))
    return Tagged(prediction, None if stopwatch is None else stopwatch.profile)


def duration_check(source: str, limits: "Limits") -> "OnBlock":
    """Return a function that checks, after each block of sound, that a file is not too long and does not take too long.

    Raises:
        FileError: the file's header says that it is too long. The returned function raises it too.
    """
    from earmark.audio.duration import header_duration_seconds
    from earmark.library.jobs import Stamp

    stamp, length_seconds = Stamp(0, 0), limits.longest_hours * 3600
    if os.path.isfile(source):  # noqa: PTH113 (a pipe can be read once only)
        stamp = Stamp(os.stat(source).st_size, 0)  # noqa: PTH116
        with contextlib.suppress(AudioError):  # Decoding raises the file's error, if it has one.
            length_seconds = header_duration_seconds(source)
    if reason := limits.too_long(length_seconds):
        raise FileError(source, reason)
    allowed_seconds = limits.allowed_seconds(stamp, length_seconds)
    last = time.monotonic() + allowed_seconds

    def check(samples: "npt.NDArray[np.float32]", decoded_seconds: float) -> None:
        del samples
        if decoded_seconds > limits.longest_hours * 3600:
            raise FileError(source, f"it is longer than {limits.longest_hours:g} hours, the limit (--longest-hours)")
        if time.monotonic() > last:
            raise FileError(
                source, f"it was not done after {allowed_seconds:.0f} seconds, the limit for a file of its length"
            )

    return check
