"""Samples to MP3 in memory, through PyAV: what a lossy codec does to a sound can be had without a file."""

from __future__ import annotations

import io
from collections.abc import Iterator

import av
import numpy as np
import numpy.typing as npt

from earmark.errors import WaveformError

BLOCK_SAMPLES = 1 << 16


def encode_mp3(samples: npt.NDArray[np.float32], rate_hz: int, bits_a_second: int) -> bytes:
    """Encode one channel as MP3 with LAME, at a constant bit rate.

    `samples`: (samples,) float32 in -1..1; what is louder is clipped where it is decoded. `rate_hz`: one that MP3
    knows, 8000 to 48 000. Decoded again, the sound has the same length and no delay: LAME's header says how much of
    both to take off.

    Raises WaveformError for samples of another shape, and for a rate or bit rate that the encoder does not know.
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
    """Cut (samples,) float32 into libav's frames of one channel; `sample_format` is "flt" or "fltp"."""
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
