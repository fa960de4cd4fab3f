"""Files through a tagger, here or in processes of their own; the answers in the order of the files."""

import dataclasses
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from earmark.errors import DecodeError, EarmarkError

if TYPE_CHECKING:
    from earmark.audio.stopwatch import Profile
    from earmark.tagging.engine import Engine
    from earmark.tagging.prediction import Prediction
    from earmark.tagging.tagger import Tagger
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
    decode_ahead: bool
    profile: bool


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
                yield DecodeError(f"{source}: the process that listened to it ended ({error}). Tag it by itself.")
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
        found = tagger.tag(
            source,
            over_time=order.over_time,
            keep_features=order.keep_features,
            decode_ahead=order.decode_ahead,
            stopwatch=stopwatch,
        )
    except EarmarkError as error:
        return error
    # By its path: many folders have a 01.mp3.
    prediction = dataclasses.replace(found, source=str(source))
    return Tagged(prediction, None if stopwatch is None else stopwatch.profile)
