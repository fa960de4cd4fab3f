"""A station: a sound stream at an address, listened to again when it breaks off."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from earmark import __version__
from earmark.audio.arriving import Arriving, Waits
from earmark.errors import DecodeError

Array = npt.NDArray[np.float32]

SCHEMES = ("http", "https")
PROTOCOLS = "http,https,tcp,tls,crypto"
"""What libav may open by itself, as a playlist of pieces (HLS) asks for it: never a file."""


@dataclass(frozen=True)
class Patience:
    """How often a stream that broke off is tried again.

    tries: in a row. wait_seconds: before the first, doubled each time. lasting_seconds: a connection that gave so much
    sound was a good one, and the tries count from 0 again. sleep: what waits.
    """

    tries: int = 5
    wait_seconds: float = 1.0
    lasting_seconds: float = 60.0
    waits: Waits = field(default_factory=Waits)
    sleep: Callable[[float], None] = time.sleep


class Station:
    """A stream of sound at an http or https address: a radio station, or a file, whose end is the end.

    A stream that tells no length is never over by itself: when it ends or breaks off it is connected again, `tell` is
    told so, and what was missed meanwhile is lost. An address that does not answer at the very first is an error.
    """

    def __init__(
        self,
        address: str,
        rate_hz: int,
        tell: Callable[[str], None],
        patience: Patience = Patience(),
    ) -> None:
        """Raises DecodeError where the address is none of http or https."""
        parts = urlsplit(address)
        if parts.scheme not in SCHEMES or not parts.hostname:
            raise DecodeError(
                address,
                "it is no address of a stream, which starts with http:// or https://. "
                "A file is tagged by `earmark tag`, or comes in through a pipe.",
            )
        # Neither a password nor a listener's key is shown.
        self.name = f"{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}".rstrip("/")
        self.paced = True
        self._address = address
        self._rate_hz = rate_hz
        self._tell = tell
        self._patience = patience

    def blocks(self) -> Iterator[Array]:
        """Yield (samples,) float32 as they come; raises DecodeError where a stream does not come back."""
        arriving = self._connect()
        tries = 0
        while True:
            self.paced = arriving.endless
            samples = 0
            reason = "it ended, though a stream without a length should not"
            try:
                for block in arriving.blocks():
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
            arriving, tries = self._connect_again(reason, tries)
            self._tell(f"{self.name}: connected again")

    def _connect(self) -> Arriving:
        options = {"protocol_whitelist": PROTOCOLS, "user_agent": f"earmark/{__version__}"}
        return Arriving(self._address, self.name, self._rate_hz, options=options, waits=self._patience.waits)

    def _connect_again(self, reason: str, tries: int) -> tuple[Arriving, int]:
        """Return the new connection and how many tries were made in a row; raises DecodeError after the last."""
        for made in range(tries, self._patience.tries):
            seconds = self._patience.wait_seconds * 2**made
            self._tell(f"{self.name}: {reason}; trying again in {seconds:g} s ({made + 1} of {self._patience.tries})")
            self._patience.sleep(seconds)
            try:
                return self._connect(), made + 1
            except DecodeError as error:
                reason = error.reason
        raise DecodeError(self.name, f"{reason}; given up after {self._patience.tries} tries")
