"""Watching a sound while it is tagged: how far it is, its outline, and that it is too long."""

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from earmark.errors import EarmarkError
from earmark.web.outline import Outline

TELL_SECONDS = 0.2
"""The least time from one message of progress to the next."""


class TooLongError(EarmarkError):
    """Ends the reading of a sound that is longer than allowed, whatever its header said."""


class PassObserver:
    """Sees each block of a sound as `Tagger.tag(..., on_block=)` takes it."""

    def __init__(self, rate_hz: int, longest_seconds: float, tell: Callable[[float], None]) -> None:
        """`rate_hz`: the model's. `tell`: called now and then with the seconds that were tagged so far."""
        self.outline = Outline(rate_hz)
        self._longest_seconds = longest_seconds
        self._tell = tell
        self._told = time.monotonic()

    def __call__(self, samples: npt.NDArray[np.float32], seconds: float) -> None:
        """Take the next block, (samples,) float32, and the seconds so far; raises TooLongError beyond the limit."""
        if seconds > self._longest_seconds:
            raise TooLongError
        self.outline.add(samples)
        if time.monotonic() - self._told >= TELL_SECONDS:
            self._tell(seconds)
            self._told = time.monotonic()
