"""Samples in memory: what is accepted, how whole numbers are scaled, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.audio.waveform import Waveform, whole_rate
from earmark.errors import WaveformError


def test_floats_pass_as_they_are_and_float32_is_not_copied() -> None:
    samples = np.array([0.5, -1.5, 0.25], np.float32)
    waveform = Waveform(samples, 44_100)
    assert np.shares_memory(waveform.samples, samples)
    assert samples.flags.writeable  # the caller's own array is left alone
    assert not waveform.samples.flags.writeable
    for other in (np.float16, np.float64):
        np.testing.assert_array_equal(Waveform(samples.astype(other), 44_100).samples, samples)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32])
def test_whole_numbers_are_scaled_by_their_full_range(dtype: type[np.integer]) -> None:
    limits = np.iinfo(dtype)
    middle = 0 if limits.min < 0 else 1 << (limits.bits - 1)
    samples = Waveform(np.array([limits.min, middle, limits.max], dtype), 8000).samples
    assert samples.dtype == np.float32
    assert samples[0] == -1 and samples[1] == 0
    assert samples[2] == np.float32(1 - 2.0 ** (1 - limits.bits))


@given(st.integers(1, 40), st.integers(1, 8))
def test_shape_is_kept_unless_it_looks_like_channels_first(rows: int, columns: int) -> None:
    samples = np.zeros((rows, columns), np.float32)
    if columns > rows:
        with pytest.raises(WaveformError, match=r"\.T"):
            Waveform(samples, 44_100)
    else:
        assert Waveform(samples, 44_100).channels == columns


def test_length_and_channels() -> None:
    assert Waveform(np.zeros(22_050, np.float32), 44_100).duration_seconds == 0.5
    assert Waveform(np.zeros(1), 44_100).channels == 1
    assert Waveform(np.zeros((8, 2)), np.int64(44_100)).rate_hz == 44_100


@pytest.mark.parametrize("rate_hz", [0, -1, 44_100.0, None, "44100", True, float("nan")])
def test_rates_that_are_none(rate_hz: object) -> None:
    with pytest.raises(WaveformError, match="whole number of samples a second"):
        Waveform(np.zeros(4), rate_hz)  # type: ignore[arg-type]
    with pytest.raises(WaveformError):
        whole_rate(rate_hz)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(0), "no sound"),
        (np.zeros((0, 2)), "no sound"),
        (np.float32(0.5), "a float32"),
        (np.zeros(()), r"\(samples,\)"),
        (np.zeros((2, 2, 2)), r"\(samples,\)"),
        (np.zeros((2, 48_000)), r"looks like \(channels, samples\)"),
        ([0.0, 0.5], "a list"),
        (np.array([0.0, np.nan]), "NaN"),
        (np.array([0.0, -np.inf], np.float32), "infinite"),
        (np.array([1e300]), "infinite"),
        (np.zeros(4, np.complex64), "complex64"),
        (np.zeros(4, bool), "bool"),
        (np.array(["a"]), "type <U1"),
    ],
)
def test_samples_that_are_no_sound(samples: object, reason: str) -> None:
    with pytest.raises(WaveformError, match=reason):
        Waveform(samples, 44_100)  # type: ignore[arg-type]
