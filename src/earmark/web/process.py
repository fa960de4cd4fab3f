"""One listener as the server sees it: a process that is started when it is needed and killed when it must be."""

import asyncio
import os
import sys
from collections.abc import Callable
from signal import Signals

from pydantic import ValidationError

from earmark.web import problems, sound_problems
from earmark.web.order import Begun, Done, Failed, Message, Order, Progress, Ready, message_from_line
from earmark.web.problem import ProblemError

START_SECONDS = 120.0
ORDERS_A_PROCESS = 1_000
"""After which it is replaced: whatever a decoder leaks ends there."""
ENDING_SECONDS = 5.0
"""Between the end of a process's messages and its own end, after which it is killed."""
TOKEN_VARIABLE = "EARMARK_TOKEN"

Tell = Callable[[Progress], None]


class ListenerProcess:
    """A process that does one order at a time, and another one in its place when that has ended."""

    def __init__(self, setup: bytes) -> None:
        """`setup`: a pickled Setup."""
        self._setup = setup
        self._process: asyncio.subprocess.Process | None = None
        self._orders_left = 0
        self.starts = 0

    @property
    def process_id(self) -> int | None:
        """Of the process, where there is one."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> asyncio.subprocess.Process:
        """Have a process that is ready; raises ProblemError (503) where none can be had."""
        if self._process is not None and self._process.returncode is None and self._orders_left > 0:
            return self._process
        await self.end()
        self.starts += 1
        self._orders_left = ORDERS_A_PROCESS
        try:
            process = self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "earmark.web.listener",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                # In a session of its own: Ctrl-C is for the server, which then ends it.
                start_new_session=os.name == "posix",
                env=_environment(),
            )
        except OSError as error:
            raise ProblemError(problems.no_listener(error.strerror or str(error))) from error
        try:
            async with asyncio.timeout(START_SECONDS):
                await _write(process, self._setup)
                ready = isinstance(await _read(process), Ready)
        except TimeoutError:
            ready = False
        if not ready:
            raise ProblemError(problems.no_listener(await self._how_it_ended(process)))
        return process

    async def work(self, order: Order, tell: Tell) -> float:
        """Do an order; `tell` gets its progress. Returns how many seconds of sound were heard.

        Raises ProblemError where the sound cannot be used. Whoever cancels this ends the process.
        """
        process = await self.start()
        try:
            try:
                async with asyncio.timeout(order.seconds):
                    await _write(process, order.to_line())
                    begun = isinstance(await _read(process), Begun)
                    if not begun:  # it had ended before the order came: no fault of the sound
                        self.kill()
                        process = await self.start()
                        await _write(process, order.to_line())
                        begun = isinstance(await _read(process), Begun)
                    last = await _outcome(process, tell) if begun else None
            except TimeoutError as error:
                raise ProblemError(sound_problems.not_done_in_time(order.seconds)) from error
            self._orders_left -= 1
        except (asyncio.CancelledError, ProblemError):
            self.kill()
            raise
        match last:
            case Done():
                return last.heard_seconds
            case Failed():
                raise ProblemError(last.problem)
        raise ProblemError(sound_problems.lost(await self._how_it_ended(process)))

    def kill(self) -> None:
        """End the process at once, without waiting for it."""
        self._orders_left = 0
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def end(self) -> None:
        """End the process, whatever it does."""
        self.kill()
        process, self._process = self._process, None
        if process is not None:
            await process.wait()

    async def _how_it_ended(self, process: asyncio.subprocess.Process) -> str:
        """How a process ended that says nothing more; it is killed where it did not."""
        try:
            async with asyncio.timeout(ENDING_SECONDS):
                code = await process.wait()
        except TimeoutError:
            await self.end()
            return "it stopped answering"
        await self.end()
        names = {-signal.value: signal.name for signal in Signals}
        return names.get(code, f"exit code {code}")


def _environment() -> dict[str, str]:
    """What a listener is to know of the server's environment: all but its token."""
    kept = {name: value for name, value in os.environ.items() if name != TOKEN_VARIABLE}
    return {**kept, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


async def _outcome(process: asyncio.subprocess.Process, tell: Tell) -> Done | Failed | None:
    """What comes of an order that was begun, or None where the process ended on it."""
    while True:
        match message := await _read(process):
            case Progress():
                tell(message)
            case Done() | Failed():
                return message
            case _:
                return None


async def _write(process: asyncio.subprocess.Process, content: bytes) -> None:
    if process.stdin is None:
        return
    try:
        process.stdin.write(content)
        await process.stdin.drain()
    except (BrokenPipeError, ConnectionResetError):
        return  # it has ended: reading tells


async def _read(process: asyncio.subprocess.Process) -> Message | None:
    """The next message; None where the process has ended, or says what is no message."""
    if process.stdout is None:
        return None
    try:
        return message_from_line(await process.stdout.readline())
    except (ValidationError, ValueError, ConnectionResetError):  # ValueError: a line without end
        return None
