"""Sound in: a path, bytes, a binary file or an array becomes mono blocks at a wanted rate, as a stream.

Which library decodes is settled by a file's first bytes, never by its name:

- libsndfile reads WAV and AIFF that hold plain samples, FLAC, and Ogg holding one Vorbis stream;
- libav (PyAV) reads everything else, and whatever libsndfile refuses.

MP3 is libav's, although libsndfile knows it. Measured against ffmpeg with libsndfile 1.2.2 (mpg123): equal where the
file is whole and begins with a Xing header; but half the sound is lost of a variable-rate MP3 without that header
(the length is guessed from the first frames' bit rate), the second of two joined MP3s is dropped, a cut MP3 comes one
frame short, reading stops at a damaged frame, and all of that is told on stderr. None of it can be known without
decoding; libav gives ffmpeg's samples in every case, as fast. Likewise chained Ogg, of which libsndfile reads the first
link; FLAC or WAV whose header lacks the length; and compressed WAV. An MP3 with a LAME header loses its encoder's
delay and padding; one without any header keeps both, since nothing says how long they are (ffmpeg does the same).
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any, BinaryIO, Protocol, Self, cast

import numpy as np
import numpy.typing as npt

from earmark.audio.container import read_container
from earmark.audio.resample import Resampler
from earmark.audio.source import Opened, open_source
from earmark.audio.stopwatch import Stopwatch
from earmark.audio.waveform import Waveform, whole_rate
from earmark.errors import DecodeError, WaveformError

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Waveform | tuple[npt.NDArray[Any], int]

ARRAY_BLOCK_SAMPLES = 1 << 16
LOWEST_HZ, HIGHEST_HZ = 1_000, 10_000_000  # a header that claims another rate is wrong


class Reader(Protocol):
    """What decodes: blocks (samples, channels) float32 at rate_hz, and whether the header promised more."""

    rate_hz: int
    channels: int
    decoder: str

    @property
    def truncated(self) -> bool: ...
    def blocks(self) -> Iterator[npt.NDArray[np.float32]]: ...
    def close(self) -> None: ...


def decode(source: Source, rate_hz: int = 22_050, stopwatch: Stopwatch | None = None) -> Sound:
    """Open a sound for reading as mono float32 blocks at a rate.

    source: a path; a file's bytes; a binary file object, read from its current position and left open (one that cannot
    seek is first copied to a temporary file, in memory up to 32 MB, since the libraries need to seek); a Waveform;
    or (array, rate). An array without its rate is refused.
    rate_hz: samples a second wanted.
    stopwatch: told how long decoding and resampling take.

    Only the first block (two seconds) is decoded here, so that what cannot be decoded is known at once.

    Raises DecodeError, naming the file and the reason, for what is missing, unreadable, a directory, empty, no sound
    file, or without sound; its subclass StorageError where reading itself fails, as of a disk that breaks or a network
    that is gone. Raises WaveformError for arrays and rates that cannot be used.
    """
    rate_hz = whole_rate(rate_hz)
    if isinstance(source, np.ndarray):
        raise WaveformError("an array was given without its rate; pass (array, rate) or Waveform(array, rate)")
    if isinstance(source, tuple):
        if len(source) != 2:
            raise WaveformError(f"a tuple of {len(source)} was given; (array, rate) is needed")
        source = Waveform(*source)
    if isinstance(source, Waveform):
        return Sound("<array>", "<array>", _WaveformReader(source), rate_hz, stopwatch=stopwatch)
    opening = _open if stopwatch is None else stopwatch.timed("decode", _open)
    opened, reader, cut = opening(source)
    return Sound(opened.short_name, opened.label, reader, rate_hz, opened=opened, cut=cut, stopwatch=stopwatch)


def _open(source: object) -> tuple[Opened, Reader, bool]:
    """Open a file and its reader; also says whether the header asks for more than there is."""
    opened = open_source(source)
    with ExitStack() as failing:
        failing.callback(opened.close)
        reader, cut = _open_reader(opened)
        if not LOWEST_HZ <= reader.rate_hz <= HIGHEST_HZ:
            reader.close()
            raise DecodeError(
                opened.label, f"its header says {reader.rate_hz} Hz; {LOWEST_HZ} to {HIGHEST_HZ} Hz can be read"
            )
        failing.pop_all()
    return opened, reader, cut


class Sound:
    """A sound being read: an iterator, once through, of (samples,) mono float32 blocks; a context manager too.

    Channels are mixed to their plain mean. The blocks together are Resampler's in length, and their numbers do not
    depend on how a decoder cuts them. Everything is let go of at the last block, or by close().

    name: the file's name without its folder, or <bytes>, <stream>, <array>.
    decoder: the library that decodes, with its version; "array" for samples in memory.
    source_rate_hz, channels: before resampling and mixing. rate_hz: of the blocks.
    truncated: known after the last block: the end of the file is missing. Told for WAV, AIFF, AU, AVI, MP4, M4A, MOV,
    WMA, Matroska and WebM by the sizes in their headers; for Ogg (Vorbis, Opus, FLAC) by the end-of-stream mark; for
    FLAC, WavPack, TTA and MP3 with a Xing frame count by the samples decoded. Unknown, hence False, for MP3 without
    that header, ADTS AAC, AC-3, MPEG-TS, CAF and files written to a pipe, whose sizes their writer did not know. An MP4
    whose index stood at its missing end cannot be decoded at all. A FLAC damaged in its middle ends there, truncated.

    Iterating raises DecodeError for NaN or infinite samples, and StorageError for a file that fails while it is read.
    """

    def __init__(
        self,
        name: str,
        label: str,
        reader: Reader,
        rate_hz: int,
        *,
        opened: Opened | None = None,
        cut: bool = False,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        self.name = name
        self.decoder = reader.decoder
        self.source_rate_hz = reader.rate_hz
        self.channels = reader.channels
        self.rate_hz = rate_hz
        self.truncated = False
        self._label = label
        self._reader = reader
        self._opened = opened
        self._cut = cut
        self._yielded = 0
        self._closed = False
        self._ended = False
        self._blocks = self._resampled(stopwatch)

    @property
    def duration_seconds(self) -> float:
        """The length of what has been yielded so far, in seconds."""
        return self._yielded / self.rate_hz

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> npt.NDArray[np.float32]:
        if self._closed and not self._ended:
            raise DecodeError(self._label, "closed before its end was read")
        with ExitStack() as ending:
            ending.callback(self.close)
            block = next(self._blocks, None)
            if block is None:
                self._ended = True
                self.truncated = self._cut or self._reader.truncated
                raise StopIteration
            ending.pop_all()
        self._yielded += len(block)
        return block

    def close(self) -> None:
        """Let go of the file and the decoder; the caller's own file object stays open."""
        if self._closed:
            return
        self._closed = True
        self._reader.close()
        if self._opened is not None:
            self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _resampled(self, stopwatch: Stopwatch | None) -> Iterator[npt.NDArray[np.float32]]:
        resampler = Resampler(self.source_rate_hz, self.rate_hz)
        blocks, push, finish = self._reader.blocks(), self._pushed, resampler.finish
        if stopwatch is not None:
            blocks = stopwatch.steps("decode", blocks)
            push, finish = stopwatch.timed("resample", push), stopwatch.timed("resample", finish)
        for block in blocks:
            ready = push(block, resampler)
            if len(ready):
                yield ready
        if self._opened is not None:
            self._opened.check()
        rest = finish()
        if len(rest):
            yield rest

    def _pushed(self, block: npt.NDArray[np.float32], resampler: Resampler) -> npt.NDArray[np.float32]:
        """What a block of the file's makes ready at the wanted rate."""
        if self._opened is not None:
            self._opened.check()
        mono = _plain_mean(block)
        if not np.isfinite(mono).all():
            raise DecodeError(self._label, "it holds NaN or infinite samples; only finite numbers are sound")
        return resampler.push(mono)


class _WaveformReader:
    """A Waveform as a Reader."""

    decoder = "array"
    truncated = False

    def __init__(self, waveform: Waveform) -> None:
        self.rate_hz = waveform.rate_hz
        self.channels = waveform.channels
        self._samples = waveform.samples.reshape(len(waveform.samples), -1)

    def blocks(self) -> Iterator[npt.NDArray[np.float32]]:
        for start in range(0, len(self._samples), ARRAY_BLOCK_SAMPLES):
            yield self._samples[start : start + ARRAY_BLOCK_SAMPLES]

    def close(self) -> None:
        """Nothing is held open."""


def _open_reader(opened: Opened) -> tuple[Reader, bool]:
    """Return the reader that the file's bytes call for, and whether its header says that the end is missing."""
    file = cast(BinaryIO, opened)  # all of it that the readers use
    container = read_container(file)
    opened.check()
    if opened.seek(0, io.SEEK_END) == 0:
        raise DecodeError(opened.label, "it is empty (0 bytes)")
    opened.seek(0)
    refusal = ""
    if container.kind != "other":
        from earmark.audio.soundfile_reader import SoundFileReader  # here: only what is needed is loaded

        try:
            return SoundFileReader(file, opened.label), container.cut
        except DecodeError as error:
            opened.check()
            refusal = f" ({error.reason})"
            opened.seek(0)
    from earmark.audio.av_reader import AvReader

    try:
        return AvReader(file, opened.label, mp3_samples=container.mp3_samples), container.cut
    except DecodeError as error:
        opened.check()
        raise DecodeError(error.source, f"{error.reason}{refusal}") from error


def _plain_mean(block: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the mean over the channels of (samples, channels), as (samples,) contiguous float32."""
    channels = block.shape[1]
    if channels == 1:
        return np.ascontiguousarray(block[:, 0])
    mono = block[:, 0] + block[:, 1]
    for channel in range(2, channels):
        mono += block[:, channel]
    mono /= np.float32(channels)
    return mono
