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
from earmark.web.problem import ProblemError
from earmark.web.settings import ServerSettings
from earmark.workers import process as workers

FIRST_ESTIMATE_SECONDS = 5.0
"""The estimated duration of a job before the first one is done."""
WEIGHT_OF_LAST = 0.2
"""The weight of the last job in the running mean of durations."""
POLL_SECONDS = 0.02
FACTORY = "earmark.web.job_worker:work_of"
LARGEST_MESSAGE_BYTES = 1 << 16
"""The result itself is a file, so a worker process that sends a longer message has been taken over."""
OWN_VARIABLES = "EARMARK_"
"""The beginning of the names of variables that set options, among them the token."""

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

        A job whose process is killed from outside is tried once more. Raises ProblemError if the job fails.
        """
        answer = await self._answer(job, on_progress)
        if isinstance(answer, workers.Ended) and answer.killed:
            answer = await self._answer(job, on_progress)
        return self._seconds_of(answer, job)

    async def _answer(self, job: SoundJob, on_progress: OnProgress) -> workers.Answer:
        """Let the process do a job and return its answer."""

        def take(line: bytes) -> None:
            message = message_from_line(line)
            if isinstance(message, JobProgress):
                on_progress(message)

        try:
            return await self._worker.work(job.to_line(), job.seconds, take)
        except WorkerError as error:
            raise _no_worker(error) from error
        except ValidationError as error:
            raise self._no_message() from error

    def _seconds_of(self, answer: workers.Answer, job: SoundJob) -> float:
        """Return the length of the sound of a job that is done; raise ProblemError for any other answer."""
        try:
            last = message_from_line(answer.payload) if isinstance(answer, workers.Done) else answer
        except ValidationError as error:
            raise self._no_message() from error
        match last:
            case JobDone():
                return last.sound_seconds
            case JobFailed():
                if last.log:
                    LOG.error("A job failed: %r", last.log)  # quoted, as the process may have been taken over
                raise ProblemError(last.problem)
            case workers.Late():
                raise ProblemError(problems.out_of_time(job.seconds))
            case workers.Ended(killed=True):
                LOG.error("Two processes were killed from outside during one job, the last with %s.", last.how)
                raise ProblemError(problems.WORKER_KILLED, problems.SOON)
            case workers.Ended():
                raise ProblemError(problems.worker_ended(last.how))
        raise ProblemError(problems.worker_ended("it stopped answering"))

    def kill(self) -> None:
        """Kill the process without waiting for its end."""
        self._worker.kill()

    def _no_message(self) -> ProblemError:
        """Kill a process that sent something that is no message, and return the error of its job."""
        self.kill()
        return ProblemError(problems.worker_ended("it sent something that is no message"))

    async def end(self) -> None:
        """End the process, whatever it is doing."""
        await self._worker.end()


class Slot:
    """A slot of the queue, held from the end of an upload to the end of its job."""

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

    def __init__(
        self,
        settings: ServerSettings,
        tagger: Tagger,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock`: in seconds."""
        setup = pickle.dumps(JobSetup(tagger.bundle, settings.memory_megabytes))
        self._settings, self._metrics, self._clock = settings, metrics, clock
        self._processes = [JobProcess(setup) for _ in range(settings.jobs)]
        self._idle = deque(self._processes)
        self._waiting: deque[tuple[asyncio.Future[JobProcess], OnMessage]] = deque()
        self._waiting_batches: deque[tuple[asyncio.Future[JobProcess], OnMessage]] = deque()
        self._running: dict[asyncio.Task[float], float] = {}
        """The running jobs, and when each was started."""
        self._running_batches = 0
        """How many of them are of batches, which hold no slots."""
        self._taken = 0
        self._ending = False
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

    async def drain(self, grace_seconds: float, hurried: Callable[[], bool]) -> None:
        """Accept no more jobs, end those that wait, and give those that run some time; then end these too.

        `hurried`: whether to wait no longer. All jobs that are ended fail with the problem ENDING.
        """
        self._ending = True
        for free, _ in (*self._waiting, *self._waiting_batches):
            if not free.done():
                free.set_exception(_ending())
        self._waiting.clear()
        self._waiting_batches.clear()
        self._report_waiting()
        last = self._clock() + grace_seconds
        while self._running and self._clock() < last and not hurried():
            await asyncio.sleep(POLL_SECONDS)
        for work in self._running:
            work.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def check(self) -> None:
        """Raise ProblemError if no slot is free (429), or the server is ending (503)."""
        if self._ending:
            raise _ending()
        if self._taken >= self._settings.slots:
            self._metrics.refused.inc()
            raise ProblemError(problems.full(self.seconds_until_free()))

    def take_slot(self) -> Slot:
        """Take a slot; raise ProblemError as `check` does."""
        self.check()
        self._taken += 1
        self._metrics.slots.set(self._taken)
        return Slot(self._release_slot)

    def seconds_until_free(self) -> int:
        """Return how long the jobs that run and wait will take, from the mean duration of jobs; at least 1 second."""
        now = self._clock()
        running = sum(self._seconds_left(now - started) for started in self._running.values())
        waiting = (self._taken - (len(self._running) - self._running_batches)) * self._mean_seconds
        return max(1, math.ceil((running + waiting) / self._settings.jobs))

    def seconds_for(self, sounds: int) -> int:
        """Return how long so many jobs will take, from the mean duration of jobs; at least 1 second."""
        return max(1, math.ceil(sounds * self._mean_seconds / self._settings.jobs))

    def _seconds_left(self, seconds: float) -> float:
        """Estimate how long a job will still run that has run for some seconds.

        A job that has outlasted the mean is expected to take as long again, up to its time limit.
        """
        left = self._mean_seconds - seconds if seconds < self._mean_seconds else seconds
        return max(0.0, min(left, self._settings.time_limit_seconds - seconds))

    async def run(self, job: SoundJob, on_message: OnMessage) -> None:
        """Wait for a free process and do a job, for which a slot is held; afterwards the result is in the job's file.

        `on_message` gets the job's place in the queue and its progress. Cancelling this removes the job from the queue,
        or kills the process that does it. Raises ProblemError if the job fails.
        """
        await self._do(job, await self._free_process(self._waiting, on_message), on_message)

    async def run_of_batch(self, job: SoundJob) -> None:
        """Do a job of a batch as `run` does, without a slot, once a process is free for which no request waits."""
        process = await self._free_process(self._waiting_batches, ignore_messages)
        self._running_batches += 1
        try:
            await self._do(job, process, ignore_messages)
        finally:
            self._running_batches -= 1

    async def _do(self, job: SoundJob, process: JobProcess, on_message: OnMessage) -> None:
        """Do a job with a process, and give the process back."""
        self._metrics.running.inc()
        started, starts = self._clock(), process.starts
        work = asyncio.create_task(process.work(job, on_message))
        self._running[work] = started
        outcome = "cancelled"
        try:
            sound_seconds = await work
            outcome = "done"
            self._metrics.sound_seconds.inc(sound_seconds)
        except ProblemError as error:
            outcome = error.problem.kind
            raise
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if self._ending and task is not None and not task.cancelling():  # `drain` has cancelled the work alone
                raise _ending() from error
            raise
        finally:
            seconds = self._clock() - started
            self._running.pop(work, None)
            self._mean_seconds += WEIGHT_OF_LAST * (seconds - self._mean_seconds)
            self._metrics.running.dec()
            self._metrics.jobs.labels(job.want, outcome).inc()
            self._metrics.job_seconds.labels(job.want).observe(seconds)
            self._metrics.restarts.inc(process.starts - starts)
            self._give_back(process)

    async def _free_process(
        self, waiting: deque[tuple[asyncio.Future[JobProcess], OnMessage]], on_message: OnMessage
    ) -> JobProcess:
        """Return an idle process, or wait for one among the requests or the batches."""
        if self._ending:
            raise _ending()
        if self._idle:
            return self._idle.popleft()
        free: asyncio.Future[JobProcess] = asyncio.get_running_loop().create_future()
        waiting.append((free, on_message))
        self._metrics.waiting.set(len(self._waiting))
        on_message(JobWaiting(len(waiting) - 1))
        try:
            return await free
        except asyncio.CancelledError:
            if (free, on_message) in waiting:
                waiting.remove((free, on_message))
                self._report_waiting()
            elif free.done() and not free.cancelled() and free.exception() is None:
                self._give_back(free.result())
            raise

    def _give_back(self, process: JobProcess) -> None:
        """Give a process to the request that has waited longest, or else to a batch, or else keep it."""
        while self._waiting:
            free, _ = self._waiting.popleft()
            if not free.done():  # A request that was cancelled stays in the queue until its task runs.
                free.set_result(process)
                self._report_waiting()
                return
        while self._waiting_batches:
            free, _ = self._waiting_batches.popleft()
            if not free.done():
                free.set_result(process)
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


def _ending() -> ProblemError:
    """Return the error of a job that a server does not do because it is ending (503)."""
    return ProblemError(problems.ENDING, problems.SOON)


def _environment() -> dict[str, str]:
    """Return the environment of worker processes: the server's without its options, and one thread for each process."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(OWN_VARIABLES)}
    return {**kept, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
