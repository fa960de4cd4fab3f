"""A stream of sound at an HTTP address, such as a radio station, which is connected again when it breaks off."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from earmark import __version__
from earmark.audio.stream.decoder import StreamDecoder, Timeouts
from earmark.errors import DecodeError

Array = npt.NDArray[np.float32]

SCHEMES = ("http", "https")
PROTOCOLS = "http,https,tcp,tls,crypto"
"""The protocols that libav may open, also for the pieces of an HLS playlist; never a file."""


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
