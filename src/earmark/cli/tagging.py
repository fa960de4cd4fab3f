"""Files through a tagger, here or in processes of their own; the answers in the order of the files."""

import contextlib
import dataclasses
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from earmark.errors import AudioError, DecodeError, EarmarkError, FileError
from earmark.file_errors import file_errors

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from earmark.audio.stopwatch import Profile
    from earmark.library.jobs import Limits
    from earmark.tagging.engines.engine import Engine
    from earmark.tagging.prediction import Prediction
    from earmark.tagging.tagger import OnBlock, Tagger
    from earmark.tagging.windows import OverTimeSettings

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

    A process that dies takes one file with it, whose answer is an error; another is started in its place.
    """
    from pebble import ProcessExpired, ProcessPool

    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # handed on to the processes, before they load numpy
    waiting: deque[tuple[Path, Future[Tagged | EarmarkError]]] = deque()
    unasked = iter(sources)
    # Spawned, not forked: a fork copies locks that other threads hold.
    pool = ProcessPool(jobs, initializer=_prepare, initargs=(order,), context=get_context("spawn"))
    try:
        while True:
            for source in unasked:
                waiting.append((source, pool.schedule(_tag_in_process, args=(order, source))))
                if len(waiting) >= jobs * AHEAD_A_PROCESS:
                    break
            if not waiting:
                return
            source, answer = waiting.popleft()
            try:
                yield answer.result()
            except (ProcessExpired, BrokenProcessPool) as error:
                yield DecodeError(str(source), f"the process that listened to it ended ({error}). Tag it by itself.")
    finally:
        pool.stop()  # type: ignore[no-untyped-call]
        pool.join()


class _InProcess:
    """The one tagger of a worker process, made before its first file."""

    tagger: ClassVar["Tagger"]


def _prepare(order: Order) -> None:
    """Load this process's model."""
    from earmark.tagging.tagger import load

    _InProcess.tagger = load(order.model, order.engine)


def _tag_in_process(order: Order, source: Path) -> "Tagged | EarmarkError":
    return _tag(_InProcess.tagger, order, source)


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
