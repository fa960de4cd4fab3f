"""Decoding with libav (ffmpeg's libraries) through PyAV, which reads everything that libsndfile does not.

This is the one place that says what libav may open.
"""

import errno
from collections.abc import Iterable, Iterator
from typing import Any

import av
import av.container
import numpy as np
import numpy.typing as npt

from earmark.audio.bitstream import BitstreamCheck
from earmark.audio.extent import first_sound
from earmark.audio.formats import FORMATS
from earmark.audio.source import SourceFile
from earmark.errors import DecodeError
from earmark.file_errors import reason_of

BUFFER_BYTES = 1 << 17


Failure = (av.FFmpegError, OSError, ValueError, ArithmeticError, LookupError, EOFError, MemoryError, RuntimeError)
"""The exceptions of PyAV where libav fails, or where a damaged file holds numbers that PyAV does not expect."""


def open_container(
    source: Any,
    *,
    form: str | None = None,
    formats: Iterable[str] = FORMATS,
    options: dict[str, str] | None = None,
    **settings: Any,
) -> Any:
    """Open a file object or an address for reading and return PyAV's container.

    The format is one of `formats` and found by the bytes, never by a name. Nothing but the source is opened: files that
    a playlist or a file of references names stay closed.

    form: libav's name of the format where it is known. options: libav's. settings: those of av.open. Raises one of
    Failure.
    """
    allowed = [form] if form is not None else formats
    given = {"protocol_whitelist": "", "format_whitelist": ",".join(allowed), **(options or {})}
    if hasattr(av.container.Container, "metadata_errors"):  # until PyAV 18; later ones never refuse a tag
        settings["metadata_errors"] = "replace"  # a tag in Latin-1 must not make the sound unreadable
    return av.open(source, mode="r", format=form, options=given, **settings)


def open_file(opened: SourceFile) -> Any:
    """Open a file from its start, or from where sound begins in it where libav finds no format, and return the
    container.

    Raises DecodeError where the file holds no sound that is found, and StorageError where the file cannot be read.
    """
    opened.seek(0)
    try:
        return open_container(opened, buffer_size=BUFFER_BYTES)
    except Failure as error:
        opened.check()
        refusal = DecodeError(opened.label, f"it is no sound file that can be decoded: {reason_of_libav(error)}")
        refusal.__cause__ = error
    found = first_sound(opened)
    if found is None:
        raise refusal
    start, form = found
    try:
        return open_container(opened.stretch(start), form=form, buffer_size=BUFFER_BYTES)
    except Failure:
        raise refusal from refusal.__cause__


def sound_stream(container: Any) -> Any | None:
    """Return the sound stream of a container that libav considers the best; None where there is none."""
    return container.streams.best("audio")


def is_of_another_format(error: Exception) -> bool:
    """Return whether an error says that a source is of a format that libav may not open."""
    return isinstance(error, av.FFmpegError) and error.errno == errno.EINVAL


def reason_of_libav(error: Exception) -> str:
    """Return what libav says about an error, without numbers and file names."""
    if is_of_another_format(error):
        return "its format is none of those that are decoded"
    if isinstance(error, av.FFmpegError):
        return str(error.strerror or type(error).__name__)
    return reason_of(error)


BLOCK_SECONDS = 2
BLOCK_VALUES = 1 << 22  # the most values in a block, whatever rate and channels a header has
SAMPLE_TYPES = {
    "u8": np.uint8,
    "s16": np.int16,
    "s32": np.int32,
    "s64": np.int64,
    "flt": np.float32,
    "dbl": np.float64,
}
MOST_PLANES = 7  # with eight or more planes, releases of PyAV differ in how many they find
COUNTING_FORMATS = frozenset(("flac", "tta", "wv"))  # their headers hold the exact number of samples


class AvReader:
    """A reader of (samples, channels) float32 blocks from an opened file, by libav.

    libav takes off encoder delay and padding, by the LAME header, the edit list, Opus's pre-skip or what else the
    format has, so that the samples are ffmpeg's. Of several sound streams, libav's best is read. A packet that cannot
    be decoded is skipped, as in ffmpeg. Channels are not mixed: where their number changes, so does that of the blocks.
    Where the rate changes, the rest is resampled to the first rate.

    opened: left open. mp3_samples: the number of samples that an MP3's Xing header promises, which libav does not tell;
    0 where it has none. rate_hz, channels: of the first sound decoded. decoder: PyAV with libavcodec and their
    versions.

    Raises DecodeError where libav cannot open the file, where it holds no sound, or where none of it can be decoded.
    """

    def __init__(self, opened: SourceFile, *, mp3_samples: int = 0) -> None:
        version = ".".join(str(part) for part in av.library_versions["libavcodec"])
        self.decoder = f"PyAV {av.__version__} (libavcodec {version})"
        self.rate_hz = 0
        self.channels = 0
        self._decoded = 0
        self._last_error = ""
        self._broke_off = False
        self._container = open_file(opened)
        try:
            self._stream = self._sound_stream(opened.label)
            self._blocks = self._decoded_blocks()
            first = next(self._blocks, None)
            if first is None:
                reason = f": {self._last_error}" if self._last_error else ""
                raise DecodeError(opened.label, f"no sound could be decoded from it{reason}")
            bitstream = BitstreamCheck()(first)
            if bitstream:
                raise DecodeError(opened.label, f"its samples are {bitstream}, which cannot be decoded from there")
        except BaseException:  # closes the handle on an interruption too, and raises again
            self._container.close()
            raise
        self._first = first
        self._promised = self._promised_samples(mp3_samples)

    @property
    def truncated(self) -> bool:
        """Whether the header counts more samples than were decoded, or libav could not read to the end."""
        return self._broke_off or self._decoded < self._promised

    def blocks(self) -> Iterator[npt.NDArray[np.float32]]:
        """Yield (samples, channels) float32, about two seconds at a time. It can be iterated once."""
        yield self._first
        yield from self._blocks

    def close(self) -> None:
        """Close libav's container; the file itself stays open."""
        self._container.close()

    def _promised_samples(self, mp3_samples: int) -> int:
        """Return how many samples the header counts; 0 where it does not."""
        container_format = self._container.format.name
        if container_format == "mp3":
            return mp3_samples
        duration, time_base = self._stream.duration, self._stream.time_base
        if container_format not in COUNTING_FORMATS or not duration or not time_base:
            return 0
        return int(duration * time_base * self.rate_hz)

    def _sound_stream(self, name: str) -> Any:
        """Return the sound stream to decode, or raise DecodeError."""
        stream = sound_stream(self._container)
        if stream is None:
            others = ", ".join(sorted({stream.type for stream in self._container.streams})) or "nothing"
            raise DecodeError(name, f"there is no sound in it, only {others}")
        if stream.codec_context is None:
            raise DecodeError(name, "libav has no decoder for its sound")
        return stream

    def _decoded_blocks(self) -> Iterator[npt.NDArray[np.float32]]:
        """Yield blocks with one number of channels each, gathered from the decoder's small frames."""
        block = np.empty((0, 0), np.float32)  # (channels, samples), so that a decoder's plane is one row
        filled = 0
        for frame in self._frames_at_one_rate():
            channels, count = frame.layout.nb_channels, frame.samples
            if channels != len(block) or filled + count > block.shape[1]:
                if filled:
                    self._decoded += filled
                    yield block[:, :filled].T
                wanted = min(BLOCK_SECONDS * self.rate_hz, BLOCK_VALUES // channels)
                block = np.empty((channels, max(count, wanted)), np.float32)
                filled = 0
            _copy_samples(frame, block[:, filled : filled + count])
            filled += count
        if filled:
            self._decoded += filled
            yield block[:, :filled].T

    def _frames_at_one_rate(self) -> Iterator[Any]:
        """Yield frames at the first frame's rate, in a form whose planes PyAV can show.

        libav's resampler converts what differs: joined streams of other rates, and frames of more planes than PyAV can
        show.
        """
        resampler: Any = None
        resampled_form: tuple[int, str, str] | None = None
        for frame in self._frames():
            if self.rate_hz == 0:
                self.rate_hz, self.channels = frame.sample_rate, frame.layout.nb_channels
            many_planes = frame.layout.nb_channels > MOST_PLANES and frame.format.is_planar
            as_it_is = frame.sample_rate == self.rate_hz and not many_planes
            form = None if as_it_is else (frame.sample_rate, frame.format.name, frame.layout.name)
            if form != resampled_form:
                if resampler is not None:
                    yield from resampler.resample(None)
                resampler = None if as_it_is else av.AudioResampler(frame.format.packed, frame.layout, self.rate_hz)
                resampled_form = form
            if as_it_is:
                yield frame
                continue
            frame.pts = None
            yield from resampler.resample(frame)
        if resampler is not None:
            yield from resampler.resample(None)

    def _frames(self) -> Iterator[Any]:
        """Yield every frame that can be decoded, and skip packets that cannot."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except Failure as error:  # the file breaks off, but the decoder may still hold frames
                self._last_error, self._broke_off = reason_of_libav(error), True
                yield from self._decode(None)
                return
            if packet is None:
                return
            yield from self._decode(packet)

    def _decode(self, packet: Any) -> list[Any]:
        """Return the frames of a packet, none where it cannot be decoded; for None, those the decoder still holds."""
        try:
            frames = self._stream.codec_context.decode(packet)
        except Failure as error:
            self._last_error = reason_of_libav(error)
            return []
        return [frame for frame in frames if frame.samples]


def _copy_samples(frame: Any, out: npt.NDArray[np.float32]) -> None:
    """Copy a frame's samples to `out`, (channels, samples), with whole numbers scaled to [-1, 1) as ffmpeg does."""
    name = frame.format.name
    sample_type = SAMPLE_TYPES[name.removesuffix("p")]
    channels, count = out.shape
    if name.endswith("p"):  # planar: a plane a channel
        for row, plane in zip(out, frame.planes, strict=True):
            row[:] = np.frombuffer(plane, sample_type, count)
    else:
        out[:] = np.frombuffer(frame.planes[0], sample_type, channels * count).reshape(count, channels).T
    if sample_type in (np.float32, np.float64):
        return
    if sample_type is np.uint8:
        out -= 128
    out *= np.float32(2.0 ** (1 - 8 * np.dtype(sample_type).itemsize))
