"""Files through a tagger, here or in processes of their own; the answers in the order of the files."""

import contextlib
import dataclasses
import os
import pickle
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.errors import AudioError, EarmarkError, FileError
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

FACTORY = "earmark.cli.tagging:work_of"
AHEAD_A_PROCESS = 32
"""Files a process that may be done before it is their turn: one long file holds up the others' answers."""


@dataclasses.dataclass(frozen=True)
class Order:
    """What is wanted of every file."""

    model: str | None
    engine: "Engine"
    over_time: "OverTimeSettings | None"
    keep_features: bool
    read_ahead: bool
    profile: bool
    limits: "Limits"


@dataclasses.dataclass(frozen=True)
class Tagged:
    """One file's answer, and where its time went where that was asked for."""

    prediction: "Prediction"
    profile: "Profile | None"


def tag_here(tagger: "Tagger", order: Order, sources: Sequence[Path]) -> "Iterator[Tagged | EarmarkError]":
    """Tag files one after the other in this process; one broken file never stops the others."""
    for source in sources:
        yield _tag(tagger, order, source)


def tag_in_processes(order: Order, sources: Sequence[Path], jobs: int) -> "Iterator[Tagged | EarmarkError]":
    """Tag files in so many processes of one thread each; answers come in the files' order, as soon as it is their turn.

    A file whose process ends is tried again, and then its answer is an error. Raises WorkerError where no process can
    be started.
    """
    from earmark.workers.pool import Pool

    # Said before they load numpy.
    environment = {"OPENBLAS_NUM_THREADS": "1"} | dict(os.environ)
    pool: Pool[int] = Pool(jobs, FACTORY, pickle.dumps(order), environment)
    answers: dict[int, Tagged | EarmarkError] = {}
    tries: Counter[int] = Counter()
    submitted = 0

    def submit(place: int) -> None:
        tries[place] += 1
        pool.submit(place, pickle.dumps(sources[place]), _allowed_seconds(sources[place], order.limits))

    try:
        for turn in range(len(sources)):
            while turn not in answers:
                while submitted < min(len(sources), turn + jobs * AHEAD_A_PROCESS):
                    submit(submitted)
                    submitted += 1
                place, answer = pool.wait()
                match answer:
                    case Done():
                        answers[place] = pickle.loads(answer.payload)
                    case Ended() if tries[place] < answer.tries_at_most:
                        submit(place)
                    case Ended():
                        answers[place] = _lost(sources[place], answer.how)
                    case Late():
                        limit = f"after {answer.seconds:.0f} seconds, what a file of its size may take"
                        answers[place] = _lost(sources[place], limit)
            yield answers.pop(turn)
    finally:
        pool.close()


def work_of(setup: bytes, tell: Callable[[bytes], None]) -> Callable[[bytes], bytes]:
    """Make what a worker process does: a pickled Order, then pickled paths in and Tagged or EarmarkError out."""
    from earmark.tagging.tagger import load

    del tell  # a file is done soon enough
    order: Order = pickle.loads(setup)
    tagger = load(order.model, order.engine)
    return lambda source: pickle.dumps(_tag(tagger, order, pickle.loads(source)))


def _lost(source: Path, how: str) -> FileError:
    return FileError(str(source), f"the process that listened to it ended ({how}). Tag it by itself.")


def _allowed_seconds(source: Path, limits: "Limits") -> float:
    """How long a process may take for a file: as long as a library's, by its size."""
    from earmark.library.jobs import Stamp

    try:
        size_bytes = source.stat().st_size
    except (OSError, ValueError):  # what is wrong with it is told when it is read
        size_bytes = 0
    return limits.allowed_seconds(Stamp(size_bytes, 0), None)


def _tag(tagger: "Tagger", order: Order, source: Path) -> "Tagged | EarmarkError":
    from earmark.audio.stopwatch import Stopwatch

    stopwatch = Stopwatch() if order.profile else None
    try:
        with file_errors(str(source)):
            found = tagger.tag(
                source,
                over_time=order.over_time,
                keep_features=order.keep_features,
                read_ahead=order.read_ahead,
                stopwatch=stopwatch,
                on_block=limited(str(source), order.limits),
            )
    except EarmarkError as error:
        return error
    # By its path: many folders have a 01.mp3.
    prediction = dataclasses.replace(found, source=str(source))
    return Tagged(prediction, None if stopwatch is None else stopwatch.profile)


def limited(source: str, limits: "Limits") -> "OnBlock":
    """Refuse a file that claims to be too long; returns what refuses it, block by block, when it is or takes too long.

    Raises FileError.
    """
    from earmark.audio.duration import header_duration_seconds
    from earmark.library.jobs import Stamp

    stamp, length_seconds = Stamp(0, 0), limits.longest_hours * 3600
    if os.path.isfile(source):  # noqa: PTH113 (a pipe can be read once only)
        stamp = Stamp(os.stat(source).st_size, 0)  # noqa: PTH116
        with contextlib.suppress(AudioError):  # what is wrong with it is told when it is decoded, and may be nothing
            length_seconds = header_duration_seconds(source)
    if reason := limits.too_long(length_seconds):
        raise FileError(source, reason)
    allowed_seconds = limits.allowed_seconds(stamp, length_seconds)
    last = time.monotonic() + allowed_seconds

    def check(samples: "npt.NDArray[np.float32]", heard_seconds: float) -> None:
        del samples
        if heard_seconds > limits.longest_hours * 3600:
            raise FileError(source, f"it goes on for more than {limits.longest_hours:g} hours, and no more are heard")
        if time.monotonic() > last:
            raise FileError(
                source, f"it was not done after {allowed_seconds:.0f} seconds, what a file of its length may take"
            )

    return check
