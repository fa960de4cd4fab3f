"""A decoder of bytes that arrive over time: it returns mono blocks at a wanted rate, one for each packet."""

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from earmark.audio.resample import Resampler
from earmark.errors import DecodeError

Array = npt.NDArray[np.float32]

QUICK_START = {"probesize": "32768", "analyzeduration": "500000"}
"""The part of a stream that libav probes: half a second of sound is enough; by default it waits for five of a WAV."""
STREAMED = (
    *("aac", "ac3", "amr", "asf", "au", "avi", "caf", "dts", "eac3", "flac", "flv", "loas", "matroska", "mov", "mp3"),
    *("mpegts", "nut", "ogg", "tta", "w64", "wav", "wv"),
)
"""The formats that a stream may have. Others are left out, because libav would take raw samples for one of them."""
STATIONS = "hls"
"""libav's name of HLS, a playlist of pieces of one stream, which only an address may be: a file may name no others."""
RAW_FORMATS = ("s16le", "s16be", "s24le", "s24be", "s32le", "s32be", "f32le", "f32be", "s8", "u8", "mulaw", "alaw")
"""ffmpeg's names of raw samples: signed, unsigned or floating; bits; little or big endian."""
LAYOUTS = {1: "mono", 2: "stereo"}
MOST_CHANNELS = 64


class ByteSource(Protocol):
    """A source of bytes: `read` returns at most `count` bytes, those that are there, and none at the end."""

    def read(self, count: int) -> bytes: ...


@dataclass(frozen=True)
class RawSamples:
    """The format of samples without a header.

    Raises DecodeError for an unknown format, a rate below 1, or too many or no channels.
    """

    form: str
    """ffmpeg's name, such as "s16le"."""
    rate_hz: int
    channels: int

    def __post_init__(self) -> None:
        if self.form not in RAW_FORMATS:
            raise DecodeError("raw samples", f"found {self.form!r}, expected one of {', '.join(RAW_FORMATS)}")
        if self.rate_hz < 1 or not 1 <= self.channels <= MOST_CHANNELS:
            raise DecodeError(
                "raw samples",
                f"found {self.channels} channels at {self.rate_hz} Hz, expected 1 to {MOST_CHANNELS} "
                "channels at a rate above 0",
            )


@dataclass(frozen=True)
class Timeouts:
    """The seconds that a connection may take to open, and may then be silent."""

    open_seconds: float = 10.0
    read_seconds: float = 10.0


class StreamDecoder:
    """A decoder of one connection or pipe, by libav: mono float32 blocks at a wanted rate, one for each packet.

    Packets that libav cannot decode are skipped; channels are mixed to their plain mean; where the rate changes, the
    rest is resampled to the first rate. The sound is that of `decode` for the same bytes, to rounding.

    source: an address, or a source of bytes. label: the name in messages. rate_hz: the rate of the blocks. raw: the
    format of the samples where there is no header. options: further options of libav, by name. waits: the timeouts of a
    connection; None for none. endless: whether the source has no known end, as a radio station.

    Raises DecodeError where there is no sound that can be decoded.
    """

    def __init__(
        self,
        source: str | ByteSource,
        label: str,
        rate_hz: int,
        *,
        raw: RawSamples | None = None,
        options: dict[str, str] | None = None,
        waits: Timeouts | None = None,
    ) -> None:
        import av  # imported here, as it is slow to load

        from earmark.audio.libav import Failure, is_of_another_format, open_container

        self.label = label
        self._rate_hz = rate_hz
        self._libav_errors = Failure
        self._make_resampler = av.AudioResampler
        settings = {**QUICK_START, **(options or {})}
        if raw is not None:
            layout = LAYOUTS.get(raw.channels, f"{raw.channels}c")
            settings |= {"sample_rate": str(raw.rate_hz), "ch_layout": layout}
        try:
            self._container: Any = open_container(
                source,
                form=None if raw is None else raw.form,
                formats=(*STREAMED, STATIONS) if isinstance(source, str) else STREAMED,
                options=settings,
                timeout=None if waits is None else (waits.open_seconds, waits.read_seconds),
            )
        except Failure as error:
            if is_of_another_format(error):
                raise DecodeError(
                    label,
                    "the input is not a stream of sound. If it is raw samples, say so: --raw s16le --rate 44100 "
                    "--channels 2. Otherwise have ffmpeg write it as WAV: -f wav -",
                ) from error
            raise DecodeError(label, f"no sound can be read from it: {_reason(error, 'no answer')}") from error
        try:
            self._stream = self._sound_stream()
        except DecodeError:
            self.close()
            raise
        self.endless = not self._container.duration

    def blocks(self) -> Iterator[Array]:
        """Yield (samples,) float32 as they arrive, once, then close the connection.

        Raises DecodeError where the source breaks off, or holds NaN, infinite samples or no sound at all.
        """
        resampler: Resampler | None = None
        try:
            for samples, rate_hz in self._decoded():
                if not np.isfinite(samples).all():
                    raise DecodeError(self.label, "it holds NaN or infinite samples; only finite numbers are sound")
                if resampler is None:
                    resampler = Resampler(rate_hz, self._rate_hz)
                ready = resampler.push(samples)
                if len(ready):
                    yield ready
            if resampler is None:
                raise DecodeError(self.label, "no sound could be decoded from it")
            rest = resampler.finish()
            if len(rest):
                yield rest
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection. It must not be called while another thread iterates `blocks`."""
        self._container.close()

    def _sound_stream(self) -> Any:
        """Return the sound stream to decode, or raise DecodeError."""
        stream = self._container.streams.best("audio")
        if stream is None or stream.codec_context is None:
            raise DecodeError(self.label, "there is no sound in it that libav can decode")
        return stream

    def _decoded(self) -> Iterator[tuple[Array, int]]:
        """Yield (samples,) float32 with their rate, which is always the first frame's."""
        first_rate_hz = 0
        form: tuple[int, str, str] | None = None
        converter: Any = None
        for frame in self._frames():
            first_rate_hz = first_rate_hz or frame.sample_rate
            if form != (frame.sample_rate, frame.format.name, frame.layout.name):
                form = (frame.sample_rate, frame.format.name, frame.layout.name)
                for left in [] if converter is None else converter.resample(None):
                    yield _mono(left), first_rate_hz
                # Packed samples, because PyAV cannot show more than eight planes.
                converter = self._make_resampler("flt", frame.layout, first_rate_hz)
            frame.pts = None
            for converted in converter.resample(frame):
                yield _mono(converted), first_rate_hz

    def _frames(self) -> Iterator[Any]:
        """Yield every frame that can be decoded, as soon as its packet has arrived."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except self._libav_errors as error:
                raise DecodeError(self.label, f"it broke off: {_reason(error, 'the connection ended')}") from error
            if packet is None:
                return
            try:
                frames = self._stream.codec_context.decode(packet)
            except self._libav_errors:
                continue  # the packet is lost, as in ffmpeg
            yield from (frame for frame in frames if frame.samples)


def _mono(frame: Any) -> Array:
    """Return the plain mean of a packed frame's channels: (samples,) float32."""
    channels = frame.layout.nb_channels
    values = np.frombuffer(frame.planes[0], np.float32, frame.samples * channels)
    return np.asarray(values.reshape(-1, channels).mean(axis=1, dtype=np.float32))


def _reason(error: Exception, no_reason: str) -> str:
    """Return what libav says about an error, without numbers and addresses; `no_reason` for a lost connection."""
    if type(error).__name__ == "ExitError":
        return "nothing came for too long"
    if getattr(error, "errno", None) == errno.EIO:
        return no_reason
    return str(getattr(error, "strerror", None) or error)
