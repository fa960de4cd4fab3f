"""The log-mel front end: librosa's numbers, the same bits for any push sizes, clear refusals.

tests/vectors/logmel.npz holds what librosa 0.11.0 gave for the paper's settings: `samples` (12 000,),
`frames` (24, 128), `mel_filters` (128, 513), so that a later librosa cannot move the target unseen. The
samples are a rising chirp, a decaying tone and a little noise, rounded to 16 bits.
"""

import dataclasses
from pathlib import Path

import librosa
import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.audio.logmel import BLOCK_FRAMES, LogMel, LogMelSettings, log_mel
from earmark.errors import WaveformError

Samples = npt.NDArray[np.float32]

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "logmel.npz"
SMALL = LogMelSettings(window_samples=64, hop_samples=32, mel_bands=5)
"""A block of these is 8 192 samples, so that hypothesis can cross several."""
AROUND_A_BLOCK = [130_559, 130_560, 131_071, 131_072, 131_584, 300_001]
"""Sounds that end just before, at and after the end of a block of the paper's settings."""


def noise(samples: int, seed: int = 0) -> Samples:
    return np.random.default_rng(seed).uniform(-1.0, 1.0, samples).astype(np.float32)


def by_librosa(samples: Samples, of: LogMelSettings = LogMelSettings()) -> Samples:
    mel = librosa.feature.melspectrogram(
        y=samples,
        sr=of.rate_hz,
        n_fft=of.window_samples,
        hop_length=of.hop_samples,
        n_mels=of.mel_bands,
        fmin=of.low_hz,
        fmax=of.high_hz,
        power=1.0,
    )
    frames: Samples = np.log10(1.0 + of.compression * mel).T
    return frames


def streamed(samples: Samples, sizes: list[int], of: LogMelSettings) -> Samples:
    """The frames of `samples` pushed in blocks of these sizes in turn, over and over."""
    stream = LogMel(of)
    parts, start, turn = [], 0, 0
    while start < len(samples):
        size = sizes[turn % len(sizes)]
        parts.append(stream.push(samples[start : start + size]))
        start, turn = start + size, turn + 1
    parts.append(stream.finish())
    return np.concatenate(parts)


def assert_librosa(samples: Samples, of: LogMelSettings = LogMelSettings()) -> None:
    frames = log_mel(samples, of)
    expected = by_librosa(samples, of)
    assert frames.dtype == np.float32
    assert frames.shape == expected.shape
    np.testing.assert_allclose(frames, expected, rtol=0, atol=1e-5)


def test_equals_the_stored_values() -> None:
    with np.load(VECTORS) as stored:
        np.testing.assert_allclose(log_mel(stored["samples"]), stored["frames"], rtol=0, atol=1e-5)


@pytest.mark.filterwarnings("ignore:n_fft=1024 is too large:UserWarning")
@pytest.mark.parametrize("samples", [1, 2, 511, 512, 513, 1023, 1024, 1025, 6_615, *AROUND_A_BLOCK])
def test_equals_librosa_at_any_length(samples: int) -> None:
    assert_librosa(noise(samples))


@pytest.mark.parametrize(
    "other",
    [
        LogMelSettings(hop_samples=256),
        LogMelSettings(hop_samples=1024),
        LogMelSettings(hop_samples=300, compression=10_000.0),
        LogMelSettings(16_000, window_samples=512, hop_samples=160, mel_bands=40, low_hz=20.0, high_hz=8e3),
        SMALL,
    ],
)
def test_equals_librosa_with_other_settings(other: LogMelSettings) -> None:
    assert_librosa(noise(100_003), other)


def test_equals_librosa_where_the_hop_is_longer_than_the_window() -> None:
    assert_librosa(noise(1_000_000), LogMelSettings(hop_samples=1500))


@pytest.mark.parametrize("hz", [20.0, 440.0, 5_000.0, 11_000.0])
def test_equals_librosa_on_loud_tones(hz: float) -> None:
    # Every other band is quiet beside the tone, where a less exact transform would show.
    assert_librosa(np.sin(2.0 * np.pi * hz / 22_050 * np.arange(60_000)).astype(np.float32))


@pytest.mark.data
def test_equals_librosa_on_real_music(shared_data: Path) -> None:
    paths = sorted(shared_data.glob("*/audio/*.ogg"))[::25]
    assert len(paths) >= 20
    for path in paths:
        samples, rate_hz = soundfile.read(path, dtype="float32")
        assert rate_hz == 22_050
        assert_librosa(samples)


def test_silence_is_zero() -> None:
    assert not log_mel(np.zeros(10_000, dtype=np.float32)).any()


@settings(deadline=None, max_examples=60)
@given(samples=st.integers(1, 30_000), sizes=st.lists(st.integers(1, 20_000), min_size=1, max_size=6))
def test_any_push_sizes_give_the_same_bits(samples: int, sizes: list[int]) -> None:
    sound = noise(samples)
    sizes = [max(size, samples // 300) for size in sizes]  # not thousands of pushes
    for of in (SMALL, dataclasses.replace(SMALL, level_seconds=0.5)):
        np.testing.assert_array_equal(streamed(sound, sizes, of), log_mel(sound, of))


@settings(deadline=None, max_examples=40)
@given(
    hop=st.integers(1, 150),
    samples=st.integers(1, 30_000),
    sizes=st.lists(st.integers(100, 20_000), min_size=1, max_size=4),
)
def test_any_hop_gives_the_same_bits(hop: int, samples: int, sizes: list[int]) -> None:
    other = LogMelSettings(window_samples=64, hop_samples=hop, mel_bands=5)
    sound = noise(samples)
    frames = streamed(sound, sizes, other)
    assert frames.shape == (other.frames(samples), 5)
    np.testing.assert_array_equal(frames, log_mel(sound, other))


@pytest.mark.parametrize("sizes", [[1_000], [4_096], [22_050], [131_072], [200_000, 1, 70_000], [131_071, 1]])
def test_any_push_sizes_give_the_same_bits_with_the_papers_settings(sizes: list[int]) -> None:
    sound = noise(450_000)
    np.testing.assert_array_equal(streamed(sound, sizes, LogMelSettings()), log_mel(sound))


def test_single_samples_give_the_same_bits() -> None:
    sound = noise(9_000)
    np.testing.assert_array_equal(streamed(sound, [1], SMALL), log_mel(sound, SMALL))


def test_a_frame_does_not_depend_on_where_the_sound_ends() -> None:
    sound = noise(20_000)
    whole = log_mel(sound, SMALL)
    for samples in (500, 8_191, 8_192, 12_345):
        untouched = (samples - 32) // 32 + 1  # frames whose window ends before the zeros
        np.testing.assert_array_equal(log_mel(sound[:samples], SMALL)[:untouched], whole[:untouched])


def test_frames_come_in_whole_blocks_as_soon_as_they_are_complete() -> None:
    stream = LogMel(SMALL)
    complete = (BLOCK_FRAMES - 1) * 32 + 32  # the last frame of the first block is centred at 255 hops
    assert stream.push(noise(complete - 1)).shape == (0, 5)
    assert stream.push(noise(1)).shape == (BLOCK_FRAMES, 5)
    assert stream.push(noise(0)).shape == (0, 5)
    assert stream.finish().shape == (1, 5)


def test_what_was_pushed_may_be_strided_and_reused() -> None:
    sound = noise(20_000)
    np.testing.assert_array_equal(log_mel(np.repeat(sound, 2)[::2], SMALL), log_mel(sound, SMALL))
    stream, buffer, parts = LogMel(SMALL), np.empty(1_000, dtype=np.float32), []
    for start in range(0, 20_000, 1_000):
        buffer[:] = sound[start : start + 1_000]
        parts.append(stream.push(buffer))
    np.testing.assert_array_equal(np.concatenate([*parts, stream.finish()]), log_mel(sound, SMALL))


REFUSED = {
    "a list": ([0.0, 1.0], "list"),
    "two channels": (np.zeros((5, 2), dtype=np.float32), r"\(5, 2\)"),
    "a number": (np.array(1.0, dtype=np.float32), r"\(\)"),
    "float64": (np.zeros(5), "float64"),
    "integers": (np.zeros(5, dtype=np.int16), "int16"),
    "NaN": (np.array([0.0, np.nan], dtype=np.float32), "NaN"),
    "infinity": (np.array([0.0, np.inf], dtype=np.float32), "infinity"),
    "minus infinity": (np.array([-np.inf, 0.0], dtype=np.float32), "infinity"),
    "what would overflow": (np.array([0.0, 3e38], dtype=np.float32), "1e\\+30"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_sound_is_refused_and_changes_nothing(name: str) -> None:
    wrong, pattern = REFUSED[name]
    sound = noise(10_000)
    stream = LogMel(SMALL)
    first = stream.push(sound)
    with pytest.raises(WaveformError, match=pattern):
        stream.push(wrong)  # type: ignore[arg-type]
    np.testing.assert_array_equal(np.concatenate([first, stream.finish()]), log_mel(sound, SMALL))


def test_the_largest_samples_stay_finite() -> None:
    assert np.isfinite(log_mel(np.full(5_000, 1e30, dtype=np.float32))).all()


def test_a_sound_without_samples_is_refused() -> None:
    with pytest.raises(WaveformError, match="no samples"):
        log_mel(np.zeros(0, dtype=np.float32))


def test_a_finished_stream_takes_no_more() -> None:
    stream = LogMel(SMALL)
    stream.push(noise(100))
    stream.finish()
    with pytest.raises(WaveformError, match="finished"):
        stream.push(noise(100))
    with pytest.raises(WaveformError, match="finished"):
        stream.finish()


@pytest.mark.parametrize(
    ("wrong", "pattern"),
    [
        ({"rate_hz": 0}, "rate_hz"),
        ({"rate_hz": 22_050.0}, "rate_hz"),
        ({"hop_samples": -1}, "hop_samples"),
        ({"mel_bands": True}, "mel_bands"),
        ({"window_samples": 1023}, "even"),
        ({"high_hz": 12_000.0}, "11025"),
        ({"low_hz": -1.0}, "-1"),
        ({"low_hz": 500.0, "high_hz": 500.0}, "rise"),
        ({"high_hz": float("nan")}, "nan"),
        ({"compression": 0.0}, "compression"),
        ({"compression": float("inf")}, "compression"),
    ],
)
def test_settings_that_describe_no_front_end_are_refused(wrong: dict[str, float], pattern: str) -> None:
    with pytest.raises(WaveformError, match=pattern):
        LogMelSettings(**wrong)  # type: ignore[arg-type]
