"""Tag many files, in this process or in worker processes, and yield results in the order of the files."""

import contextlib
import dataclasses
import itertools
import os
import pickle
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.audio.duration import header_duration_seconds
from earmark.audio.stopwatch import Profile, Stopwatch
from earmark.errors import AudioError, EarmarkError, FileError, InstallationError
from earmark.file_errors import file_errors
from earmark.tagging.prediction import Prediction
from earmark.tagging.windows import OverTimeSettings
from earmark.workers.limits import USUAL_LIMITS, Limits
from earmark.workers.pool import Pool
from earmark.workers.process import Done, Ended, Late

if TYPE_CHECKING:
    from earmark.tagging.tagger import Array, OnBlock, Tagger

FACTORY = "earmark.tagging.batch:work_of"
FILES_AHEAD = 32
"""How many files each process may finish while the results wait for an earlier, longer file."""


@dataclasses.dataclass(frozen=True)
class TagOptions:
    """The options that apply to every file. profile: measure the time of each step; the others are those of `tag`."""

    over_time: OverTimeSettings | None = None
    keep_features: bool = False
    read_ahead: bool = False
    profile: bool = False
    limits: Limits = USUAL_LIMITS


@dataclasses.dataclass(frozen=True)
class Tagged:
    """The result of one file, with a profile if one was requested."""

    prediction: Prediction
    profile: Profile | None


def tag_files(
    tagger: "Tagger", sources: Iterable[Path], jobs: int, options: TagOptions
) -> Iterator[Tagged | EarmarkError]:
    """Tag files and yield their results in the order of the files. A file that fails yields its error.

    sources: read when there is room for them. jobs: the number of processes of one thread each; 1 tags in this process.
    A file whose process ends is tried again; if that fails too, the file yields an error.

    Raises:
        WorkerError: no process can be started.
    """
    if jobs == 1:
        return (_tag_file(tagger, options, source) for source in sources)
    return _tag_in_processes(tagger, options, sources, jobs)


def _tag_in_processes(
    tagger: "Tagger", options: TagOptions, sources: Iterable[Path], jobs: int
) -> Iterator[Tagged | EarmarkError]:
    files = iter(sources)
    # The variable must be set before a process imports numpy.
    environment = {"OPENBLAS_NUM_THREADS": "1"} | dict(os.environ)
    pool: Pool[int] = Pool(jobs, FACTORY, pickle.dumps((tagger, options)), environment)
    waiting: dict[int, Path] = {}
    results: dict[int, Tagged | EarmarkError] = {}
    tries: Counter[int] = Counter()

    def submit(number: int) -> None:
        tries[number] += 1
        pool.submit(number, pickle.dumps(waiting[number]), _allowed_seconds(waiting[number], options.limits))

    try:
        for expected in itertools.count():
            first = expected + len(waiting) + len(results)
            for number, source in enumerate(itertools.islice(files, expected + jobs * FILES_AHEAD - first), first):
                waiting[number] = source
                submit(number)
            if not waiting and not results:
                return
            while expected not in results:
                number, answer = pool.wait()
                if isinstance(answer, Ended) and tries[number] < answer.tries_at_most:
                    submit(number)
                    continue
                del tries[number]
                results[number] = _result(waiting.pop(number), answer, tagger)
            yield results.pop(expected)
    finally:
        pool.close()


def _result(source: Path, answer: Done | Ended | Late, tagger: "Tagger") -> Tagged | EarmarkError:
    match answer:
        case Done():
            result: Tagged | EarmarkError = pickle.loads(answer.payload)
            if isinstance(result, Tagged) and result.prediction.features is not None:
                explained = dataclasses.replace(result.prediction, explainer=tagger.explainer)
                return Tagged(explained, result.profile)
            return result
        case Ended():
            how = answer.how
        case Late():
            how = f"after {answer.seconds:.0f} seconds, the limit for a file of its size"
    return FileError(str(source), f"the process that tagged it ended ({how}). Tag this file by itself.")


def work_of(setup: bytes, tell: Callable[[bytes], None]) -> Callable[[bytes], bytes]:
    """Return the function of a worker process, which takes a pickled path and returns a pickled Tagged or EarmarkError.

    setup: the pickled tagger and TagOptions.
    """
    del tell  # Nobody waits for the progress within a file.
    tagger, options = pickle.loads(setup)

    def work(source: bytes) -> bytes:
        result = _tag_file(tagger, options, pickle.loads(source))
        if isinstance(result, Tagged):
            # The explainer holds the whole model, which the caller has.
            result = Tagged(dataclasses.replace(result.prediction, explainer=None), result.profile)
        return pickle.dumps(result)

    return work


def _allowed_seconds(source: Path, limits: Limits) -> float:
    """Return how long a process may take for a file of this size; the limits are those of a library."""
    try:
        size_bytes = source.stat().st_size
    except (OSError, ValueError):  # Reading the file raises its error.
        size_bytes = 0
    return limits.allowed_seconds(size_bytes, None)


def _tag_file(tagger: "Tagger", options: TagOptions, source: Path) -> Tagged | EarmarkError:
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


def duration_check(source: str, limits: Limits) -> "OnBlock":
    """Return a function that checks, after each block of sound, that a file is not too long and does not take too long.

    Raises:
        FileError: the file's header says that it is too long. The returned function raises it too.
    """
    size_bytes, length_seconds = 0, limits.longest_hours * 3600
    if os.path.isfile(source):  # noqa: PTH113 (a pipe can be read once only)
        size_bytes = os.stat(source).st_size  # noqa: PTH116
        with contextlib.suppress(AudioError):  # Decoding raises the file's error, if it has one.
            length_seconds = header_duration_seconds(source)
    if reason := limits.too_long(length_seconds):
        raise FileError(source, reason)
    allowed_seconds = limits.allowed_seconds(size_bytes, length_seconds)
    last = time.monotonic() + allowed_seconds

    def check(samples: "Array", decoded_seconds: float) -> None:
        del samples
        if decoded_seconds > limits.longest_hours * 3600:
            raise FileError(source, f"it is longer than {limits.longest_hours:g} hours, the limit (longest_hours)")
        if time.monotonic() > last:
            raise FileError(
                source, f"it was not done after {allowed_seconds:.0f} seconds, the limit for a file of its length"
            )

    return check
