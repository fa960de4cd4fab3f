"""The process between a library and its workers: `python -m earmark.library.foreman JOBS`, jobs in, outcomes out.

It keeps pebble's pool: of the kept libraries for worker processes the one with a time limit for every single task, that
kills the worker and starts another. concurrent.futures breaks as a whole when one worker dies; loky has no time limits.

It is a process of its own so that a caller's script needs no `if __name__ == "__main__"`, that no thread or signal of
the caller's touches the workers, and that nothing is left behind where the caller is killed: the foreman's input ends,
and it kills its workers and leaves.
"""

import contextlib
import os
import pickle
import sys
from concurrent.futures import TimeoutError as FutureTimeoutError
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO, ClassVar

from pebble import ProcessExpired, ProcessPool

if TYPE_CHECKING:
    from concurrent.futures import Future

    from earmark.library.jobs import Job, Outcome
    from earmark.library.worker import Worker

TASKS_A_WORKER = 1_000
"""After which it is replaced: whatever a decoder leaks ends there."""


class InProcess:
    """The one worker of a worker process, made before its first job."""

    worker: ClassVar["Worker"]


def prepare(setup: bytes) -> None:
    """Make this process's worker; `setup` is a pickled Setup."""
    from earmark.library.worker import Worker

    InProcess.worker = Worker(pickle.loads(setup))
    # From here on every answer is an outcome; what decoders say of broken files besides is of no use to anybody.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def work(job: "Job") -> "Outcome":
    """Do a job in this process."""
    return InProcess.worker.work(job)


class Foreman:
    """Hands jobs to a pool of worker processes and writes an outcome for each, whatever becomes of the worker."""

    def __init__(self, jobs: int, setup: bytes, output: BinaryIO) -> None:
        """`output` takes pickled (number, outcome)."""
        self._jobs, self._setup, self._output = jobs, setup, output
        self._lock = Lock()
        self._pool = self._new_pool()

    def schedule(self, number: int, job: "Job", allowed_seconds: float) -> None:
        """Start a job; its outcome is written when it is done."""
        try:
            future = self._pool.schedule(work, args=(job,), timeout=allowed_seconds)
        except RuntimeError:  # the pool has broken since: another one
            self._pool.stop()  # type: ignore[no-untyped-call]
            self._pool.join()
            self._pool = self._new_pool()
            future = self._pool.schedule(work, args=(job,), timeout=allowed_seconds)
        future.add_done_callback(lambda done: self._tell(number, done, allowed_seconds))

    def stop(self) -> None:
        """Kill all workers."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()

    def _new_pool(self) -> ProcessPool:
        # Spawned, not forked: a fork copies locks that other threads hold.
        return ProcessPool(self._jobs, TASKS_A_WORKER, prepare, (self._setup,), get_context("spawn"))

    def _tell(self, number: int, done: "Future[Outcome]", allowed_seconds: float) -> None:
        if done.cancelled():
            return
        error = done.exception()
        outcome = done.result() if error is None else _outcome_of(error, allowed_seconds)
        # Who cannot be told any more has ended, and then the input ends too.
        with self._lock, contextlib.suppress(OSError):
            self._output.write(pickle.dumps((number, outcome)))
            self._output.flush()


def _outcome_of(error: BaseException, allowed_seconds: float) -> "Outcome":
    from earmark.library.jobs import Broken, Lost

    if isinstance(error, FutureTimeoutError):
        return Broken(f"it was not done after {allowed_seconds:.0f} seconds, what a file of its length may take")
    if isinstance(error, ProcessExpired):
        return Lost(f"the worker process ended on it ({_ended_by(error.exitcode)})")
    if isinstance(error, BrokenProcessPool):
        return Lost(f"the workers ended ({error})")
    return Broken(f"the worker failed on it: {type(error).__name__}: {error}")


def _ended_by(code: int | None) -> str:
    from signal import Signals

    known = {-number.value: number.name for number in Signals}
    return known.get(code or 0, f"exit code {code}")


def main() -> None:
    """Read a pickled Setup and then pickled (number, job, seconds) from stdin until it ends."""
    # The workers must neither read the jobs nor write between the outcomes: both ways get numbers of their own.
    jobs = os.fdopen(os.dup(0), "rb")
    outcomes = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before any worker loads numpy
    foreman = Foreman(int(sys.argv[1]), pickle.load(jobs), outcomes)
    try:
        while True:
            foreman.schedule(*pickle.load(jobs))
    except (EOFError, pickle.UnpicklingError, KeyboardInterrupt):
        foreman.stop()
    # What waits in `outcomes` has no reader any more, and must not be written out at exit.
    os._exit(0)


if __name__ == "__main__":
    main()
