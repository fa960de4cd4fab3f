"""Sound encoded as MP3 in memory, or written to a FLAC file."""

import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
import numpy.typing as npt
import soundfile

from earmark.errors import AudioError, WaveformError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

BLOCK_SAMPLES = 1 << 16


def encode_mp3(samples: npt.NDArray[np.float32], rate_hz: int, bits_a_second: int) -> bytes:
    """Encode one channel as MP3 with LAME, at a constant bit rate, and return the bytes of the file.

    `samples`: (samples,) float32 in -1..1; louder ones are clipped when they are decoded. `rate_hz`: one that MP3 has,
    8000 to 48 000. Decoding gives a sound of the same length without delay, because LAME's header says how much to take
    off.

    Raises WaveformError for samples of another shape, and for a rate or bit rate that the encoder does not have.
    """
    refuse_other_shapes(samples)
    file = io.BytesIO()
    try:
        with av.open(file, "w", format="mp3") as container:
            stream = container.add_stream(
                "libmp3lame", rate=rate_hz, bit_rate=bits_a_second, layout="mono", format="fltp"
            )
            for frame in frames_of(samples, rate_hz, "fltp"):
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    except (av.FFmpegError, ValueError) as error:
        raise WaveformError(
            f"{len(samples)} samples at {rate_hz} Hz cannot be encoded as MP3 of {bits_a_second} bit/s: {error}. "
            "Choose a rate and a bit rate that MP3 knows, such as 22050 Hz and 48000 bit/s."
        ) from error
    return file.getvalue()


def frames_of(samples: npt.NDArray[np.float32], rate_hz: int, sample_format: str) -> Iterator[av.AudioFrame]:
    """Yield (samples,) float32 as libav's frames of one channel; `sample_format` is "flt" or "fltp"."""
    for start in range(0, len(samples), BLOCK_SAMPLES):
        block = np.ascontiguousarray(samples[np.newaxis, start : start + BLOCK_SAMPLES])
        frame = av.AudioFrame.from_ndarray(block, format=sample_format, layout="mono")
        frame.sample_rate = rate_hz
        frame.pts = start
        yield frame


def refuse_other_shapes(samples: npt.NDArray[np.float32]) -> None:
    """Raise WaveformError unless samples are (samples,) float32, at least one."""
    if samples.ndim != 1 or samples.size == 0 or samples.dtype != np.float32:
        raise WaveformError(
            f"found samples of shape {samples.shape} and type {samples.dtype}; expected (samples,) float32, at least "
            "one. Mix the channels and convert the samples first."
        )


def write_flac(path: str | os.PathLike[str], samples: npt.NDArray[np.float32], rate_hz: int) -> None:
    """Write samples to a 16-bit FLAC file, and replace the file where it exists.

    `samples`: (samples,) or (samples, channels), floating point in -1..1.

    Raises WaveformError for samples or a rate that cannot be written, and AudioError for a path that cannot be.
    """
    if samples.ndim not in (1, 2) or samples.size == 0 or not np.issubdtype(samples.dtype, np.floating):
        raise WaveformError(
            f"Samples of shape {samples.shape} and type {samples.dtype} cannot be written; "
            "expected floating point, (samples,) or (samples, channels), at least one."
        )
    _refuse_rate(rate_hz)
    # In this form the comparison refuses NaN too.
    if not float(np.abs(samples).max()) <= 1.0:
        raise WaveformError("Samples outside -1..1, or not finite, cannot be written; scale them first.")
    try:
        soundfile.write(Path(path), samples, rate_hz, format="FLAC", subtype="PCM_16")
    except (OSError, soundfile.SoundFileError) as error:
        raise AudioError(f"Cannot write {path}: {error}") from error


def write_flac_blocks(path: str | os.PathLike[str], blocks: Iterable[npt.NDArray[np.float32]], rate_hz: int) -> None:
    """Write one channel block by block to a 16-bit FLAC file, in constant memory, and replace the file where it exists.

    `blocks`: (samples,) floating point each; values outside -1..1 are clipped, as a sound card does.

    Raises WaveformError for a rate that cannot be written, AudioError for a path that cannot be, whose cause is the
    system's OSError, and whatever the blocks raise; the file is then unfinished.
    """
    _refuse_rate(rate_hz)
    try:
        target = _Target(path)
    except OSError as error:
        raise AudioError(f"Cannot write {path}: {error}") from error
    with target:
        try:
            with soundfile.SoundFile(target, "w", rate_hz, 1, format="FLAC", subtype="PCM_16") as file:
                for block in blocks:
                    file.write(np.clip(block, -1.0, 1.0))
        except (soundfile.SoundFileError, AssertionError) as error:  # soundfile asserts that all was written
            raise AudioError(f"Cannot write {path}: {target.error or error}") from (target.error or error)
        if target.error is not None:  # libsndfile tells no error of its last block
            raise AudioError(f"Cannot write {path}: {target.error}") from target.error


class _Target(io.FileIO):
    """A file for libsndfile, which does not pass the system's error on: `error` holds it."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path, "wb")
        self.error: OSError | None = None

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write all bytes and return their number; return 0 and keep the error where they cannot be written."""
        rest = memoryview(data).cast("B")
        try:
            while rest:
                rest = rest[super().write(rest) :]
        except OSError as error:
            self.error = error
            return 0
        return memoryview(data).nbytes


def _refuse_rate(rate_hz: int) -> None:
    if rate_hz <= 0:
        raise WaveformError(f"The rate is {rate_hz} Hz; it has to be above 0.")
