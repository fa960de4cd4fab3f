"""One worker as its caller sees it: a process that is started when it is needed, and killed when it must be."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from signal import Signals

from earmark.errors import WorkerError
from earmark.workers.frames import HEAD, MARK, Frame, head_from_bytes

START_SECONDS = 60.0
"""How long a process may take until it is ready, its imports and its model included."""
START_PAUSES_SECONDS = (0.2, 0.5, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0)
"""Between the tries to start a process."""
START_TRIES = 5
"""Of processes in a row that end by themselves before they are ready, or are not ready in time."""
START_TRIES_OF_KILLS = 1 + len(START_PAUSES_SECONDS)
"""Where they are killed from outside, such as by a system that is short of memory for a while."""
TRIES_OF_CRASHES = 2
"""Of a job on which workers crash; more would crash as well."""
TRIES_OF_KILLS = 5
"""Of a job whose workers are killed from outside, such as by a system without memory."""
JOBS_A_PROCESS = 1_000
"""After which it is replaced: whatever a decoder leaks ends there."""
ENDING_SECONDS = 5.0
"""Between the end of a process's answers and its own end, after which it is killed."""
SAID_BYTES = 4_000
"""Of what a process writes to stderr before it is ready, the last of which is told."""
LARGEST_BYTES = 1 << 30
"""An answer that claims to be larger ends its process."""


@dataclass(frozen=True)
class Done:
    """A worker's answer to a job."""

    payload: bytes


@dataclass(frozen=True)
class Ended:
    """The worker ended on the job. how: the signal's name, or the exit code in words. killed: from outside, by a signal
    that no fault of a program raises, such as SIGKILL."""

    how: str
    killed: bool

    @property
    def tries_at_most(self) -> int:
        """How often a job whose worker ends so is worth trying."""
        return TRIES_OF_KILLS if self.killed else TRIES_OF_CRASHES


@dataclass(frozen=True)
class Late:
    """The job was not done in the time that it was allowed, and its worker was killed."""

    seconds: float


@dataclass(frozen=True)
class _Failure:
    """Why a process is not ready, and whether it was killed from outside."""

    reason: str
    killed: bool = False


Answer = Done | Ended | Late
Tell = Callable[[bytes], None]

KILLED_BY = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGPWR")


class WorkerProcess:
    """A process that does one job at a time, and another one in its place when that has ended; of one event loop."""

    def __init__(
        self,
        factory: str,
        setup: bytes,
        environment: Mapping[str, str] | None = None,
        *,
        largest_bytes: int = LARGEST_BYTES,
    ) -> None:
        """`factory`: MODULE:NAME, see `earmark.workers.worker`. `setup`: what it is given. `environment`: of the
        process; without it this one's. `largest_bytes`: of an answer."""
        self._factory, self._setup, self._environment = factory, setup, environment
        self._largest_bytes = largest_bytes
        self._process: asyncio.subprocess.Process | None = None
        self._said: asyncio.Task[bytes] | None = None
        self._jobs_left = 0
        self.starts = 0

    @property
    def process_id(self) -> int | None:
        """Of the process, where there is one."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Have a process that is ready.

        Raises WorkerError, with the reason of the last try, where START_TRIES processes in a row were not, or
        START_TRIES_OF_KILLS that were killed from outside.
        """
        if self._process is not None and self._process.returncode is None and self._jobs_left > 0:
            return
        for tries, pause_seconds in enumerate((*START_PAUSES_SECONDS, 0.0), start=1):
            failure = await self._try_to_start()
            if failure is None:
                return
            if tries >= (START_TRIES_OF_KILLS if failure.killed else START_TRIES):
                raise WorkerError(failure.reason, tries)
            await asyncio.sleep(pause_seconds)

    async def work(self, job: bytes, seconds: float, tell: Tell | None = None) -> Answer:
        """Do a job; `tell` gets what the worker says on the way. Whoever cancels this kills the process.

        Raises WorkerError where no process can be started.
        """
        try:
            for _ in range(START_TRIES):
                await self.start()
                self._jobs_left -= 1
                async with asyncio.timeout(seconds):
                    if not await self._begin(job, seconds):
                        continue
                    done = await self._done(tell)
                return Done(done) if done is not None else await self._ended()
            how = (await self._ended()).how
        except TimeoutError:
            self.kill()
            return Late(seconds)
        except BaseException:  # cancelled, or `tell` failed: nobody waits for the answer; raised again
            self.kill()
            raise
        raise WorkerError(f"it ended before it took a job ({how})", START_TRIES)

    def kill(self) -> None:
        """End the process at once, without waiting for it."""
        self._jobs_left = 0
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def end(self) -> None:
        """End the process, whatever it does."""
        self.kill()
        process, self._process = self._process, None
        said, self._said = self._said, None
        if said is not None:
            said.cancel()
        if process is not None:
            # One that waits for a disk that is gone ends only when the disk answers.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ENDING_SECONDS):
                    await process.wait()

    async def _try_to_start(self) -> "_Failure | None":
        """Start a process; returns why it is not ready, or None."""
        await self.end()
        self.starts += 1
        self._jobs_left = JOBS_A_PROCESS
        try:
            process = self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # a file in the present folder that is called like a module is none
                "-m",
                "earmark.workers.worker",
                self._factory,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                # In a session of its own: Ctrl-C is for the caller, which then ends it.
                start_new_session=os.name == "posix",
                env=self._environment,
            )
        except OSError as error:
            return _Failure(f"no process can be started: {error.strerror or error}")
        self._said = asyncio.create_task(_last_said(process))
        try:
            async with asyncio.timeout(START_SECONDS):
                # At once: what prints much before the worker reads would wait for a reader.
                _, printed = await asyncio.gather(_write(process, Frame("setup", self._setup)), _before_mark(process))
                frame = await self._read(process)
        except TimeoutError:
            self.kill()
            return _Failure(f"it was not ready after {START_SECONDS:.0f} seconds")
        if frame is not None and frame.kind == "ready":
            return None
        reason = frame.payload.decode("utf-8", "replace") if frame is not None and frame.kind == "unusable" else ""
        said = self._said
        ended = await self._ended()
        if not reason:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ENDING_SECONDS):
                    reason = (await said or printed).decode("utf-8", "replace").strip().rpartition("\n")[2].strip()
        return _Failure(f"it ended before it was ready ({ended.how}){': ' if reason else ''}{reason}", ended.killed)

    async def _begin(self, job: bytes, seconds: float) -> bool:
        """Give the process a job; False where it had ended before it took it."""
        process = self._process
        if process is None:
            return False
        await _write(process, Frame("job", job, seconds))
        frame = await self._read(process)
        if frame is not None and frame.kind == "begun":
            return True
        self.kill()
        return False

    async def _done(self, tell: Tell | None) -> bytes | None:
        """The answer to the job that has begun, or None where the process ended on it."""
        while self._process is not None:
            frame = await self._read(self._process)
            if frame is not None and frame.kind == "done":
                return frame.payload
            if frame is None or frame.kind != "progress":
                return None
            if tell is not None:
                tell(frame.payload)
        return None

    async def _ended(self) -> Ended:
        """How a process ended that says nothing more; it is killed where it did not."""
        process = self._process
        code = None
        if process is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ENDING_SECONDS):
                    code = await process.wait()
        said, self._said = self._said, None
        await self.end()
        self._said = said
        if code is None:
            return Ended("it stopped answering", killed=False)
        name = {-number.value: number.name for number in Signals}.get(code, f"exit code {code}")
        return Ended(name, name in KILLED_BY)

    async def _read(self, process: asyncio.subprocess.Process) -> Frame | None:
        """The next frame; None where the process has ended, or says what is no frame."""
        if process.stdout is None:
            return None
        try:
            kind, length_bytes, seconds = head_from_bytes(await process.stdout.readexactly(HEAD.size))
            if length_bytes > self._largest_bytes:
                return None
            return Frame(kind, await process.stdout.readexactly(length_bytes), seconds)
        except (asyncio.IncompleteReadError, ConnectionResetError, ValueError):
            return None


async def _write(process: asyncio.subprocess.Process, frame: Frame) -> None:
    if process.stdin is None:
        return
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has ended: reading tells
        process.stdin.write(frame.to_bytes())
        await process.stdin.drain()


async def _before_mark(process: asyncio.subprocess.Process) -> bytes:
    """Read what others print to a worker's stdout before its first frame; returns the end of it."""
    printed = b""
    while process.stdout is not None:
        try:
            return (printed + await process.stdout.readuntil(MARK)).removesuffix(MARK)[-SAID_BYTES:]
        except asyncio.LimitOverrunError as error:
            printed = (printed + await process.stdout.readexactly(error.consumed))[-SAID_BYTES:]
        except (asyncio.IncompleteReadError, ConnectionResetError) as error:
            return (printed + getattr(error, "partial", b""))[-SAID_BYTES:]
    return printed


async def _last_said(process: asyncio.subprocess.Process) -> bytes:
    """The end of what a process writes to stderr, read so that it never waits for a reader."""
    said = b""
    while process.stderr is not None and (more := await process.stderr.read(SAID_BYTES)):
        said = (said + more)[-SAID_BYTES:]
    return said
