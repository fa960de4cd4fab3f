"""Sound that comes in from outside and is heard as it comes; and sound from standard input."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol

import numpy as np
import numpy.typing as npt

from earmark.audio.arriving import Arriving, RawSamples
from earmark.errors import DecodeError

Array = npt.NDArray[np.float32]

STANDARD_INPUT = "-"
MICROPHONE = "microphone"


class Incoming(Protocol):
    """Sound that comes in.

    name: where from, for a person. paced: whether it comes as it plays, so that who is slow hears it late; what waits
    until it is read, such as a file, is not. It is known once the first block is there.
    """

    name: str

    @property
    def paced(self) -> bool: ...
    def blocks(self) -> Iterator[Array]:
        """Yield (samples,) float32, mono, at the rate that was asked for, as they come; raises DecodeError."""


def open_incoming(
    source: str,
    rate_hz: int,
    tell: Callable[[str], None],
    *,
    stdin: BinaryIO,
    raw: RawSamples | None = None,
    device: int | str | None = None,
) -> Incoming:
    """Sound from where somebody names it: "-" for standard input, an http or https address, or "microphone".

    tell: is told what happens on the way, in sentences for a person. raw: how standard input's samples lie, where they
    have no header. device: which microphone. Raises DecodeError or MissingExtraError where nothing can come from it.
    """
    if source == MICROPHONE:
        from earmark.audio.microphone import Microphone

        return Microphone(rate_hz, tell, device)
    if source == STANDARD_INPUT:
        if stdin.isatty():
            raise DecodeError(
                "stdin", 'found a terminal, expected sound; pipe some into it: "ffmpeg ... | earmark listen -"'
            )
        return Pipe(stdin, rate_hz, raw=raw)
    from earmark.audio.station import Station

    return Station(source, rate_hz, tell)


class Pipe:
    """Sound in a pipe: any format that libav can read without going back, or raw samples.

    file: binary, such as standard input; it is read from without a buffer, by the bytes that are there. Waits
    for sound only in `blocks`.
    """

    def __init__(self, file: BinaryIO, rate_hz: int, *, raw: RawSamples | None = None, name: str = "stdin") -> None:
        self.name = name
        self._source = _Bytes(file)
        self._rate_hz = rate_hz
        self._raw = raw
        self.paced = not _is_file(file)

    def blocks(self) -> Iterator[Array]:
        """Yield (samples,) float32 as they come; raises DecodeError for what is no sound, and for none at all."""
        try:
            arriving = Arriving(self._source, self.name, self._rate_hz, raw=self._raw)
        except DecodeError as error:
            if self._source.received:
                raise
            raise DecodeError(self.name, "it ended before anything came in; pipe sound into it") from error
        yield from arriving.blocks()


class _Bytes:
    """A binary file as bytes that are there: a read never waits for more than the first of them."""

    def __init__(self, file: BinaryIO) -> None:
        # Not through the buffer: a thread that waits in it would stop Python from ending.
        self._file = getattr(file, "raw", file)
        self.received = 0

    def read(self, count: int) -> bytes:
        some: bytes | None = self._file.read(count)
        self.received += len(some or b"")
        return some or b""


def _is_file(file: BinaryIO) -> bool:
    """Whether it is a file on disk, and neither a pipe nor a terminal nor something in memory."""
    try:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode)
    except (OSError, ValueError, AttributeError):  # it has no file descriptor
        return False
