"""Samples in memory together with their rate."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.errors import WaveformError


@dataclass(frozen=True, eq=False)
class Waveform:
    """Sound in memory: samples with the rate they were taken at.

    samples: (samples,) for one channel, or two axes for any number of channels: the longer one is samples, and of two
    equal ones the first, so that (samples, channels) and (channels, samples) are the same sound. An array of NumPy, a
    tensor of PyTorch on any device, or anything else that numpy.asarray takes as an array; kept as (samples,) or
    (samples, channels) float32, read-only, without a copy where it is float32 in this machine's memory already.
    Floating point is kept as it is, nominally in [-1, 1]; whole numbers are scaled to [-1, 1) by the full range of
    their type (int16 by 32768; unsigned ones are centred first). rate_hz: samples a second, a whole number above zero;
    44100.0 is one, 44100.5 is not.

    Raises WaveformError for a rate that is not a whole positive number, and for samples that are empty, NaN, infinite,
    or of another type or another shape.
    """

    samples: npt.NDArray[np.float32]
    rate_hz: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate_hz", whole_rate(self.rate_hz))
        object.__setattr__(self, "samples", _checked(self.samples))

    @property
    def channels(self) -> int:
        """The number of channels."""
        return 1 if self.samples.ndim == 1 else int(self.samples.shape[1])

    @property
    def duration_seconds(self) -> float:
        """The length of the sound in seconds."""
        return len(self.samples) / self.rate_hz


def whole_rate(rate_hz: object) -> int:
    """Return a rate as an int, or raise WaveformError unless it is a whole number above zero."""
    try:
        rate = operator.index(rate_hz)  # type: ignore[arg-type]
    except TypeError:
        rate = int(float(rate_hz)) if isinstance(rate_hz, Real) and float(rate_hz).is_integer() else 0
    if isinstance(rate_hz, bool) or rate < 1:
        raise WaveformError(
            f"the rate is {rate_hz!r}; a whole number of samples a second above zero is needed, such as 44100"
        )
    return rate


def _checked(samples: object) -> npt.NDArray[np.float32]:
    """Return samples as read-only float32 of an accepted shape, or raise WaveformError."""
    samples = _as_array(samples)
    if samples.ndim not in (1, 2):
        raise WaveformError(f"the samples have the shape {samples.shape}; (samples,) or (samples, channels) is needed")
    if samples.size == 0:
        raise WaveformError(f"the samples have the shape {samples.shape}: there is no sound in them")
    if samples.ndim == 2 and samples.shape[1] > samples.shape[0]:
        samples = samples.T
    checked = _as_float32(samples)
    if not np.isfinite(checked).all():
        raise WaveformError("the samples hold NaN or infinite values; only finite numbers are sound")
    checked.flags.writeable = False
    return checked


def _as_array(samples: Any) -> npt.NDArray[Any]:
    """Return what was given for samples as an array in this machine's memory, or raise WaveformError."""
    if hasattr(samples, "detach") and hasattr(samples, "cpu"):
        # NumPy refuses tensors of PyTorch that have gradients or are on another device.
        samples = samples.detach().cpu()
        if samples.is_floating_point():  # NumPy lacks some of its types, such as bfloat16.
            samples = samples.float()
    if isinstance(samples, np.generic) or not (isinstance(samples, np.ndarray) or hasattr(samples, "__array__")):
        raise WaveformError(
            f"the samples are a {type(samples).__name__}; an array shaped (samples,), (samples, channels) or "
            "(channels, samples) is needed"
        )
    return np.asarray(samples)


def _as_float32(samples: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    """Return samples as a new float32 array, or as a view where they are float32 already."""
    if samples.dtype.kind == "f":
        with np.errstate(over="ignore"):  # values that do not fit become infinite, and are refused later
            converted = samples.astype(np.float32, copy=False)
        return converted.view()
    if samples.dtype.kind in "iu":
        half_range = 2.0 ** (8 * samples.dtype.itemsize - 1)
        offset = half_range if samples.dtype.kind == "u" else 0.0
        scaled = (samples.astype(np.float64) - offset) / half_range
        return scaled.astype(np.float32)
    raise WaveformError(f"the samples are of type {samples.dtype}; floating point or whole numbers are needed")
