"""Sound written to a file."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from earmark.errors import AudioError, WaveformError


def write_flac(path: str | os.PathLike[str], samples: npt.NDArray[np.float32], rate_hz: int) -> None:
    """Write samples to a 16-bit FLAC file, over what may be there.

    `samples`: (samples,) or (samples, channels), floating point in -1..1.

    Raises WaveformError for samples or a rate that cannot be written, AudioError for a place that cannot be.
    """
    if samples.ndim not in (1, 2) or samples.size == 0 or not np.issubdtype(samples.dtype, np.floating):
        raise WaveformError(
            f"Samples of shape {samples.shape} and type {samples.dtype} cannot be written; "
            "expected floating point, (samples,) or (samples, channels), at least one."
        )
    if rate_hz <= 0:
        raise WaveformError(f"The rate is {rate_hz} Hz; it has to be above 0.")
    # Written so that NaN, which compares with nothing, is refused too.
    if not float(np.abs(samples).max()) <= 1.0:
        raise WaveformError("Samples outside -1..1, or not finite, cannot be written; scale them first.")
    try:
        soundfile.write(Path(path), samples, rate_hz, format="FLAC", subtype="PCM_16")
    except (OSError, soundfile.SoundFileError) as error:
        raise AudioError(f"Cannot write {path}: {error}") from error
