"""One listener as the server sees it: a worker process that does one order at a time."""

import os
from collections.abc import Callable

from pydantic import ValidationError

from earmark.errors import WorkerError
from earmark.web import problems, sound_problems
from earmark.web.order import Done, Failed, Order, Progress, message_from_line
from earmark.web.problem import ProblemError
from earmark.workers import process as workers

FACTORY = "earmark.web.listener:work_of"
LARGEST_MESSAGE_BYTES = 1 << 16
"""The answer itself is a file; a listener that says more has been taken over."""
TOKEN_VARIABLE = "EARMARK_TOKEN"

Tell = Callable[[Progress], None]


class ListenerProcess:
    """A process that does one order at a time, and another one in its place when that has ended."""

    def __init__(self, setup: bytes) -> None:
        """`setup`: a pickled Setup."""
        self._worker = workers.WorkerProcess(FACTORY, setup, _environment(), largest_bytes=LARGEST_MESSAGE_BYTES)

    @property
    def process_id(self) -> int | None:
        """Of the process, where there is one."""
        return self._worker.process_id

    @property
    def starts(self) -> int:
        """How many processes were started."""
        return self._worker.starts

    async def start(self) -> None:
        """Have a process that is ready; raises ProblemError (503) where none can be had."""
        try:
            await self._worker.start()
        except WorkerError as error:
            raise ProblemError(problems.no_listener(error.reason)) from error

    async def work(self, order: Order, tell: Tell) -> float:
        """Do an order; `tell` gets its progress. Returns how many seconds of sound were heard.

        Raises ProblemError where the sound cannot be used. Whoever cancels this ends the process.
        """

        def told(line: bytes) -> None:
            message = message_from_line(line)
            if isinstance(message, Progress):
                tell(message)

        try:
            answer = await self._worker.work(order.to_line(), order.seconds, told)
            last = message_from_line(answer.payload) if isinstance(answer, workers.Done) else answer
        except WorkerError as error:
            raise ProblemError(problems.no_listener(error.reason)) from error
        except ValidationError as error:
            self.kill()
            raise ProblemError(sound_problems.lost("it said what is no message")) from error
        match last:
            case Done():
                return last.heard_seconds
            case Failed():
                raise ProblemError(last.problem)
            case workers.Late():
                raise ProblemError(sound_problems.not_done_in_time(order.seconds))
            case workers.Ended():
                raise ProblemError(sound_problems.lost(last.how))
        raise ProblemError(sound_problems.lost("it stopped answering"))

    def kill(self) -> None:
        """End the process at once, without waiting for it."""
        self._worker.kill()

    async def end(self) -> None:
        """End the process, whatever it does."""
        await self._worker.end()


def _environment() -> dict[str, str]:
    """What a listener is to know of the server's environment: all but its token."""
    kept = {name: value for name, value in os.environ.items() if name != TOKEN_VARIABLE}
    return {**kept, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
