"""What is silence, and for how long it is remembered that there was none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.audio.loudness import Loudest, Loudness

RATE_HZ = 22_050


def tone(seconds: float, peak: float) -> np.ndarray:
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (peak * np.sin(2 * np.pi * 440 * time)).astype(np.float32)


@pytest.mark.parametrize(("peak", "silent"), [(0.0, True), (1e-4, True), (1.3e-3, True), (1.5e-3, False), (0.5, False)])
def test_a_thousandth_of_full_scale_is_the_limit(peak: float, silent: bool) -> None:
    loudness = Loudness(RATE_HZ, 3.0)
    loudness.add(tone(1.0, peak))
    assert loudness.silent == silent
    assert loudness.always_silent == silent


def test_a_short_sound_in_a_long_silence_counts() -> None:
    loudness = Loudness(RATE_HZ, 3.0)
    sound = tone(5.0, 0.0)
    sound[40_000:42_205] = 0.1
    loudness.add(sound)
    assert not loudness.silent


def test_what_the_window_has_left_is_forgotten() -> None:
    loudness = Loudness(RATE_HZ, 3.0)
    loudness.add(tone(1.0, 0.5))
    said = []
    for _ in range(5):
        loudness.add(tone(1.0, 0.0))
        said.append(loudness.silent)
    assert said == [False, False, True, True, True]
    assert not loudness.always_silent


@given(
    st.lists(st.integers(0, 6_000), max_size=8),
    st.integers(0, 20_000),
    st.integers(1, 5_000),
    st.sampled_from([0.0, 5e-4, 1e-3, 2e-3, 1.0]),
)
def test_the_loudest_does_not_depend_on_the_cuts(cuts: list[int], start: int, length: int, peak: float) -> None:
    samples = np.zeros(22_050, np.float32)
    samples[start : start + length] = peak
    whole, cut = Loudest(RATE_HZ), Loudest(RATE_HZ)
    whole.add(samples)
    for piece in np.split(samples, np.minimum(np.cumsum(cuts), len(samples))):
        cut.add(piece)
    assert cut.silent == whole.silent
    assert whole.silent or peak >= 1e-3
