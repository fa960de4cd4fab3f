"""End a command in order when a signal asks it to end, so that its results are complete."""

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class Ending:
    """Handles the signals that ask a command to end.

    The first signal raises KeyboardInterrupt (SIGINT), or SystemExit with 128 plus its number. While a result is
    written, it waits, so that no part of the result is lost. The second signal ends the process at once.
    """

    def __init__(self) -> None:
        self._asked = 0
        self._raised = False
        self._writing = False

    @property
    def status(self) -> int:
        """The exit status of a command that a signal has ended, or 0 if none has."""
        return 128 + self._asked if self._asked else 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._asked:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self._asked = number
        if not self._writing:
            self._end()

    @contextlib.contextmanager
    def after_writing(self) -> Iterator[None]:
        """Delay signals until the end of a `with` block."""
        before, self._writing = self._writing, True
        try:
            yield
        finally:
            self._writing = before
        if self._asked and not self._raised and not self._writing:
            self._end()

    def _end(self) -> None:
        self._raised = True
        raise KeyboardInterrupt if self._asked == signal.SIGINT else SystemExit(self.status)


def end_in_order() -> Ending:
    """Let an Ending handle signals, except those that are ignored, for example by nohup, and return it."""
    ending = Ending()
    for name in NAMES:
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, ending)
    return ending


def whole() -> contextlib.AbstractContextManager[None]:
    """Return a context manager that delays signals while a result is written, if an Ending handles them."""
    for name in NAMES:
        handler = signal.getsignal(getattr(signal, name, signal.SIGINT))
        if isinstance(handler, Ending):
            return handler.after_writing()
    return contextlib.nullcontext()
