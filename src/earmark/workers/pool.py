"""Run a pool of worker processes for callers without an event loop. Answers come in the order in which jobs end."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

from earmark.workers.process import Answer, WorkerProcess

Token = TypeVar("Token")


def available_processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Pool(Generic[Token]):
    """Worker processes that are started when jobs come.

    Every job gets exactly one answer. Only one thread may use a pool.
    """

    def __init__(self, size: int, factory: str, setup: bytes, environment: Mapping[str, str] | None = None) -> None:
        """Make a pool of at most `size` processes. The other arguments are those of WorkerProcess."""
        self._processes = [WorkerProcess(factory, setup, environment) for _ in range(size)]
        self._answers: SimpleQueue[tuple[Token, Answer] | BaseException] = SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._jobs: asyncio.Queue[tuple[Token, bytes, float]] = asyncio.Queue()
        self._stop = asyncio.Event()
        # A daemon thread does not keep a caller alive that forgets `close`; the workers then find their pipes closed.
        self._thread = Thread(target=self._run, name="earmark-workers", daemon=True)
        self._thread.start()

    @property
    def process_ids(self) -> list[int]:
        """The process ids of the running workers."""
        return [number for process in self._processes if (number := process.process_id) is not None]

    def submit(self, token: Token, job: bytes, seconds: float) -> None:
        """Queue a job. The first free worker takes it and may then spend at most `seconds` on it."""
        self._call(lambda: self._jobs.put_nowait((token, job, seconds)))

    def wait(self) -> tuple[Token, Answer]:
        """Wait for the next answer, and return it with its job's token.

        Raises:
            WorkerError: a worker cannot be started. Every later call raises it too.
        """
        answer = self._answers.get()
        if isinstance(answer, BaseException):
            self._answers.put(answer)
            raise answer
        return answer

    def close(self) -> None:
        """Kill all workers and wait for the end of the pool's thread."""
        self._call(self._stop.set)
        self._thread.join()

    def _call(self, function: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # The loop has ended; `wait` raises the reason.
            self._loop.call_soon_threadsafe(function)

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            self._loop.run_until_complete(self._serve())

    async def _serve(self) -> None:
        stopped = asyncio.create_task(self._stop.wait())
        serving = [asyncio.create_task(self._serve_with(process)) for process in self._processes]
        ended, _ = await asyncio.wait((stopped, *serving), return_when=asyncio.FIRST_COMPLETED)
        for task in (stopped, *serving):
            task.cancel()
        await asyncio.gather(stopped, *serving, return_exceptions=True)
        await asyncio.gather(*(process.end() for process in self._processes))
        for task in ended - {stopped}:
            if (error := task.exception()) is not None:
                self._answers.put(error)

    async def _serve_with(self, process: WorkerProcess) -> None:
        """Give one worker one job after another."""
        while True:
            token, job, seconds = await self._jobs.get()
            self._answers.put((token, await process.work(job, seconds)))
