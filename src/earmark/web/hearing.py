"""What is noticed while a sound goes by: how far it is, its outline, and that it is too long."""

import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np

from earmark.audio.stopwatch import Part, Stopwatch
from earmark.errors import EarmarkError
from earmark.web.outline import Outline

TELL_SECONDS = 0.2
"""From one message of progress to the next, at least."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class TooLongError(EarmarkError):
    """Ends the reading of a sound that goes beyond what is listened to, whatever its header said."""


class Hearing(Stopwatch):
    """A stopwatch of one pass that also sees the samples: what resampling gives is all of the sound, block by block."""

    def __init__(self, rate_hz: int, longest_seconds: float, tell: Callable[[float], None]) -> None:
        """`rate_hz`: of the model. `tell`: told now and then how many seconds went by."""
        super().__init__()
        self.outline = Outline(rate_hz)
        self._rate_hz = rate_hz
        self._longest_samples = longest_seconds * rate_hz
        self._samples = 0
        self._tell = tell
        self._told = time.monotonic()

    def timed(self, part: Part, call: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        """The same function with its time counted; of resampling the samples are seen too."""
        counted = super().timed(part, call)
        if part != "resample":
            return counted

        def seen(*arguments: Arguments.args, **options: Arguments.kwargs) -> Result:
            result = counted(*arguments, **options)
            if isinstance(result, np.ndarray):
                self._see(result)
            return result

        return seen

    def _see(self, samples: np.ndarray) -> None:
        self._samples += len(samples)
        if self._samples > self._longest_samples:
            raise TooLongError
        self.outline.add(samples)
        if time.monotonic() - self._told >= TELL_SECONDS:
            self._tell(self._samples / self._rate_hz)
            self._told = time.monotonic()
