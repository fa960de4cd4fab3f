"""Who is fast enough hears everything; who is too slow for a sound that comes as it plays skips, and is told so."""

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from earmark.audio.backlog import LATE_SECONDS, WAITING_SECONDS, Arrival, Backlog
from earmark.errors import AudioError, DecodeError

RATE_HZ = 1_000
PATIENCE = 60.0
"""Seconds after which a test that waits for a thread gives up; none of them counts on any."""


class Source:
    """Blocks that are there when they are let through."""

    name = "a source"

    def __init__(self, blocks: list[np.ndarray], paced: bool = True, ends: Callable[[], None] = lambda: None) -> None:
        self.paced = paced
        self._blocks = blocks
        self._ends = ends
        self.read = 0
        self.waits = threading.Semaphore(len(blocks))
        self.reading = threading.Semaphore(0)
        """Released whenever the next block is asked for."""

    def blocks(self) -> Iterator[np.ndarray]:
        for block in self._blocks:
            self.reading.release()
            self.waits.acquire()
            self.read += 1
            yield block
        self.reading.release()
        self._ends()


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def numbered(count: int, samples: int = 250) -> list[np.ndarray]:
    return [np.full(samples, number, np.float32) for number in range(count)]


def test_a_fast_listener_hears_everything_in_order() -> None:
    blocks = numbered(40)
    with Backlog(Source(blocks), RATE_HZ, Clock()) as backlog:
        arrivals = list(backlog)
    assert all(arrival.skipped == 0 for arrival in arrivals)
    assert np.array_equal(np.concatenate([arrival.samples for arrival in arrivals]), np.concatenate(blocks))
    assert max(len(arrival.samples) for arrival in arrivals) <= 500


def slow(source: Source, seconds_a_second: float) -> list[Arrival]:
    """What a listener hears who takes so many seconds for one of sound, where all of it is there at once."""
    clock = Clock()
    arrivals = []
    with Backlog(source, RATE_HZ, clock) as backlog:
        for arrival in backlog:
            arrivals.append(arrival)
            clock.seconds += seconds_a_second * len(arrival.samples) / RATE_HZ
            # However busy the machine is, the reader has read as far as it may before more is taken.
            while source.read < len(source._blocks) and backlog._waiting < WAITING_SECONDS * RATE_HZ:
                assert source.reading.acquire(timeout=PATIENCE)
    return arrivals


def test_a_slow_listener_skips_to_the_newest() -> None:
    source = Source(numbered(400))
    arrivals = slow(source, 2.0)
    heard, skipped = sum(len(arrival.samples) for arrival in arrivals), sum(arrival.skipped for arrival in arrivals)
    assert heard + skipped == 100_000, "all of it is heard or said to be skipped"
    assert skipped / heard == pytest.approx(1.0, abs=0.15), "half of it, at twice the time"
    # It is never behind by more than is allowed and what is being heard.
    behind = 0.0
    for arrival in arrivals:
        behind -= arrival.skipped / RATE_HZ
        assert behind <= LATE_SECONDS + 0.5
        behind = max(behind, 0.0) + 2.0 * len(arrival.samples) / RATE_HZ - len(arrival.samples) / RATE_HZ


def test_a_file_waits_for_a_slow_listener() -> None:
    arrivals = slow(Source(numbered(100), paced=False), 50.0)
    assert sum(len(arrival.samples) for arrival in arrivals) == 25_000
    assert not any(arrival.skipped for arrival in arrivals)


def test_a_listener_who_is_faster_than_the_sound_is_never_late() -> None:
    arrivals = slow(Source(numbered(200)), 0.5)
    assert not any(arrival.skipped for arrival in arrivals)


def test_a_pause_of_the_source_is_nobodys_lateness() -> None:
    source = Source(numbered(8))
    source.waits = threading.Semaphore(4)
    clock = Clock()
    with Backlog(source, RATE_HZ, clock) as backlog:
        pieces = iter(backlog)
        for _ in range(5):
            assert source.reading.acquire(timeout=PATIENCE)
        heard = 0
        while heard < 1_000:
            heard += len(next(pieces).samples)
        waiting = threading.Thread(target=lambda: _after_a_pause(source, clock))
        waiting.start()
        rest = list(pieces)
        waiting.join()
    assert sum(len(arrival.samples) for arrival in rest) == 1_000
    assert not any(arrival.skipped for arrival in rest)


def _after_a_pause(source: Source, clock: Clock) -> None:
    clock.seconds += 3_600.0
    for _ in range(4):
        source.waits.release()


def test_no_more_waits_than_there_is_room_for() -> None:
    source = Source(numbered(400))
    with Backlog(source, RATE_HZ, Clock()) as backlog:
        # The block that finds no room is read, and the one behind it never asked for.
        for _ in range(int(WAITING_SECONDS * RATE_HZ) // 250 + 1):
            assert source.reading.acquire(timeout=PATIENCE)
        assert not source.reading.acquire(timeout=0.3)
        assert backlog._waiting <= WAITING_SECONDS * RATE_HZ


def test_what_reading_raises_comes_after_what_was_read() -> None:
    def breaks() -> None:
        raise DecodeError("a source", "it broke off")

    heard = 0
    with (
        Backlog(Source(numbered(3), ends=breaks), RATE_HZ, Clock()) as backlog,
        pytest.raises(DecodeError, match="broke off"),
    ):
        for arrival in backlog:
            heard += len(arrival.samples)
    assert heard == 750


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_reader_that_fails_unforeseen_is_no_end() -> None:
    def fails() -> None:
        raise ZeroDivisionError

    with Backlog(Source(numbered(1), ends=fails), RATE_HZ, Clock()) as backlog, pytest.raises(AudioError, match="stop"):
        list(backlog)


def test_it_stops_when_it_is_told_to() -> None:
    source = Source(numbered(1_000))
    source.waits = threading.Semaphore(2)
    backlog = Backlog(source, RATE_HZ)
    with backlog:
        heard = 0
        for arrival in backlog:
            heard += len(arrival.samples)
            if heard == 500:
                threading.Timer(0.05, backlog.stop).start()  # while it waits for a source that says nothing
    assert heard == 500
    source.waits.release()
    backlog._reader.join(PATIENCE)
    assert not backlog._reader.is_alive()
