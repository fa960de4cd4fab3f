"""Samples in memory: what is accepted, how whole numbers are scaled, and what is refused."""

from __future__ import annotations

import io
from fractions import Fraction

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
def test_the_longer_axis_is_samples_and_of_equal_ones_the_first(rows: int, columns: int) -> None:
    samples = np.arange(rows * columns, dtype=np.float32).reshape(rows, columns)
    there = Waveform(samples, 44_100)
    assert np.shares_memory(there.samples, samples)
    assert (len(there.samples), there.channels) == (max(rows, columns), min(rows, columns))
    np.testing.assert_array_equal(there.samples, samples if rows >= columns else samples.T)
    if rows != columns:
        np.testing.assert_array_equal(Waveform(samples.T, 44_100).samples, there.samples)


@pytest.mark.parametrize(
    "rate_hz", [44_100.0, np.float32(44_100), np.float64(44_100), np.int64(44_100), Fraction(44_100)]
)
def test_whole_rates_of_any_type(rate_hz: float) -> None:
    kept = Waveform(np.zeros(4), rate_hz).rate_hz  # type: ignore[arg-type]
    assert (kept, type(kept)) == (44_100, int)


def test_tensors_and_other_arrays() -> None:
    torch = pytest.importorskip("torch", reason="needs the extra train")
    samples = np.array([[0.5, -1.5, 0.25], [0.0, 1.0, 2.0]], np.float32)
    tensor = torch.from_numpy(samples.copy())
    for other in (
        tensor,
        tensor.T,
        tensor.requires_grad_(),
        tensor.detach().to(torch.bfloat16),
        tensor.detach().half(),
    ):
        np.testing.assert_array_equal(Waveform(other, 44_100).samples, samples.T)
    whole = torch.tensor([-32_768, 16_384], dtype=torch.int16)
    np.testing.assert_array_equal(Waveform(whole, 8_000).samples, np.float32([-1, 0.5]))
    np.testing.assert_array_equal(Waveform(of_another_library(samples), 8_000).samples, samples.T)
    with pytest.raises(WaveformError, match="bool"):
        Waveform(torch.ones(4, dtype=torch.bool), 8_000)


def of_another_library(samples: np.ndarray) -> object:
    """An array of another library, which NumPy knows by its method alone."""

    class Other:
        def __array__(self, dtype: object = None, copy: bool | None = None) -> np.ndarray:
            return samples

    return Other()


def test_length_and_channels() -> None:
    assert Waveform(np.zeros(22_050, np.float32), 44_100).duration_seconds == 0.5
    assert Waveform(np.zeros(1), 44_100).channels == 1
    assert Waveform(np.zeros((8, 2)), np.int64(44_100)).rate_hz == 44_100


@pytest.mark.parametrize(
    "rate_hz",
    [0, -1, 0.0, -44_100.0, 44_100.5, None, "44100", "44100.0", True, float("nan"), float("inf"), 44_100j, [44_100]],
)
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
        (io.BytesIO(), "a BytesIO"),
        (np.zeros(()), r"\(samples,\)"),
        (np.zeros((2, 2, 2)), r"\(samples,\)"),
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
