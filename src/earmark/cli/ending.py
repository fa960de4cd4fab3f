"""How a command ends when a signal asks it to: in order, its results whole; at the second signal at once."""

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class Ending:
    """The handler of the signals that ask a command to end.

    The first one raises KeyboardInterrupt (SIGINT) or SystemExit with 128 and its number, but not while a result is
    written: a part of one would be lost. The second one ends the process as if nothing handled it.
    """

    def __init__(self) -> None:
        self._asked = 0
        self._raised = False
        self._writing = False

    @property
    def status(self) -> int:
        """The exit status of a command that a signal ended; 0 where none did."""
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
        """Let a signal wait until what is done within is done."""
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
    """Have signals handled by an Ending, which is returned, but for those that are ignored, as nohup has it."""
    ending = Ending()
    for name in NAMES:
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, ending)
    return ending


def whole() -> contextlib.AbstractContextManager[None]:
    """Let signals wait while a result is written, where the command ends in order."""
    for name in NAMES:
        handler = signal.getsignal(getattr(signal, name, signal.SIGINT))
        if isinstance(handler, Ending):
            return handler.after_writing()
    return contextlib.nullcontext()
