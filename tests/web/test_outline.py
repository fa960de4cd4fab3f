"""The outline of a sound has at most so many points, and none is lost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.web.outline import FINE_SAMPLES, POINTS_AT_MOST, Outline

RATE_HZ = 22_050


@given(st.lists(st.integers(0, 5_000), max_size=6), st.integers(0, 2**32 - 1))
def test_it_is_the_same_however_the_sound_is_cut(cuts: list[int], seed: int) -> None:
    samples = np.random.default_rng(seed).uniform(-1, 1, sum(cuts)).astype(np.float32)
    whole, parts = Outline(RATE_HZ), Outline(RATE_HZ)
    whole.add(samples)
    for part in np.split(samples, np.cumsum(cuts)):
        parts.add(part)
    assert parts.to_dict() == whole.to_dict()


@pytest.mark.parametrize("seconds", [0.001, 1.0, 14.0, 60.0, 600.0])
def test_it_is_as_long_as_the_sound_and_has_its_peak(seconds: float) -> None:
    samples = np.zeros(int(seconds * RATE_HZ), np.float32)
    samples[len(samples) * 3 // 4] = -0.8
    outline = Outline(RATE_HZ)
    outline.add(samples)
    found = outline.to_dict()
    peaks, step = found["peaks"], found["seconds_per_point"]
    assert isinstance(peaks, list)
    assert isinstance(step, float)
    assert len(peaks) <= POINTS_AT_MOST
    assert max(peaks) == pytest.approx(0.8)
    assert peaks.index(max(peaks)) * step == pytest.approx(seconds * 0.75, abs=step)
    assert len(peaks) * step == pytest.approx(seconds, abs=step)
    assert step >= FINE_SAMPLES / RATE_HZ


def test_what_is_too_loud_ends_at_one() -> None:
    outline = Outline(RATE_HZ)
    outline.add(np.array([3.0], np.float32))
    assert outline.to_dict()["peaks"] == [1.0]
