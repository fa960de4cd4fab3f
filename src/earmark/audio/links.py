"""The links of a sound, one after the other, each with the reader for its format. Most sounds have one link."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

from earmark.audio.container import is_empty_wav, read_container, with_true_sizes
from earmark.audio.extent import link_starts, without_tags_around
from earmark.audio.source import SourceFile, decode_errors
from earmark.errors import DecodeError, StorageError

LOWEST_HZ, HIGHEST_HZ = 1_000, 10_000_000  # a header that claims another rate is wrong


class Reader(Protocol):
    """A decoder of one link: blocks (samples, channels) float32 at rate_hz, and whether the header promised more."""

    rate_hz: int
    channels: int
    decoder: str

    @property
    def truncated(self) -> bool: ...
    def blocks(self) -> Iterator[npt.NDArray[np.float32]]: ...
    def close(self) -> None: ...


class Links:
    """The readers of a file's links, of which only one is open at a time.

    A link that cannot be decoded is skipped, and the sound is then incomplete.

    opened: left open. first: the reader of the first link that can be decoded. incomplete: whether a link was skipped
    so far, or a header promised more bytes than there are.

    Raises DecodeError where no link can be decoded.
    """

    def __init__(self, opened: SourceFile) -> None:
        with decode_errors(opened):
            sound = with_true_sizes(without_tags_around(opened))
            opened.check()
            if sound.size() == 0:
                raise DecodeError(opened.label, "it is empty (0 bytes)")
            ends = [*link_starts(sound), None]
            links = [sound] if len(ends) == 2 else [sound.stretch(start or 0, stop) for start, stop in pairwise(ends)]
            self._left = iter(links)
            self.incomplete = False
            refusals: list[DecodeError] = []
            first = self._next(refusals)
        if first is None:
            raise refusals[0]
        self.first: Reader = first
        self._open = first

    def __iter__(self) -> Iterator[Reader]:
        """Yield the readers once. Each is closed when the next one is asked for."""
        reader: Reader | None = self.first
        while reader is not None:
            self._open = reader
            yield reader
            reader.close()
            reader = self._next([])

    def close(self) -> None:
        """Close the reader that is open."""
        self._open.close()

    def _next(self, refusals: list[DecodeError]) -> Reader | None:
        """Open the next link that can be decoded; None after the last. Append the errors of others to `refusals`."""
        for link in self._left:
            try:
                with decode_errors(link):
                    reader, cut = _open_reader(link)
            except StorageError:
                raise
            except DecodeError as error:
                refusals.append(error)
                self.incomplete = True
                continue
            self.incomplete = self.incomplete or cut
            return reader
        return None


def _open_reader(link: SourceFile) -> tuple[Reader, bool]:
    """Return the reader for the link's format, and whether the header says that the end is missing."""
    container = read_container(link)
    link.check()
    if container.kind == "WAV" and is_empty_wav(link):
        raise DecodeError(link.label, "no sound could be decoded from it: it holds no samples")
    reader: Reader | None = None
    refusal = ""
    if container.kind != "other":
        # Imported here, so that only the library that decodes is loaded.
        from earmark.audio.soundfile_reader import SoundFileReader

        try:
            with decode_errors(link):
                reader = SoundFileReader(link)
        except StorageError:
            raise
        except DecodeError as error:
            refusal = f" ({error.reason})"
    if reader is None:
        from earmark.audio.libav import AvReader

        try:
            reader = AvReader(link, mp3_samples=container.mp3_samples)
        except DecodeError as error:
            raise DecodeError(error.source, f"{error.reason}{refusal}") from error
    if not LOWEST_HZ <= reader.rate_hz <= HIGHEST_HZ:
        reader.close()
        raise DecodeError(
            link.label, f"its header says {reader.rate_hz} Hz; {LOWEST_HZ} to {HIGHEST_HZ} Hz can be read"
        )
    return reader, container.cut
