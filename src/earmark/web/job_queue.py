"""The job queue: a limited number of slots, and worker processes that do one job at a time."""

import asyncio
import logging
import math
import os
import pickle
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from pydantic import ValidationError

from earmark.errors import WorkerError
from earmark.tagging.tagger import Tagger
from earmark.web import problems
from earmark.web.job import JobDone, JobFailed, JobProgress, JobSetup, SoundJob, message_from_line
from earmark.web.metrics import Metrics
from earmark.web.problems import ProblemError
from earmark.web.settings import ServerSettings
from earmark.workers import process as workers

FIRST_ESTIMATE_SECONDS = 5.0
"""The estimated duration of a job before the first one is done."""
WEIGHT_OF_LAST = 0.2
"""The weight of the last job in the running mean of durations."""
FACTORY = "earmark.web.job_worker:work_of"
LARGEST_MESSAGE_BYTES = 1 << 16
"""The result itself is a file, so a worker process that sends a longer message has been taken over."""
TOKEN_VARIABLE = "EARMARK_TOKEN"

LOG = logging.getLogger("earmark.web")


@dataclass(frozen=True)
class JobWaiting:
    """How many jobs come before this one."""

    ahead: int


OnProgress = Callable[[JobProgress], None]
OnMessage = Callable[[JobWaiting | JobProgress], None]


def ignore_messages(message: JobWaiting | JobProgress) -> None:
    """Ignore a message; for requests that only wait for the result."""
    del message


class JobProcess:
    """The server's worker process: it sends jobs and reads messages as JSON lines."""

    def __init__(self, setup: bytes) -> None:
        """`setup`: a pickled JobSetup."""
        self._worker = workers.WorkerProcess(FACTORY, setup, _environment(), largest_bytes=LARGEST_MESSAGE_BYTES)

    @property
    def process_id(self) -> int | None:
        """The identifier of the process; None if it does not run."""
        return self._worker.process_id

    @property
    def starts(self) -> int:
        """How many processes were started."""
        return self._worker.starts

    async def start(self) -> None:
        """Start the process unless it runs; raise ProblemError (503) if it cannot be started."""
        try:
            await self._worker.start()
        except WorkerError as error:
            raise _no_worker(error) from error

    async def work(self, job: SoundJob, on_progress: OnProgress) -> float:
        """Do a job and return the length of the sound in seconds. Cancelling this kills the process.

        Raises ProblemError if the job fails.
        """

        def take(line: bytes) -> None:
            message = message_from_line(line)
            if isinstance(message, JobProgress):
                on_progress(message)

        try:
            answer = await self._worker.work(job.to_line(), job.seconds, take)
            last = message_from_line(answer.payload) if isinstance(answer, workers.Done) else answer
        except WorkerError as error:
            raise _no_worker(error) from error
        except ValidationError as error:
            self.kill()
            raise ProblemError(problems.worker_ended("it sent something that is no message")) from error
        match last:
            case JobDone():
                return last.sound_seconds
            case JobFailed():
                if last.log:
                    LOG.error("A job failed: %r", last.log)  # quoted, as the process may have been taken over
                raise ProblemError(last.problem)
            case workers.Late():
                raise ProblemError(problems.out_of_time(job.seconds))
            case workers.Ended():
                raise ProblemError(problems.worker_ended(last.how))
        raise ProblemError(problems.worker_ended("it stopped answering"))

    def kill(self) -> None:
        """Kill the process without waiting for its end."""
        self._worker.kill()

    async def end(self) -> None:
        """End the process, whatever it is doing."""
        await self._worker.end()


class Slot:
    """A slot of the queue, held from the first byte of an upload to the end of its job."""

    def __init__(self, release: Callable[[], None]) -> None:
        self._release: Callable[[], None] | None = release

    def release(self) -> None:
        """Release the slot; a second call does nothing."""
        release, self._release = self._release, None
        if release is not None:
            release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class JobQueue:
    """A queue of limited length in front of a fixed number of worker processes; belongs to one event loop."""

    def __init__(self, settings: ServerSettings, tagger: Tagger, metrics: Metrics) -> None:
        setup = pickle.dumps(JobSetup(tagger.bundle, settings.memory_megabytes))
        self._settings, self._metrics = settings, metrics
        self._processes = [JobProcess(setup) for _ in range(settings.jobs)]
        self._idle = deque(self._processes)
        self._waiting: deque[tuple[asyncio.Future[JobProcess], OnMessage]] = deque()
        self._taken = 0
        self._mean_seconds = FIRST_ESTIMATE_SECONDS

    @property
    def process_ids(self) -> list[int]:
        """The identifiers of the processes that run."""
        return [number for process in self._processes if (number := process.process_id) is not None]

    async def open(self) -> None:
        """Start all processes; raise ProblemError (503) if one cannot be started."""
        await asyncio.gather(*(process.start() for process in self._processes))

    async def close(self) -> None:
        """End all processes, whatever they are doing."""
        await asyncio.gather(*(process.end() for process in self._processes))

    def take_slot(self) -> Slot:
        """Take a slot; raise ProblemError (429) if none is free."""
        if self._taken >= self._settings.slots:
            seconds = max(1, math.ceil(self._mean_seconds * (1 + len(self._waiting) / self._settings.jobs)))
            self._metrics.refused.inc()
            raise ProblemError(problems.full(seconds), {"Retry-After": str(seconds)})
        self._taken += 1
        self._metrics.slots.set(self._taken)
        return Slot(self._release_slot)

    async def run(self, job: SoundJob, on_message: OnMessage) -> None:
        """Wait for a free process and do a job; afterwards the result is in the job's file.

        `on_message` gets the job's place in the queue and its progress. Cancelling this removes the job from the queue,
        or kills the process that does it. Raises ProblemError if the job fails.
        """
        process = await self._free_process(on_message)
        self._metrics.running.inc()
        started, starts = time.monotonic(), process.starts
        outcome = "cancelled"
        try:
            sound_seconds = await process.work(job, on_message)
            outcome = "done"
            self._metrics.sound_seconds.inc(sound_seconds)
        except ProblemError as error:
            outcome = error.problem.kind
            raise
        finally:
            seconds = time.monotonic() - started
            self._mean_seconds += WEIGHT_OF_LAST * (seconds - self._mean_seconds)
            self._metrics.running.dec()
            self._metrics.jobs.labels(job.want, outcome).inc()
            self._metrics.job_seconds.labels(job.want).observe(seconds)
            self._metrics.restarts.inc(process.starts - starts)
            self._give_back(process)

    async def _free_process(self, on_message: OnMessage) -> JobProcess:
        if self._idle:
            return self._idle.popleft()
        free: asyncio.Future[JobProcess] = asyncio.get_running_loop().create_future()
        self._waiting.append((free, on_message))
        self._metrics.waiting.set(len(self._waiting))
        on_message(JobWaiting(len(self._waiting) - 1))
        try:
            return await free
        except asyncio.CancelledError:
            if free.done() and not free.cancelled():
                self._give_back(free.result())
            elif (free, on_message) in self._waiting:
                self._waiting.remove((free, on_message))
                self._report_waiting()
            raise

    def _give_back(self, process: JobProcess) -> None:
        while self._waiting:
            free, _ = self._waiting.popleft()
            if not free.done():  # A request that was cancelled stays in the queue until its task runs.
                free.set_result(process)
                self._report_waiting()
                return
        self._idle.append(process)
        self._report_waiting()

    def _report_waiting(self) -> None:
        self._metrics.waiting.set(len(self._waiting))
        for ahead, (_, on_message) in enumerate(self._waiting):
            on_message(JobWaiting(ahead))

    def _release_slot(self) -> None:
        self._taken -= 1
        self._metrics.slots.set(self._taken)


def _no_worker(error: WorkerError) -> ProblemError:
    """Log why no worker process can be started, and return the error that ends the request (503)."""
    LOG.error("No worker process can be started: %s", error.reason)
    return ProblemError(problems.no_worker(error.reason))


def _environment() -> dict[str, str]:
    """Return the environment of worker processes: the server's without its token, and one thread for each process."""
    kept = {name: value for name, value in os.environ.items() if name != TOKEN_VARIABLE}
    return {**kept, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
