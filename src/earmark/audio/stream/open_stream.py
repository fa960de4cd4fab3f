"""Opening a stream of sound by its name, and reading sound from a pipe."""

import os
import stat
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol

import numpy as np
import numpy.typing as npt

from earmark.audio.stream.decoder import RawSamples, StreamDecoder
from earmark.errors import DecodeError

Array = npt.NDArray[np.float32]

STANDARD_INPUT = "-"
MICROPHONE = "microphone"


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
        from earmark.audio.stream.microphone import Microphone

        return Microphone(rate_hz, tell, device)
    if source == STANDARD_INPUT:
        if stdin.isatty():
            raise DecodeError(
                "stdin", 'found a terminal, expected sound; pipe some into it: "ffmpeg ... | earmark listen -"'
            )
        return PipeStream(stdin, rate_hz, raw=raw)
    from earmark.audio.stream.http import HttpStream

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
