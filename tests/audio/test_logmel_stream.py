"""Frames as soon as they are complete are those of the whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.audio.logmel import FrameStream, LogMelSettings, log_mel
from earmark.errors import WaveformError

SETTINGS = (
    LogMelSettings(),
    LogMelSettings(hop_samples=256),
    LogMelSettings(window_samples=2048, hop_samples=300),
    LogMelSettings(window_samples=1024, hop_samples=1500),
    LogMelSettings(level_seconds=1.0),
)


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(which=st.sampled_from(SETTINGS), sizes=st.lists(st.integers(0, 9_000), min_size=1, max_size=5))
def test_the_frames_are_those_of_the_whole(which: LogMelSettings, sizes: list[int]) -> None:
    sound = noise(sum(sizes) + 1)
    frames = FrameStream(which)
    parts, start = [], 0
    for size in [*sizes, 1]:
        parts.append(frames.push(sound[start : start + size]))
        start += size
        # Nothing is held back: whatever is complete by now is there.
        half = which.window_samples // 2
        complete = 0 if start < half else (start - half) // which.hop_samples + 1
        assert sum(len(part) for part in parts) == complete
    parts.append(frames.finish())
    whole = log_mel(sound, which)
    together = np.concatenate(parts)
    assert together.shape == whole.shape
    np.testing.assert_allclose(together, whole, atol=1e-6)


def test_what_is_held_does_not_grow() -> None:
    frames = FrameStream(LogMelSettings())
    held = set()
    for _ in range(50):
        frames.push(noise(27_648))
        held.add(len(frames._held))
    assert max(held) < 27_648


def test_no_sound_has_no_frames() -> None:
    with pytest.raises(WaveformError):
        FrameStream(LogMelSettings()).finish()


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros((10, 2), np.float32),
        np.zeros((0, 2), np.float32),
        np.zeros(10, np.float64),
        np.array([0.0, np.nan], np.float32),
        np.full(10, np.inf, np.float32),
    ],
)
def test_wrong_samples_are_refused_even_where_they_complete_no_frame(samples: np.ndarray) -> None:
    frames = FrameStream(LogMelSettings())
    with pytest.raises(WaveformError):
        frames.push(samples)
    # The samples that were refused leave no trace.
    sound = noise(5_000)
    together = np.concatenate([frames.push(sound), frames.finish()])
    np.testing.assert_allclose(together, log_mel(sound, LogMelSettings()), atol=1e-6)
