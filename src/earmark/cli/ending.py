"""End a command in order when a signal asks it to end, so that its results are complete."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
RETRY_SECONDS = 0.05


class Ending:
    """Handles the signals that ask a command to end.

    The first signal raises KeyboardInterrupt (SIGINT), or SystemExit with 128 plus its number. While a result is
    written, it waits, so that no part of the result is lost. The second signal ends the process at once.

    Python drops an exception that is raised within a destructor or the callback of a weak reference. `report` sees
    that, and the signal is sent again a moment later.
    """

    def __init__(self) -> None:
        self._asked = 0
        self._raised = False
        self._dropped = False
        self._writing = False
        before = sys.unraisablehook
        owner = getattr(before, "__self__", None)
        self._report_other: Callable[[sys.UnraisableHookArgs], object] = (
            owner._report_other if isinstance(owner, Ending) else before
        )

    @property
    def status(self) -> int:
        """The exit status of a command that a signal has ended, or 0 if none has."""
        return 128 + self._asked if self._asked else 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self._asked and not self._dropped:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self._asked, self._dropped = number, False
        if not self._writing:
            self._end()

    def report(self, dropped: "sys.UnraisableHookArgs") -> None:
        """Handle an exception that Python has dropped: one of this object sends the signal again."""
        if not self._raised or not issubclass(dropped.exc_type, KeyboardInterrupt | SystemExit):
            self._report_other(dropped)
        elif not sys.is_finalizing():
            self._dropped = True
            again = threading.Timer(RETRY_SECONDS, os.kill, (os.getpid(), self._asked))
            again.daemon = True
            again.start()

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
    """Let an Ending handle signals, except those that are ignored, for example by nohup, and return it.

    It handles exceptions that Python drops, too.
    """
    ending = Ending()
    for name in NAMES:
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, ending)
    sys.unraisablehook = ending.report
    return ending


def whole() -> contextlib.AbstractContextManager[None]:
    """Return a context manager that delays signals while a result is written, if an Ending handles them."""
    for name in NAMES:
        handler = signal.getsignal(getattr(signal, name, signal.SIGINT))
        if isinstance(handler, Ending):
            return handler.after_writing()
    return contextlib.nullcontext()
