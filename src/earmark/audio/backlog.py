"""What has come in and waits to be heard: read by a thread of its own, and skipped by who falls behind."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.audio.incoming import Incoming
from earmark.errors import AudioError, EarmarkError

Array = npt.NDArray[np.float32]

WAITING_SECONDS = 4.0
"""Sound that waits at most; then its source has to wait, too."""
PIECE_SECONDS = 0.5
"""Sound that is handed on at once, at most, where more waits."""
LATE_SECONDS = 2.0
"""Who hears sound so long after it came skips to the newest."""
DRY_SECONDS = 0.1
"""Who skips and finds nothing more for so long has caught up."""
LOOK_SECONDS = 0.2
"""How often a waiting reader looks whether it should stop."""


@dataclass(frozen=True)
class Arrival:
    """The next piece of a sound, (samples,) float32; `skipped`: how many samples before it were left out."""

    samples: Array
    skipped: int


class Backlog:
    """Pieces of incoming sound, in order, until it ends or `stop` is called; a context manager, iterated once.

    Where the sound is paced and its listener too slow, so that it would be heard more than `LATE_SECONDS` after it came
    in, everything that waits is skipped. A source that is faster than its listener has to wait, and nothing is lost.

    clock: seconds that pass. Iterating raises what reading raised, after the pieces before it.
    """

    def __init__(self, incoming: Incoming, rate_hz: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._incoming = incoming
        self._rate_hz = rate_hz
        self._clock = clock
        self._changed = threading.Condition()
        self._blocks: deque[tuple[float, Array]] = deque()
        """With the moments at which they came in."""
        self._waiting = 0
        """Samples in the blocks."""
        self._ended = False
        self._failure: EarmarkError | None = None
        self._whole = False
        self._stopped = False
        self._taken = 0
        self._origin = 0.0
        """When the sound would have begun whose next sample comes in at the moment that it is due."""
        # A daemon: nothing can wake a read that waits for a silent source, and it must not keep Python from ending.
        self._reader = threading.Thread(target=self._read, name="earmark-listens", daemon=True)

    def __enter__(self) -> Backlog:
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._reader.join(timeout=1.0)

    def stop(self) -> None:
        """End the iteration soon; may be called from anywhere, a signal handler too."""
        self._stopped = True

    def __iter__(self) -> Iterator[Arrival]:
        self._catch_up()
        while not self._stopped:
            if not self._waiting:
                self._wait(lambda: bool(self._waiting))
                self._catch_up()
            skipped = self._skip() if self._incoming.paced and self._is_late() else 0
            samples = self._take(round(PIECE_SECONDS * self._rate_hz))
            if len(samples) or skipped:
                yield Arrival(samples, skipped)
            elif self._ended and not self._waiting:  # in this order: the last block comes before the end
                break
        if self._failure is not None:
            raise self._failure
        if self._ended and not self._whole:
            raise AudioError(f"{self._incoming.name}: what reads it stopped without a reason; listen again")

    def _catch_up(self) -> None:
        """Whatever comes next is fresh."""
        self._origin = self._clock() - self._taken / self._rate_hz

    def _is_late(self) -> bool:
        """Whether the oldest sample that waits should be skipped.

        Both have to be so: it came in long ago, else it is the source that paused; and it was due long ago by the pace
        at which sound plays, else the source is ahead of that and its listener as well.
        """
        with self._changed:
            since = self._blocks[0][0] if self._blocks else self._clock()
        return min(self._clock() - since, self._overdue_seconds()) > LATE_SECONDS

    def _overdue_seconds(self) -> float:
        """How long ago the oldest sample that waits was due."""
        overdue = self._clock() - self._origin - self._taken / self._rate_hz
        if overdue < 0:  # it comes faster than it plays
            self._catch_up()
        return max(0.0, overdue)

    def _skip(self) -> int:
        """Drop what waits until the newest is reached; returns how many samples."""
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
        """Take blocks of at least so many samples, or what there is."""
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
        """Wait until something is there, the source has ended, it is to stop, or so many seconds have passed."""
        with self._changed:
            while not (there() or self._ended or self._stopped) and seconds > 0:
                self._changed.wait(min(seconds, LOOK_SECONDS))
                seconds -= LOOK_SECONDS

    def _read(self) -> None:
        """The thread: read blocks while there is room for them."""
        room = WAITING_SECONDS * self._rate_hz
        blocks = self._incoming.blocks()
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
