"""Decoding with libsndfile: WAV, AIFF and Ogg Vorbis."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import soundfile

from earmark.audio.bitstream import BitstreamCheck
from earmark.audio.source import SourceFile
from earmark.errors import DecodeError

BLOCK_SECONDS = 2
BLOCK_VALUES = 1 << 22  # the most values in a block, whatever rate and channels a header has
UNKNOWN_FRAMES = 1 << 62  # libsndfile reports more than this where it does not know the number
PLAIN_SUBTYPES = frozenset(
    ("PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW", "VORBIS")
)


class SoundFileReader:
    """A reader of (samples, channels) float32 blocks from an opened file, by libsndfile.

    It raises DecodeError, so that libav may try, for what libsndfile cannot open, for a file without samples or without
    their number in its header, and for WAV or AIFF that hold anything but plain samples, also where the header calls
    compressed sound samples.

    opened: left open. rate_hz, channels: the file's own. decoder: libsndfile with its version. truncated: after the
    last block, whether fewer samples came than the header counts.
    """

    def __init__(self, opened: SourceFile) -> None:
        self.decoder = f"libsndfile {soundfile.__libsndfile_version__}"
        self._decoded = 0
        self._ended_by_error = False
        opened.seek(0)
        try:
            self._sound = soundfile.SoundFile(opened)
        except soundfile.SoundFileError as error:
            raise DecodeError(opened.label, f"libsndfile cannot open it: {_reason(error)}") from error
        self.rate_hz: int = self._sound.samplerate
        self.channels: int = self._sound.channels
        self._promised: int = self._sound.frames
        try:
            if self._sound.subtype not in PLAIN_SUBTYPES:
                raise DecodeError(opened.label, f"libsndfile is not used for {self._sound.subtype_info}")
            if not 0 < self._promised < UNKNOWN_FRAMES:
                raise DecodeError(opened.label, "libsndfile finds no number of samples in its header")
            self._first = self._read()
            if len(self._first) == 0:
                raise DecodeError(opened.label, "libsndfile found no samples in it")
            bitstream = BitstreamCheck()(self._first)
            if bitstream:
                raise DecodeError(opened.label, f"its samples are {bitstream}")
        except BaseException:  # closes the handle on an interruption too, and raises again
            self._sound.close()
            raise

    @property
    def truncated(self) -> bool:
        """Whether the header counts more samples than were decoded."""
        return self._decoded < self._promised

    def blocks(self) -> Iterator[npt.NDArray[np.float32]]:
        """Yield (samples, channels) float32, two seconds at a time. It can be iterated once."""
        block = self._first
        while len(block):
            yield block
            block = self._read()

    def close(self) -> None:
        """Close libsndfile's handle; the file itself stays open."""
        self._sound.close()

    def _read(self) -> npt.NDArray[np.float32]:
        """Return the next block; a block without rows is the end."""
        rows = min(BLOCK_SECONDS * self.rate_hz, BLOCK_VALUES // self.channels)
        block = np.empty((rows, self.channels), np.float32)
        if self._ended_by_error:
            return block[:0]
        try:
            count = len(self._sound.read(out=block))
        except soundfile.LibsndfileError:
            # libsndfile has filled the block up to the damage, and its position says where that is.
            self._ended_by_error = True
            count = self._sound.tell() - self._decoded
        self._decoded += count
        return block[:count]


def _reason(error: soundfile.SoundFileError) -> str:
    """Return what libsndfile says about an error, without the file's name before it."""
    return str(getattr(error, "error_string", error)).strip().rstrip(".")
