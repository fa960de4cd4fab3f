"""A sound of any length that lies nowhere: the bytes of a WAV file, made when they are read.

Use it from any test folder: `from tagging.generated import GeneratedWav`.
"""

import io
import struct

import numpy as np

RATE_HZ = 44_100
_PERIOD_SECONDS = 7
_HEADER_BYTES = 44


class GeneratedWav(io.RawIOBase):
    """A mono WAV file of 16 bits at 44 100 Hz; its sound swells and comes again every seven seconds."""

    def __init__(self, seconds: int) -> None:
        self._period = period().tobytes()
        self._size = 2 * seconds * RATE_HZ
        self._position = 0
        form = struct.pack("<IHHIIHH", 16, 1, 1, RATE_HZ, 2 * RATE_HZ, 2, 16)
        size = struct.pack("<I", 36 + self._size)
        self._header = b"RIFF" + size + b"WAVEfmt " + form + b"data" + struct.pack("<I", self._size)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: _HEADER_BYTES + self._size}[whence]
        self._position = start + offset
        return self._position

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        view = memoryview(buffer).cast("B")
        if self._position < _HEADER_BYTES:
            part = self._header[self._position : self._position + len(view)]
        else:
            place = self._position - _HEADER_BYTES
            start = place % len(self._period)
            part = self._period[start : start + min(len(view), max(0, self._size - place))]
        view[: len(part)] = part
        self._position += len(part)
        return len(part)


def period() -> np.ndarray:
    """Seven seconds of noise: (samples,) int16."""
    samples = np.random.default_rng(0).normal(0.0, 0.1, _PERIOD_SECONDS * RATE_HZ)
    swell = 1.2 + np.sin(2.0 * np.pi * np.arange(len(samples)) / len(samples))
    return np.clip(samples * swell * 32_768.0, -32_768, 32_767).astype("<i2")


def whole(seconds: int) -> np.ndarray:
    """The samples of a whole generated sound: (samples,) float32, as libsndfile scales them."""
    one = period().astype(np.float32) / np.float32(32_768.0)
    return np.resize(one, seconds * RATE_HZ)
