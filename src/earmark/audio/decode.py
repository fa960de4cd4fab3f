"""Decoding: a path, bytes, a binary file or an array becomes a stream of mono blocks at a wanted rate.

The first bytes of a file, never its name, decide which library decodes it:

- libsndfile reads WAV and AIFF that hold plain samples, and Ogg that holds one Vorbis stream;
- libav (PyAV) reads everything else, and whatever libsndfile refuses.

libav reads MP3 and FLAC, although libsndfile knows both. Measured against ffmpeg, libsndfile 1.2.2 (mpg123) gives equal
sound where the file is whole and an MP3 begins with a Xing header. Without that header it loses half of a variable-rate
MP3, because it guesses the length from the first frames' bit rate. It drops the second of two joined MP3s, returns one
frame too few of a cut MP3, stops at a damaged frame, and reports all of that on stderr. It fills up a FLAC that ends at
a frame, before the length in its header, with memory that nobody wrote. None of this can be known without decoding. An
MP3 with a LAME header loses its encoder delay and padding; one without any header keeps both, since nothing says how
long they are (ffmpeg does the same).

Chained Ogg and joined FLACs are read link by link, each as a file of its own: depending on its release, libav makes
noise of links that differ in codebooks, rate or channels, or ends at the first link. Compressed sound that was stored
as samples (DTS, AC-3) is decoded where libav finds it in WAV, and refused elsewhere.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from types import TracebackType
from typing import Any, BinaryIO, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from earmark.audio.bitstream import BitstreamCheck
from earmark.audio.links import Links, Reader
from earmark.audio.resample import Resampler
from earmark.audio.source import SourceFile, decode_errors, open_source
from earmark.audio.stopwatch import Stopwatch
from earmark.audio.waveform import Waveform, whole_rate
from earmark.errors import DecodeError, WaveformError

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Waveform | tuple[Any, float]

ARRAY_BLOCK_SAMPLES = 1 << 16


class Readers(Protocol):
    """The readers of one sound, one after the other; `incomplete` tells whether part of the sound is missing."""

    @property
    def first(self) -> Reader: ...
    @property
    def incomplete(self) -> bool: ...
    def __iter__(self) -> Iterator[Reader]: ...
    def close(self) -> None: ...


def decode(source: Source, rate_hz: int = 22_050, stopwatch: Stopwatch | None = None) -> Sound:
    """Open a sound and return it as a stream of mono float32 blocks at a rate.

    source: a path; a file's bytes; a binary file object, read from its current position and left open (one that cannot
    seek is first copied to a temporary file, in memory up to 32 MB, since the libraries need to seek); a Waveform; or
    (array, rate), as Waveform takes them. An array without its rate is refused. rate_hz: the wanted number of samples a
    second. stopwatch: measures decoding and resampling.

    Only the first block (two seconds) is decoded here, so that a sound that cannot be decoded raises at once.

    Raises DecodeError, with the file and the reason, for a file that is missing, unreadable, a directory, empty, no
    sound file, or without sound; its subclass StorageError where reading fails because of a disk or a network;
    WaveformError for arrays and rates that cannot be used.
    """
    rate_hz = whole_rate(rate_hz)
    if hasattr(source, "__array__"):
        raise WaveformError("an array was given without its rate; pass (array, rate) or Waveform(array, rate)")
    if isinstance(source, tuple):
        if len(source) != 2:
            raise WaveformError(f"a tuple of {len(source)} was given; (array, rate) is needed")
        source = Waveform(source[0], whole_rate(source[1]))
    if isinstance(source, Waveform):
        return Sound("<array>", "<array>", _WaveformReader(source), rate_hz, stopwatch=stopwatch)
    opened, links = (_open if stopwatch is None else stopwatch.timed("decode", _open))(source)
    return Sound(opened.short_name, opened.label, links, rate_hz, opened=opened, stopwatch=stopwatch)


def _open(source: object) -> tuple[SourceFile, Links]:
    """Open a file and its first link."""
    opened = open_source(source)
    with ExitStack() as failing:
        failing.callback(opened.close)
        links = Links(opened)
        failing.pop_all()
    return opened, links


class Sound:
    """A sound that is being decoded: an iterator, used once, of (samples,) mono float32 blocks, and a context manager.

    Channels are mixed to their plain mean. The blocks have the total length that Resampler gives, and their numbers do
    not depend on how a decoder cuts them. The file is closed at the last block, or by close().

    name: the file's name without its folder, or <bytes>, <stream>, <array>. decoder: the library that decodes, with its
    version; "array" for samples in memory. source_rate_hz, channels: of the file, before resampling and mixing.
    rate_hz: of the blocks.

    truncated: after the last block, whether the end of the file is missing. It is found by the sizes in the header for
    WAV, AIFF, AU, AVI, MP4, M4A, MOV, WMA, Matroska and WebM; by the end-of-stream mark for Ogg (Vorbis, Opus, FLAC);
    by the number of samples decoded for FLAC, WavPack, TTA and MP3 with a Xing frame count; for all formats where libav
    breaks off or a link cannot be decoded. It cannot be found, and is False, for MP3 without that header, ADTS AAC,
    AC-3, MPEG-TS, CAF and files written to a pipe, whose writer did not know their size. An MP4 whose index stood at
    its missing end cannot be decoded at all. A FLAC damaged in its middle lacks the damaged part, and is truncated.

    Iterating raises DecodeError for NaN or infinite samples, and StorageError for a file that fails while it is read.
    """

    def __init__(
        self,
        name: str,
        label: str,
        readers: Readers,
        rate_hz: int,
        *,
        opened: SourceFile | None = None,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        self.name = name
        self.decoder = readers.first.decoder
        self.source_rate_hz = readers.first.rate_hz
        self.channels = readers.first.channels
        self.rate_hz = rate_hz
        self.truncated = False
        self._label = label
        self._readers = readers
        self._opened = opened
        self._cut = False
        self._yielded = 0
        self._closed = False
        self._ended = False
        self._holds_bitstream = BitstreamCheck()
        self._blocks = self._resampled(stopwatch)

    @property
    def duration_seconds(self) -> float:
        """The length of the blocks yielded so far, in seconds."""
        return self._yielded / self.rate_hz

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> npt.NDArray[np.float32]:
        if self._closed and not self._ended:
            raise DecodeError(self._label, "closed before its end was read")
        with ExitStack() as ending:
            ending.callback(self.close)
            with nullcontext() if self._opened is None else decode_errors(self._opened):
                block = next(self._blocks, None)
            if block is None:
                self._ended = True
                self.truncated = self._cut or self._readers.incomplete
                raise StopIteration
            ending.pop_all()
        self._yielded += len(block)
        return block

    def close(self) -> None:
        """Close the file and the decoder. A file object that was given stays open."""
        if self._closed:
            return
        self._closed = True
        self._readers.close()
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
        from_hz = self.source_rate_hz
        for reader in self._readers:
            if reader.rate_hz != from_hz:
                yield from self._rest(resampler, stopwatch)
                resampler, from_hz = Resampler(reader.rate_hz, self.rate_hz), reader.rate_hz
            blocks, push = reader.blocks(), self._pushed
            if stopwatch is not None:
                blocks, push = stopwatch.steps("decode", blocks), stopwatch.timed("resample", push)
            for block in blocks:
                ready = push(block, resampler)
                if len(ready):
                    yield ready
            self._cut = self._cut or reader.truncated
        if self._opened is not None:
            self._opened.check()
        yield from self._rest(resampler, stopwatch)

    def _rest(self, resampler: Resampler, stopwatch: Stopwatch | None) -> Iterator[npt.NDArray[np.float32]]:
        """Yield what a resampler still holds."""
        rest = (resampler.finish if stopwatch is None else stopwatch.timed("resample", resampler.finish))()
        if len(rest):
            yield rest

    def _pushed(self, block: npt.NDArray[np.float32], resampler: Resampler) -> npt.NDArray[np.float32]:
        """Return the samples at the wanted rate that a block of the file completes."""
        if self._opened is not None:
            self._opened.check()
        bitstream = self._holds_bitstream(block)
        if bitstream:
            raise DecodeError(self._label, f"its samples are {bitstream}, which cannot be decoded from there")
        mono = _plain_mean(block)
        if not np.isfinite(mono).all():
            raise DecodeError(self._label, "it holds NaN or infinite samples; only finite numbers are sound")
        return resampler.push(mono)


class _WaveformReader:
    """A reader of a Waveform, which is also the only reader of its sound."""

    decoder = "array"
    truncated = False
    incomplete = False

    def __init__(self, waveform: Waveform) -> None:
        self.rate_hz = waveform.rate_hz
        self.channels = waveform.channels
        self._samples = waveform.samples.reshape(len(waveform.samples), -1)

    @property
    def first(self) -> Reader:
        return self

    def __iter__(self) -> Iterator[Reader]:
        yield self

    def blocks(self) -> Iterator[npt.NDArray[np.float32]]:
        for start in range(0, len(self._samples), ARRAY_BLOCK_SAMPLES):
            yield self._samples[start : start + ARRAY_BLOCK_SAMPLES]

    def close(self) -> None:
        """Do nothing, as nothing is held open."""


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


Item = TypeVar("Item")

ITEMS_AHEAD = 4
"""The most items that wait: of a sound's blocks, eight seconds. More do not help, as both sides work steadily."""


def read_ahead(items: Iterable[Item]) -> Generator[Item]:
    """Yield the same items in the same order, made in another thread, a few ahead of the consumer.

    An exception raised while an item is made is raised here, after the items before it. Closing the generator waits for
    the item that is being made and for no other; after that nothing uses `items` any more. None may not be an item.
    """
    iterator = iter(items)
    with ThreadPoolExecutor(1, "earmark-reads-ahead") as maker:
        waiting: deque[Future[Item | None]] = deque()
        try:
            for _ in range(ITEMS_AHEAD):
                waiting.append(maker.submit(next, iterator, None))
            while (item := waiting.popleft().result()) is not None:
                waiting.append(maker.submit(next, iterator, None))
                yield item
        finally:
            maker.shutdown(cancel_futures=True)
