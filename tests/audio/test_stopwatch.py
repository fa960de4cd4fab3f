import math

import numpy as np
import pytest

from earmark.audio.decode import decode
from earmark.audio.stopwatch import PARTS, REST, Stopwatch


class Clock:
    """Tells the seconds that it was moved on by."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds

    def work(self, seconds):
        self.seconds += seconds
        return seconds


def test_parts_and_rest_add_up_to_the_wall_time():
    clock = Clock()
    stopwatch = Stopwatch(clock)
    network = stopwatch.timed("network", clock.work)
    with stopwatch:
        clock.work(0.5)
        assert network(2.0) == 2.0
        for seconds in stopwatch.steps("decode", (clock.work(seconds) for seconds in (1.0, 3.0))):
            network(seconds / 4)
    clock.work(100.0)
    profile = stopwatch.profile
    assert profile.wall_seconds == 7.5
    assert profile.parts == {"decode": 4.0, "resample": 0.0, "front end": 0.0, "network": 3.0, "rest": 0.5}
    assert list(profile.parts) == [*PARTS, REST]
    assert profile.to_dict() == {"wall_seconds": 7.5, "parts": dict(profile.parts)}


def test_a_part_within_another_is_counted_once():
    clock = Clock()
    stopwatch = Stopwatch(clock)
    network = stopwatch.timed("network", clock.work)

    def front_end():
        clock.work(1.0)
        network(2.0)
        network(4.0)
        return clock.work(8.0)

    with stopwatch:
        stopwatch.timed("front end", front_end)()
        network(16.0)
    assert stopwatch.profile.parts == {"decode": 0, "resample": 0, "front end": 9.0, "network": 22.0, "rest": 0.0}


def test_what_fails_is_counted_and_raised():
    clock = Clock()
    stopwatch = Stopwatch(clock)

    def fail():
        clock.work(2.0)
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"), stopwatch:
        stopwatch.timed("decode", fail)()
    assert (stopwatch.profile.wall_seconds, stopwatch.profile.parts["decode"]) == (2.0, 2.0)


def test_a_sound_is_the_same_under_a_stopwatch():
    samples = np.random.default_rng(0).normal(0, 0.1, (200_000, 2)).astype(np.float32)
    expected = np.concatenate(list(decode((samples, 44_100))))
    stopwatch = Stopwatch()
    with stopwatch:
        np.testing.assert_array_equal(np.concatenate(list(decode((samples, 44_100), stopwatch=stopwatch))), expected)
    profile = stopwatch.profile
    assert math.fsum(profile.parts.values()) == pytest.approx(profile.wall_seconds, rel=1e-9)
    assert profile.parts["decode"] > 0
    assert profile.parts["resample"] > 0
