"""Sound written to a file."""

from __future__ import annotations

import os
from collections.abc import Iterable
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
    _refuse_rate(rate_hz)
    # Written so that NaN, which compares with nothing, is refused too.
    if not float(np.abs(samples).max()) <= 1.0:
        raise WaveformError("Samples outside -1..1, or not finite, cannot be written; scale them first.")
    try:
        soundfile.write(Path(path), samples, rate_hz, format="FLAC", subtype="PCM_16")
    except (OSError, soundfile.SoundFileError) as error:
        raise AudioError(f"Cannot write {path}: {error}") from error


def write_flac_blocks(path: str | os.PathLike[str], blocks: Iterable[npt.NDArray[np.float32]], rate_hz: int) -> None:
    """Write one channel that comes block by block to a 16-bit FLAC file, in constant memory, over what may be there.

    `blocks`: (samples,) floating point each; what lies outside -1..1 is cut off there, as a sound card does.

    Raises WaveformError for a rate that cannot be written, AudioError for a place that cannot be, and whatever the
    blocks raise; the file is then unfinished.
    """
    _refuse_rate(rate_hz)
    try:
        with soundfile.SoundFile(Path(path), "w", rate_hz, 1, format="FLAC", subtype="PCM_16") as file:
            for block in blocks:
                file.write(np.clip(block, -1.0, 1.0))
    except soundfile.SoundFileError as error:
        raise AudioError(f"Cannot write {path}: {error}") from error


def _refuse_rate(rate_hz: int) -> None:
    if rate_hz <= 0:
        raise WaveformError(f"The rate is {rate_hz} Hz; it has to be above 0.")
