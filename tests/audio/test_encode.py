import numpy as np
import pytest

from earmark.audio.decode import decode
from earmark.audio.encode import BLOCK_SAMPLES, encode_mp3
from earmark.errors import WaveformError

RATE_HZ = 22_050


def tune(seconds: float) -> np.ndarray:
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (0.3 * np.sin(2 * np.pi * 440 * time) * (1 + 0.5 * np.sin(2 * np.pi * 2 * time))).astype(np.float32)


def decoded(data: bytes) -> np.ndarray:
    with decode(data, RATE_HZ) as sound:
        return np.concatenate(list(sound))


@pytest.mark.parametrize("bits_a_second", [32_000, 48_000])
@pytest.mark.parametrize("seconds", [0.1, 7.3])
def test_what_is_decoded_is_the_sound_in_place(bits_a_second: int, seconds: float) -> None:
    samples = tune(seconds)
    data = encode_mp3(samples, RATE_HZ, bits_a_second)
    found = decoded(data)
    assert len(found) == len(samples)
    # LAME makes a sound of few bits a little softer, by a twentieth.
    assert np.sqrt(np.mean((found - 0.95 * samples) ** 2)) < 0.05 * np.sqrt(np.mean(samples**2))
    if seconds > 1:
        assert len(data) * 8 / seconds == pytest.approx(bits_a_second, rel=0.05)
    assert encode_mp3(samples, RATE_HZ, bits_a_second) == data


def test_more_than_one_block() -> None:
    samples = tune(2.5 * BLOCK_SAMPLES / RATE_HZ)
    found = decoded(encode_mp3(samples, RATE_HZ, 48_000))
    assert np.abs(found - samples).max() < 0.05


def test_a_lower_bit_rate_loses_more() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 3 * RATE_HZ).astype(np.float32)
    lost = [np.mean((decoded(encode_mp3(noise, RATE_HZ, bits)) - noise) ** 2) for bits in (24_000, 64_000)]
    assert lost[0] > lost[1] > 0


@pytest.mark.parametrize(
    "samples",
    [np.zeros((10, 2), np.float32), np.zeros(0, np.float32), np.zeros(10, np.float64), np.zeros(10, np.int16)],
)
def test_other_shapes_are_refused(samples: np.ndarray) -> None:
    with pytest.raises(WaveformError, match=r"expected \(samples,\) float32"):
        encode_mp3(samples, RATE_HZ, 48_000)


def test_a_rate_that_mp3_does_not_know_is_refused() -> None:
    with pytest.raises(WaveformError, match="12345 Hz cannot be encoded as MP3"):
        encode_mp3(tune(0.2), 12_345, 48_000)
