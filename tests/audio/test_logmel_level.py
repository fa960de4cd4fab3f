"""Levelled frames: the gains of the formula, the same for any pushes, and no loudness left."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.audio.logmel import LEAST, LEVEL, LogMelSettings, RunningLevel, log_mel
from earmark.errors import WaveformError

LEVELLED = LogMelSettings(level_seconds=2.0)


def sound(seconds: float = 6.0) -> npt.NDArray[np.float32]:
    """Noise that swells and falls."""
    samples = round(seconds * 22_050)
    swell = 0.02 + 0.2 * np.sin(np.linspace(0, 9, samples)) ** 2
    return (swell * np.random.default_rng(0).standard_normal(samples)).astype(np.float32)


def test_gains_are_those_of_the_formula() -> None:
    magnitudes = np.random.default_rng(1).uniform(0, 4, 50).astype(np.float32)
    for frame, gain in enumerate(RunningLevel(7.0).gains(magnitudes)):
        weights = np.exp(-np.arange(frame + 1) / 7.0)[::-1]
        mean = (weights * magnitudes[: frame + 1]).sum() / weights.sum()
        assert gain == pytest.approx(LEVEL / (mean + LEAST), rel=1e-5)


@settings(max_examples=50, deadline=None)
@given(values=st.lists(st.floats(0, 100, width=32), max_size=60), cut=st.integers(0, 60))
def test_gains_do_not_depend_on_how_frames_are_pushed(values: list[float], cut: int) -> None:
    magnitudes = np.array(values, np.float32)
    level = RunningLevel(5.0)
    parts = [level.gains(magnitudes[:cut]), level.gains(magnitudes[cut:])]
    np.testing.assert_array_equal(np.concatenate(parts), RunningLevel(5.0).gains(magnitudes))


@pytest.mark.parametrize("decibels", [-12.0, 12.0])
def test_a_quiet_and_a_loud_sound_have_the_same_frames(decibels: float) -> None:
    gain = np.float32(10 ** (decibels / 20))
    plain, other = (log_mel(sound() * factor, LEVELLED) for factor in (np.float32(1), gain))
    assert np.abs(plain - other).max() < 0.02
    unlevelled = [log_mel(sound() * factor) for factor in (np.float32(1), gain)]
    assert np.abs(unlevelled[0] - unlevelled[1]).max() > 0.3


def test_what_is_quiet_for_a_moment_stays_quiet() -> None:
    whole = sound()
    whole[44_100:66_150] *= np.float32(0.1)
    frames = log_mel(whole, LEVELLED).mean(axis=1)
    assert frames[100:120].mean() < 0.5 * frames[60:80].mean()


def test_silence_is_not_made_loud() -> None:
    dither = np.random.default_rng(2).integers(-1, 2, 44_100).astype(np.float32) / 32_768
    assert log_mel(dither, LEVELLED).mean() < 0.5 * log_mel(sound(), LEVELLED).mean()
    assert not log_mel(np.zeros(44_100, np.float32), LEVELLED).any()


@pytest.mark.parametrize("seconds", [-1.0, math.inf, math.nan])
def test_a_level_over_no_time_is_refused(seconds: float) -> None:
    with pytest.raises(WaveformError, match="level_seconds"):
        LogMelSettings(level_seconds=seconds)
