"""The mel scale, the filters and their banded product, held against librosa and against a whole product."""

from pathlib import Path

import librosa
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.audio.logmel import BandedFilters, LogMelSettings, hz_from_mel, mel_filters, mel_from_hz, slaney_filters
from earmark.errors import WaveformError

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "logmel.npz"

ARGUMENTS = [
    (22_050, 1024, 128, 0.0, 11_025.0),
    (16_000, 512, 40, 20.0, 8_000.0),
    (44_100, 2048, 96, 30.0, 16_000.0),
    (22_050, 64, 5, 0.0, 11_025.0),
]


def test_scale_has_its_known_points() -> None:
    assert mel_from_hz([0.0, 200.0, 1000.0, 6400.0]) == pytest.approx([0.0, 3.0, 15.0, 42.0])
    assert hz_from_mel([0.0, 3.0, 15.0, 42.0]) == pytest.approx([0.0, 200.0, 1000.0, 6400.0])


def test_scale_equals_librosa() -> None:
    hz = np.linspace(0.0, 22_050.0, 1001)
    np.testing.assert_allclose(mel_from_hz(hz), librosa.hz_to_mel(hz), rtol=1e-12)
    mel = np.linspace(0.0, 70.0, 1001)
    np.testing.assert_allclose(hz_from_mel(mel), librosa.mel_to_hz(mel), rtol=1e-12)


@given(st.floats(0.0, 100_000.0))
def test_scale_goes_there_and_back(hz: float) -> None:
    assert float(hz_from_mel(mel_from_hz(hz))) == pytest.approx(hz, rel=1e-12, abs=1e-9)


@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_filters_equal_librosa(arguments: tuple[int, int, int, float, float]) -> None:
    rate_hz, window_samples, mel_bands, low_hz, high_hz = arguments
    expected = librosa.filters.mel(
        sr=rate_hz,
        n_fft=window_samples,
        n_mels=mel_bands,
        fmin=low_hz,
        fmax=high_hz,
    )
    filters = slaney_filters(*arguments)
    assert filters.dtype == np.float32
    assert filters.shape == (mel_bands, window_samples // 2 + 1)
    np.testing.assert_allclose(filters, expected, rtol=0, atol=1e-8)


def test_filters_equal_the_stored_ones() -> None:
    with np.load(VECTORS) as stored:
        np.testing.assert_allclose(mel_filters(LogMelSettings()), stored["mel_filters"], rtol=0, atol=1e-8)


def test_filters_have_unit_area() -> None:
    # The area norm: a triangle of height 2 / width. The sum over bins only comes close: band 64 has five.
    areas = mel_filters(LogMelSettings())[64:].sum(axis=1) * (22_050 / 1024)
    np.testing.assert_allclose(areas, 1.0, atol=0.03)


def test_bands_without_a_bin_are_refused() -> None:
    with pytest.raises(WaveformError, match=r"hold no frequency bin.*Take fewer bands or a longer window"):
        slaney_filters(22_050, 256, 128, 0.0, 11_025.0)


@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_banded_product_equals_the_whole_product(arguments: tuple[int, int, int, float, float]) -> None:
    filters = slaney_filters(*arguments)
    magnitudes = np.random.default_rng(0).uniform(0.0, 10.0, (37, filters.shape[1])).astype(np.float32)
    out = np.full((37, filters.shape[0]), np.nan, dtype=np.float32)
    BandedFilters(filters).apply(magnitudes, out)
    expected = magnitudes.astype(np.float64) @ filters.T.astype(np.float64)
    np.testing.assert_allclose(out, expected, rtol=1e-5)
