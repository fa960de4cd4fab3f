"""A buffer of sound that has arrived: a thread fills it, and a consumer that is too slow skips in it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.audio.stream.open_stream import AudioStream
from earmark.errors import AudioError, EarmarkError

Array = npt.NDArray[np.float32]

WAITING_SECONDS = 4.0
"""The most sound in the buffer; when it is full, the source has to wait."""
PIECE_SECONDS = 0.5
"""The length of sound after which a piece is complete.

A piece consists of whole blocks, so it may be longer, or shorter where less is waiting.
"""
LATE_SECONDS = 2.0
"""The delay after which a consumer skips to the newest sound."""
DRY_SECONDS = 0.1
"""The time without new sound after which skipping has caught up."""
LOOK_SECONDS = 0.2
"""The interval at which a waiting thread checks whether it should stop."""


@dataclass(frozen=True)
class Piece:
    """The next piece of a sound, (samples,) float32; `skipped`: how many samples before it were left out."""

    samples: Array
    skipped: int


class AudioBuffer:
    """A buffer that yields the pieces of a stream in order, until it ends or `stop` is called.

    It is a context manager, and iterated once. Where the stream is paced and its consumer would get a sample more than
    `LATE_SECONDS` after it arrived, everything that waits is skipped. A source that is faster than its consumer has to
    wait, and nothing is lost.

    clock: returns the time in seconds. Iterating raises the error of the stream after the pieces before it, and
    AudioError if the reading thread ended without one.
    """

    def __init__(self, stream: AudioStream, rate_hz: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._rate_hz = rate_hz
        self._clock = clock
        self._changed = threading.Condition()
        self._blocks: deque[tuple[float, Array]] = deque()
        """The blocks that wait, each with the moment at which it arrived."""
        self._waiting = 0
        """The number of samples in the blocks."""
        self._ended = False
        self._failure: EarmarkError | None = None
        self._whole = False
        self._stopped = False
        self._taken = 0
        self._origin = 0.0
        """The moment at which playing would have begun if the next sample arrived exactly when it is due."""
        # A daemon thread, because nothing can interrupt a read from a silent source, and Python must be able to end.
        self._reader = threading.Thread(target=self._read, name="earmark-stream-reader", daemon=True)

    def __enter__(self) -> AudioBuffer:
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._reader.join(timeout=1.0)

    def stop(self) -> None:
        """End the iteration soon. It may be called from any thread and from a signal handler."""
        self._stopped = True

    def __iter__(self) -> Iterator[Piece]:
        self._catch_up()
        while not self._stopped:
            if not self._waiting:
                self._wait(lambda: bool(self._waiting))
                self._catch_up()
            skipped = self._skip() if self._stream.paced and self._is_late() else 0
            samples = self._take(round(PIECE_SECONDS * self._rate_hz))
            if len(samples) or skipped:
                yield Piece(samples, skipped)
            elif self._ended and not self._waiting:  # tested in this order, because the last block comes before the end
                break
        if self._failure is not None:
            raise self._failure
        if self._ended and not self._whole:
            raise AudioError(
                f"{self._stream.name}: the thread that reads it ended without an error; start the command again"
            )

    def _catch_up(self) -> None:
        """Count the next sample as due now."""
        self._origin = self._clock() - self._taken / self._rate_hz

    def _is_late(self) -> bool:
        """Return whether the oldest sample that waits should be skipped.

        It should where it arrived long ago, and was due long ago at the pace of playing. The first alone may mean that
        the source is ahead of that pace, the second alone that it paused.
        """
        with self._changed:
            since = self._blocks[0][0] if self._blocks else self._clock()
        return min(self._clock() - since, self._overdue_seconds()) > LATE_SECONDS

    def _overdue_seconds(self) -> float:
        """Return how many seconds ago the oldest sample that waits was due."""
        overdue = self._clock() - self._origin - self._taken / self._rate_hz
        if overdue < 0:  # it arrives faster than it plays
            self._catch_up()
        return max(0.0, overdue)

    def _skip(self) -> int:
        """Drop the sound that waits until the newest is reached, and return the number of samples dropped."""
        skipped = 0
        while self._overdue_seconds() > 0 and not self._stopped:
            self._wait(lambda: bool(self._waiting), DRY_SECONDS)
            dropped = len(self._take(1))
            if not dropped:
                break
            skipped += dropped
        self._catch_up()
        return skipped

    def _take(self, wanted: int) -> Array:
        """Take blocks of at least so many samples, or those that there are, and return them joined."""
        taken: list[Array] = []
        with self._changed:
            while self._blocks and wanted > 0:
                taken.append(self._blocks.popleft()[1])
                wanted -= len(taken[-1])
                self._waiting -= len(taken[-1])
                self._taken += len(taken[-1])
            self._changed.notify_all()
        return np.concatenate(taken) if taken else np.empty(0, dtype=np.float32)

    def _wait(self, there: Callable[[], bool], seconds: float = float("inf")) -> None:
        """Wait until something is there, the source has ended, `stop` was called, or so many seconds have passed."""
        with self._changed:
            while not (there() or self._ended or self._stopped) and seconds > 0:
                self._changed.wait(min(seconds, LOOK_SECONDS))
                seconds -= LOOK_SECONDS

    def _read(self) -> None:
        """Read blocks while there is room for them; the thread runs this."""
        room = WAITING_SECONDS * self._rate_hz
        blocks = self._stream.blocks()
        try:
            for block in blocks:
                with self._changed:
                    while self._waiting >= room and not self._stopped:
                        self._changed.wait(LOOK_SECONDS)
                    if self._stopped:
                        break
                    self._blocks.append((self._clock(), block))
                    self._waiting += len(block)
                    self._changed.notify_all()
            self._whole = True
        except EarmarkError as error:
            self._failure = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
