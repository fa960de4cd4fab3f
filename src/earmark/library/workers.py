"""The local engine: disposable worker processes on this machine."""

import os
import pickle

from earmark.errors import LibraryError
from earmark.library.jobs import Exceeded, Job, Lost, Outcome, Setup
from earmark.workers.pool import Pool
from earmark.workers.process import Done, Ended, Late

WAITING_A_WORKER = 1
"""Jobs that wait for each worker, so that none is idle while the library writes."""
FACTORY = "earmark.library.worker:work_of"


class LocalEngine:
    """Worker processes on this machine; see `Engine`, and `earmark.workers` for what happens where one ends."""

    def __init__(self, setup: Setup, jobs: int) -> None:
        """Use up to `jobs` workers; raises LibraryError unless that is at least 1."""
        if jobs < 1:
            raise LibraryError(f"jobs: found {jobs}, expected at least 1. Ask for one worker or more.")
        self.capacity = jobs * (1 + WAITING_A_WORKER)
        self._under_way = 0
        # One thread each, said before they load numpy.
        environment = {"OPENBLAS_NUM_THREADS": "1"} | dict(os.environ)
        self._pool: Pool[Job] = Pool(jobs, FACTORY, pickle.dumps(setup), environment)

    @property
    def process_ids(self) -> list[int]:
        """Of the workers."""
        return self._pool.process_ids

    def submit(self, job: Job, allowed_seconds: float) -> None:
        """Start a job."""
        self._under_way += 1
        self._pool.submit(job, pickle.dumps(job), allowed_seconds)

    def wait(self) -> tuple[Job, Outcome]:
        """The next job that is done; raises WorkerError where no worker can be started."""
        if not self._under_way:
            raise LibraryError("wait: found no job under way, expected at least one. Submit one first.")
        job, answer = self._pool.wait()
        self._under_way -= 1
        match answer:
            case Done():
                outcome: Outcome = pickle.loads(answer.payload)
                return job, outcome
            case Ended():
                return job, Lost(f"the worker process ended on it ({answer.how})", answer.killed)
            case Late():
                return job, Exceeded(not_done(answer.seconds))

    def close(self) -> None:
        """Stop all workers, whatever they do."""
        self._pool.close()


def not_done(allowed_seconds: float) -> str:
    """Why a job was given up."""
    return f"it was not done after {allowed_seconds:.0f} seconds, what a file of its length may take"
