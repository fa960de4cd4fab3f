"""Who is fast enough hears everything; who is too slow for a sound that comes as it plays skips, and is told so."""

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from earmark.audio.stream.buffer import LATE_SECONDS, WAITING_SECONDS, AudioBuffer, Piece
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
    with AudioBuffer(Source(blocks), RATE_HZ, Clock()) as buffer:
        pieces = list(buffer)
    assert all(piece.skipped == 0 for piece in pieces)
    assert np.array_equal(np.concatenate([piece.samples for piece in pieces]), np.concatenate(blocks))
    assert max(len(piece.samples) for piece in pieces) <= 500


def slow(source: Source, seconds_a_second: float) -> list[Piece]:
    """What a listener hears who takes so many seconds for one of sound, where all of it is there at once."""
    clock = Clock()
    pieces = []
    with AudioBuffer(source, RATE_HZ, clock) as buffer:
        for piece in buffer:
            pieces.append(piece)
            clock.seconds += seconds_a_second * len(piece.samples) / RATE_HZ
            # However busy the machine is, the reader has read as far as it may before more is taken.
            while source.read < len(source._blocks) and buffer._waiting < WAITING_SECONDS * RATE_HZ:
                assert source.reading.acquire(timeout=PATIENCE)
    return pieces


def test_a_slow_listener_skips_to_the_newest() -> None:
    source = Source(numbered(400))
    pieces = slow(source, 2.0)
    heard, skipped = sum(len(piece.samples) for piece in pieces), sum(piece.skipped for piece in pieces)
    assert heard + skipped == 100_000, "all of it is heard or said to be skipped"
    assert skipped / heard == pytest.approx(1.0, abs=0.15), "half of it, at twice the time"
    # It is never behind by more than is allowed and what is being heard.
    behind = 0.0
    for piece in pieces:
        behind -= piece.skipped / RATE_HZ
        assert behind <= LATE_SECONDS + 0.5
        behind = max(behind, 0.0) + 2.0 * len(piece.samples) / RATE_HZ - len(piece.samples) / RATE_HZ


def test_a_file_waits_for_a_slow_listener() -> None:
    pieces = slow(Source(numbered(100), paced=False), 50.0)
    assert sum(len(piece.samples) for piece in pieces) == 25_000
    assert not any(piece.skipped for piece in pieces)


def test_a_listener_who_is_faster_than_the_sound_is_never_late() -> None:
    pieces = slow(Source(numbered(200)), 0.5)
    assert not any(piece.skipped for piece in pieces)


def test_a_pause_of_the_source_is_nobodys_lateness() -> None:
    source = Source(numbered(8))
    source.waits = threading.Semaphore(4)
    clock = Clock()
    with AudioBuffer(source, RATE_HZ, clock) as buffer:
        pieces = iter(buffer)
        for _ in range(5):
            assert source.reading.acquire(timeout=PATIENCE)
        heard = 0
        while heard < 1_000:
            heard += len(next(pieces).samples)
        waiting = threading.Thread(target=lambda: _after_a_pause(source, clock))
        waiting.start()
        rest = list(pieces)
        waiting.join()
    assert sum(len(piece.samples) for piece in rest) == 1_000
    assert not any(piece.skipped for piece in rest)


def _after_a_pause(source: Source, clock: Clock) -> None:
    clock.seconds += 3_600.0
    for _ in range(4):
        source.waits.release()


def test_no_more_waits_than_there_is_room_for() -> None:
    source = Source(numbered(400))
    with AudioBuffer(source, RATE_HZ, Clock()) as buffer:
        # The block that finds no room is read, and the one behind it never asked for.
        for _ in range(int(WAITING_SECONDS * RATE_HZ) // 250 + 1):
            assert source.reading.acquire(timeout=PATIENCE)
        assert not source.reading.acquire(timeout=0.3)
        assert buffer._waiting <= WAITING_SECONDS * RATE_HZ


def test_what_reading_raises_comes_after_what_was_read() -> None:
    def breaks() -> None:
        raise DecodeError("a source", "it broke off")

    heard = 0
    with (
        AudioBuffer(Source(numbered(3), ends=breaks), RATE_HZ, Clock()) as buffer,
        pytest.raises(DecodeError, match="broke off"),
    ):
        for piece in buffer:
            heard += len(piece.samples)
    assert heard == 750


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_reader_that_fails_unforeseen_is_no_end() -> None:
    def fails() -> None:
        raise ZeroDivisionError

    with (
        AudioBuffer(Source(numbered(1), ends=fails), RATE_HZ, Clock()) as buffer,
        pytest.raises(AudioError, match="ended without an error"),
    ):
        list(buffer)


def test_it_stops_when_it_is_told_to() -> None:
    source = Source(numbered(1_000))
    source.waits = threading.Semaphore(2)
    buffer = AudioBuffer(source, RATE_HZ)
    with buffer:
        heard = 0
        for piece in buffer:
            heard += len(piece.samples)
            if heard == 500:
                threading.Timer(0.05, buffer.stop).start()  # while it waits for a source that says nothing
    assert heard == 500
    source.waits.release()
    buffer._reader.join(PATIENCE)
    assert not buffer._reader.is_alive()
