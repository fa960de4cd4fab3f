"""Resampling as a stream: its length, its place in time, and no trace of the block sizes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.audio.resample import Resampler
from earmark.errors import WaveformError

RATES = [8000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000, 384_000]


def resampled(samples: npt.NDArray[np.float32], from_hz: int, sizes: list[int]) -> npt.NDArray[np.float32]:
    resampler = Resampler(from_hz, 22_050)
    blocks, start, turn = [], 0, 0
    while start < len(samples):
        size = sizes[turn % len(sizes)]
        blocks.append(resampler.push(samples[start : start + size]))
        start, turn = start + size, turn + 1
    return np.concatenate([*blocks, resampler.finish()])


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(RATES), st.integers(1, 6000), st.lists(st.integers(1, 2500), min_size=1, max_size=5))
def test_length_and_numbers_whatever_the_blocks(from_hz: int, count: int, sizes: list[int]) -> None:
    samples = np.random.default_rng(count).standard_normal(count).astype(np.float32)
    whole = resampled(samples, from_hz, [count])
    assert len(whole) == max(1, (2 * count * 22_050 + from_hz) // (2 * from_hz))
    np.testing.assert_array_equal(resampled(samples, from_hz, sizes), whole)


@pytest.mark.parametrize("from_hz", RATES)
def test_equals_soxr_at_once(from_hz: int) -> None:
    samples = np.random.default_rng(0).standard_normal(9999).astype(np.float32)
    at_once = samples if from_hz == 22_050 else soxr.resample(samples, from_hz, 22_050, quality="HQ")
    np.testing.assert_array_equal(resampled(samples, from_hz, [1000]), at_once)


def test_a_click_stays_in_its_place() -> None:
    samples = np.zeros(44_100, np.float32)
    samples[20_000] = 1
    assert int(np.argmax(np.abs(resampled(samples, 44_100, [4096])))) == 10_000


@pytest.mark.parametrize("from_hz", RATES)
def test_one_sample_and_silence(from_hz: int) -> None:
    assert len(resampled(np.ones(1, np.float32), from_hz, [1])) >= 1
    assert not resampled(np.zeros(5000, np.float32), from_hz, [999]).any()


def test_equal_rates_pass_untouched_and_nothing_stays_nothing() -> None:
    samples = np.ones(10, np.float32)
    assert Resampler(22_050, 22_050).push(samples) is samples
    assert len(Resampler(44_100, 22_050).finish()) == 0


def test_a_ratio_that_is_none() -> None:
    with pytest.raises(WaveformError, match="cannot resample"):
        Resampler(0, 22_050)
