"""Opening a stream of sound by its name: a pipe, an HTTP address or a microphone."""

import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, BinaryIO, Protocol
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from earmark import __version__
from earmark.audio.resample import Resampler
from earmark.audio.stream.decoder import RawSamples, StreamDecoder, Timeouts
from earmark.errors import DecodeError, MissingExtraError

Array = npt.NDArray[np.float32]

STANDARD_INPUT = "-"
MICROPHONE = "microphone"
SCHEMES = ("http", "https")
PROTOCOLS = "http,https,tcp,tls,crypto"
"""The protocols that libav may open, also for the pieces of an HLS playlist; never a file."""
MICROPHONE_BLOCK_SECONDS = 0.05


class AudioStream(Protocol):
    """A stream of sound that arrives over time.

    name: its source, for a person. paced: whether it arrives at the pace of playing, so that a slow consumer gets it
    late; a source that waits until it is read, such as a file, is not paced. It is known once the first block is there.
    """

    name: str

    @property
    def paced(self) -> bool: ...
    def blocks(self) -> Iterator[Array]:
        """Yield (samples,) float32, mono, at the rate that was asked for, as they arrive; raises DecodeError."""


def open_stream(
    source: str,
    rate_hz: int,
    tell: Callable[[str], None],
    *,
    stdin: BinaryIO,
    raw: RawSamples | None = None,
    device: int | str | None = None,
) -> AudioStream:
    """Open the stream that a name stands for: "-" (standard input), an http or https address, or "microphone".

    tell: called with sentences for a person about what happens on the way. raw: the format of standard input's samples,
    where they have no header. device: which microphone.

    Raises DecodeError or MissingExtraError where no sound can come from it.
    """
    if source == MICROPHONE:
        return Microphone(rate_hz, tell, device)
    if source == STANDARD_INPUT:
        if stdin.isatty():
            raise DecodeError(
                "stdin", 'found a terminal, expected sound; pipe some into it: "ffmpeg ... | earmark listen -"'
            )
        return PipeStream(stdin, rate_hz, raw=raw)
    return HttpStream(source, rate_hz, tell)


class PipeStream:
    """The sound in a pipe: any format that libav can read without going back, or raw samples.

    file: binary, such as standard input; it is read without a buffer. Only `blocks` waits for sound.
    """

    def __init__(self, file: BinaryIO, rate_hz: int, *, raw: RawSamples | None = None, name: str = "stdin") -> None:
        self.name = name
        self._source = _Bytes(file)
        self._rate_hz = rate_hz
        self._raw = raw
        self.paced = not _is_file(file)

    def blocks(self) -> Iterator[Array]:
        """Yield (samples,) float32 as they arrive; raises DecodeError for what is no sound, and for no bytes at all."""
        try:
            decoder = StreamDecoder(self._source, self.name, self._rate_hz, raw=self._raw)
        except DecodeError as error:
            if self._source.received:
                raise
            raise DecodeError(self.name, "it ended before anything arrived; pipe sound into it") from error
        yield from decoder.blocks()


@dataclass(frozen=True)
class Reconnection:
    """The settings of connecting again after a stream broke off.

    tries: in a row. wait_seconds: before the first try, doubled each time. lasting_seconds: a connection that gave so
    much sound was good, and the tries count from 0 again. waits: the timeouts of a connection. sleep: the function that
    waits.
    """

    tries: int = 5
    wait_seconds: float = 1.0
    lasting_seconds: float = 60.0
    waits: Timeouts = field(default_factory=Timeouts)
    sleep: Callable[[float], None] = time.sleep


class HttpStream:
    """A stream of sound at an http or https address: a radio station, or a file, which ends.

    A stream without a length never ends by itself: when it ends or breaks off, it is connected again, `tell` is called
    with a line, and the sound of the meantime is lost. An address that does not answer at the first try is an error.
    """

    def __init__(
        self,
        address: str,
        rate_hz: int,
        tell: Callable[[str], None],
        patience: Reconnection = Reconnection(),
    ) -> None:
        """Check the address; raises DecodeError where it is not one of http or https."""
        parts = urlsplit(address)
        if parts.scheme not in SCHEMES or not parts.hostname:
            raise DecodeError(
                address,
                "it is not the address of a stream, which starts with http:// or https://. "
                "A file is tagged by `earmark tag`, or comes in through a pipe.",
            )
        # The name leaves out passwords and keys.
        self.name = f"{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}".rstrip("/")
        self.paced = True
        self._address = address
        self._rate_hz = rate_hz
        self._tell = tell
        self._patience = patience

    def blocks(self) -> Iterator[Array]:
        """Yield (samples,) float32 as they arrive.

        Raises DecodeError where the first connection fails, a file breaks off, or a station cannot be connected again.
        """
        decoder = self._connect()
        tries = 0
        while True:
            self.paced = decoder.endless
            samples = 0
            reason = "it ended, though a stream without a length should not"
            try:
                for block in decoder.blocks():
                    samples += len(block)
                    yield block
                if not self.paced:
                    return
            except DecodeError as error:
                if not self.paced:
                    raise
                reason = error.reason
            if samples >= self._patience.lasting_seconds * self._rate_hz:
                tries = 0
            decoder, tries = self._connect_again(reason, tries)
            self._tell(f"{self.name}: connected again")

    def _connect(self) -> StreamDecoder:
        options = {"protocol_whitelist": PROTOCOLS, "user_agent": f"earmark/{__version__}"}
        return StreamDecoder(self._address, self.name, self._rate_hz, options=options, waits=self._patience.waits)

    def _connect_again(self, reason: str, tries: int) -> tuple[StreamDecoder, int]:
        """Return the new connection and the number of tries in a row; raises DecodeError after the last try."""
        for made in range(tries, self._patience.tries):
            seconds = self._patience.wait_seconds * 2**made
            self._tell(f"{self.name}: {reason}; trying again in {seconds:g} s ({made + 1} of {self._patience.tries})")
            self._patience.sleep(seconds)
            try:
                return self._connect(), made + 1
            except DecodeError as error:
                reason = error.reason
        raise DecodeError(self.name, f"{reason}; given up after {self._patience.tries} tries")


class Microphone:
    """The sound of an input of this machine, recorded at the input's own rate in one channel, and resampled.

    device: its number, or a part of its name; without it the system's default. tell: called with a line where sound was
    lost before it could be read.
    """

    paced = True

    def __init__(self, rate_hz: int, tell: Callable[[str], None], device: int | str | None = None) -> None:
        """Find the input; raises MissingExtraError without sounddevice, DecodeError without PortAudio or the input."""
        self._sounddevice = _sounddevice()
        self._rate_hz = rate_hz
        self._tell = tell
        self._device = device
        found = self._found()
        self.name = str(found["name"])
        self._own_rate_hz = round(found["default_samplerate"])

    def blocks(self) -> Iterator[Array]:
        """Yield (samples,) float32 as they arrive, without end; raises DecodeError where the input fails."""
        resampler = Resampler(self._own_rate_hz, self._rate_hz)
        size = max(1, round(MICROPHONE_BLOCK_SECONDS * self._own_rate_hz))
        try:
            with self._sounddevice.InputStream(
                samplerate=self._own_rate_hz, device=self._device, channels=1, dtype="float32", blocksize=size
            ) as stream:
                while True:
                    recorded, lost = stream.read(size)
                    if lost:
                        self._tell(f"{self.name}: some of its sound was lost before it could be read")
                    ready = resampler.push(np.ascontiguousarray(recorded[:, 0], dtype=np.float32))
                    if len(ready):
                        yield ready
        except self._sounddevice.PortAudioError as error:
            raise DecodeError(self.name, f"it cannot be read: {error}") from error

    def _found(self) -> Any:
        """Return the system's description of the input, or raise DecodeError with the names of all inputs."""
        try:
            return self._sounddevice.query_devices(self._device, "input")
        except (self._sounddevice.PortAudioError, ValueError) as error:
            devices = self._sounddevice.query_devices()
            names = [f"{number} {each['name']!r}" for number, each in enumerate(devices) if each["max_input_channels"]]
            raise DecodeError(
                "microphone",
                f"found no {'input' if self._device is None else repr(self._device)} ({error}); expected "
                f"one of: {', '.join(names) or 'none, as this machine has no input'}. Choose it with --device.",
            ) from error


def _sounddevice() -> ModuleType:
    try:
        import sounddevice
    except ImportError as error:
        raise MissingExtraError("The microphone", "live", error.name or "sounddevice") from error
    except OSError as error:  # sounddevice is installed, but PortAudio is not
        raise DecodeError(
            "microphone",
            f"PortAudio cannot be loaded ({error}); install it, on Debian and Ubuntu with `apt install libportaudio2`",
        ) from error
    module: ModuleType = sounddevice
    return module


class _Bytes:
    """The bytes of a binary file as they arrive: a read waits for the first of them only."""

    def __init__(self, file: BinaryIO) -> None:
        # Without Python's buffer, since a thread that waits in it would keep Python from ending.
        self._file = getattr(file, "raw", file)
        self.received = 0

    def read(self, count: int) -> bytes:
        some: bytes | None = self._file.read(count)
        self.received += len(some or b"")
        return some or b""


def _is_file(file: BinaryIO) -> bool:
    """Return whether a file object is a file on disk, and not a pipe, a terminal or something in memory."""
    try:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except (OSError, ValueError, AttributeError):  # it has no file descriptor
        return False
