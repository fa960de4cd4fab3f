import numpy as np
import pytest

from earmark.audio.encode import BLOCK_SAMPLES
from earmark.audio.tempo import change_pitch, change_speed, change_tempo
from earmark.errors import WaveformError

RATE_HZ = 22_050


def tone(pitch_hz: float, seconds: float) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * pitch_hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)).astype(np.float32)


def pitch_of(samples: np.ndarray) -> float:
    """The loudest frequency in Hz, from two seconds of the middle."""
    middle = samples[len(samples) // 2 - RATE_HZ : len(samples) // 2 + RATE_HZ]
    return float(np.abs(np.fft.rfft(middle * np.hanning(len(middle)))).argmax()) / 2


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.1, 2.0])
def test_a_sound_gets_longer_or_shorter_at_the_same_pitch(factor: float) -> None:
    samples = tone(440, 8)
    found = change_tempo(samples, RATE_HZ, factor)
    assert found.dtype == np.float32
    assert len(found) == pytest.approx(len(samples) / factor, abs=0.05 * RATE_HZ)
    assert pitch_of(found) == pytest.approx(440, abs=1)
    assert np.sqrt(np.mean(found**2)) == pytest.approx(np.sqrt(np.mean(samples**2)), rel=0.05)


def test_what_sounded_first_sounds_first() -> None:
    samples = np.concatenate([tone(300, 5), tone(900, 5)])
    found = change_tempo(samples, RATE_HZ, 0.8)
    assert pitch_of(found[: len(found) // 2]) == pytest.approx(300, abs=1)
    assert pitch_of(found[len(found) // 2 :]) == pytest.approx(900, abs=1)


@pytest.mark.parametrize("semitones", [-2.0, 1.0, 12.0])
def test_a_sound_moves_up_or_down_at_the_same_length(semitones: float) -> None:
    samples = tone(440, 8)
    found = change_pitch(samples, RATE_HZ, semitones)
    assert len(found) == pytest.approx(len(samples), abs=0.05 * RATE_HZ)
    assert pitch_of(found) == pytest.approx(440 * 2 ** (semitones / 12), abs=1)


@pytest.mark.parametrize("factor", [0.83, 1.2])
def test_a_faster_tape_is_higher_and_shorter(factor: float) -> None:
    samples = tone(440, 8)
    found = change_speed(samples, RATE_HZ, factor)
    assert len(found) == pytest.approx(len(samples) / factor, abs=1)
    assert pitch_of(found) == pytest.approx(440 * factor, abs=1)
    with pytest.raises(WaveformError, match="Choose another speed"):
        change_speed(samples, RATE_HZ, 0.4)


def test_the_same_sound_gives_the_same_numbers_and_is_left_alone() -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 2 * BLOCK_SAMPLES + 7).astype(np.float32)
    before = samples.copy()
    np.testing.assert_array_equal(change_tempo(samples, RATE_HZ, 1.1), change_tempo(samples, RATE_HZ, 1.1))
    np.testing.assert_array_equal(change_pitch(samples, RATE_HZ, 2), change_pitch(samples, RATE_HZ, 2))
    np.testing.assert_array_equal(samples, before)


@pytest.mark.parametrize("count", [1, 10, 300])
def test_next_to_no_sound(count: int) -> None:
    samples = np.full(count, 0.5, np.float32)
    for found in (
        change_tempo(samples, RATE_HZ, 2.0),
        change_tempo(samples, RATE_HZ, 0.5),
        change_pitch(samples, RATE_HZ, 12),
    ):
        assert len(found) >= 1
        assert np.isfinite(found).all()


def test_what_cannot_be_done_is_refused() -> None:
    samples = tone(440, 0.1)
    for factor in (0.4, 2.1, float("nan")):
        with pytest.raises(WaveformError, match=r"expected 0\.5 to 2"):
            change_tempo(samples, RATE_HZ, factor)
    with pytest.raises(WaveformError, match="expected -12 to 12"):
        change_pitch(samples, RATE_HZ, 13)
    with pytest.raises(WaveformError, match="float32"):
        change_tempo(samples[:, None], RATE_HZ, 1.1)
