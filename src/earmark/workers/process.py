"""The caller's side of one worker: start its process, give it jobs, and kill it when it exceeds its time."""

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
"""How long a process may take to become ready, including its imports and loading its model."""
START_PAUSES_SECONDS = (0.2, 0.5, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0)
"""The pauses between tries to start a process."""
START_TRIES = 5
"""The tries to start a process that ends by itself before it is ready, or is not ready in time."""
START_TRIES_OF_KILLS = 1 + len(START_PAUSES_SECONDS)
"""The tries to start a process that is killed from outside, for example because the system is short of memory."""
TRIES_OF_CRASHES = 2
"""The tries of a job whose worker crashes; further tries would most likely crash too."""
TRIES_OF_KILLS = 5
"""The tries of a job whose worker is killed from outside, for example because the system is out of memory."""
JOBS_A_PROCESS = 1_000
"""The jobs that a process does before it is replaced, which frees whatever decoders have leaked."""
ENDING_SECONDS = 5.0
"""How long a process may take to end after its last answer, before it is killed."""
SAID_BYTES = 4_000
"""How much of a process's stderr is kept, from its end, for the message when the process does not become ready."""
LARGEST_BYTES = 1 << 30
"""The largest answer; a process that announces a larger one is ended."""


@dataclass(frozen=True)
class Done:
    """A worker's answer to a job."""

    payload: bytes


@dataclass(frozen=True)
class Ended:
    """The answer to a job during which the worker ended.

    how: the signal's name, or the exit code in words. killed: whether it was killed from outside, by a signal that no
    fault of a program raises, such as SIGKILL.
    """

    how: str
    killed: bool

    @property
    def tries_at_most(self) -> int:
        """How often to try a job whose worker ends this way."""
        return TRIES_OF_KILLS if self.killed else TRIES_OF_CRASHES


@dataclass(frozen=True)
class Late:
    """The answer to a job that was not done in the seconds that it was allowed. Its worker was killed."""

    seconds: float


@dataclass(frozen=True)
class _Failure:
    """The reason why a process did not become ready, and whether it was killed from outside."""

    reason: str
    killed: bool = False


Answer = Done | Ended | Late
Tell = Callable[[bytes], None]

KILLED_BY = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGPWR")


class WorkerProcess:
    """A process that does one job at a time.

    It is replaced when it has ended or has done JOBS_A_PROCESS jobs. It belongs to one event loop.
    """

    def __init__(
        self,
        factory: str,
        setup: bytes,
        environment: Mapping[str, str] | None = None,
        *,
        largest_bytes: int = LARGEST_BYTES,
    ) -> None:
        """Describe the process, without starting it.

        factory: MODULE:NAME of the function that makes the worker, see `earmark.workers.worker`. setup: the bytes that
        this function gets. environment: the environment variables of the process; None for those of this process.
        largest_bytes: the largest answer that is accepted.
        """
        self._factory, self._setup, self._environment = factory, setup, environment
        self._largest_bytes = largest_bytes
        self._process: asyncio.subprocess.Process | None = None
        self._said: asyncio.Task[bytes] | None = None
        self._jobs_left = 0
        self.starts = 0

    @property
    def process_id(self) -> int | None:
        """The id of the process, or None if there is none."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Start the process, unless one is ready already.

        Raises:
            WorkerError: START_TRIES processes in a row did not become ready, or START_TRIES_OF_KILLS were killed from
                outside. Its reason is that of the last try.
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
        """Do a job and return its answer. Cancelling this coroutine kills the process.

        tell: gets the payload of every progress frame.

        Raises:
            WorkerError: no process can be started.
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
        except BaseException:  # After a cancellation or an error in `tell`, nobody waits for the answer.
            self.kill()
            raise
        raise WorkerError(f"it ended before it took a job ({how})", START_TRIES)

    def kill(self) -> None:
        """Kill the process without waiting for its end."""
        self._jobs_left = 0
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def end(self) -> None:
        """Kill the process and wait up to ENDING_SECONDS for its end."""
        self.kill()
        process, self._process = self._process, None
        said, self._said = self._said, None
        if said is not None:
            said.cancel()
        if process is not None:
            # A process that waits for a disk that is gone ends only when the disk answers.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ENDING_SECONDS):
                    await process.wait()

    async def _try_to_start(self) -> "_Failure | None":
        """Start a process; return why it is not ready, or None if it is."""
        await self.end()
        self.starts += 1
        self._jobs_left = JOBS_A_PROCESS
        try:
            process = self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # Files in the current folder must not replace modules.
                "-m",
                "earmark.workers.worker",
                self._factory,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                # In its own session, the process does not get Ctrl-C; the caller does, and ends the process.
                start_new_session=os.name == "posix",
                env=self._environment,
            )
        except OSError as error:
            return _Failure(f"no process can be started: {error.strerror or error}")
        self._said = asyncio.create_task(_last_said(process))
        try:
            async with asyncio.timeout(START_SECONDS):
                # Both run at once, because code that prints much before the worker reads would block.
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
        """Give the process a job; return False if the process ended before it took the job."""
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
        """Return the answer to the job that has begun, or None if the process ended during the job."""
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
        """Wait for the end of a process that sends nothing more, kill it if it stays, and return how it ended."""
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
        """Read the next frame; return None if the process has ended or sent something that is not a frame."""
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
    # If the process has ended, the next read shows it.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(frame.to_bytes())
        await process.stdin.drain()


async def _before_mark(process: asyncio.subprocess.Process) -> bytes:
    """Read what other code printed to a worker's stdout before its first frame, and return the end of it."""
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
    """Read all that a process writes to stderr, so that the process never blocks, and return the end of it."""
    said = b""
    while process.stderr is not None and (more := await process.stderr.read(SAID_BYTES)):
        said = (said + more)[-SAID_BYTES:]
    return said
