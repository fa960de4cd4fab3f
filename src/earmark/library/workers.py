"""The local engine: disposable worker processes on this machine, behind a foreman."""

import contextlib
import itertools
import os
import pickle
import subprocess
import sys
from typing import IO

from earmark.errors import LibraryError
from earmark.library.jobs import Job, Lost, Outcome, Setup

WAITING_A_WORKER = 1
"""Jobs that wait for each worker, so that none is idle while the library writes."""
RESTARTS_AT_MOST = 3
STOP_SECONDS = 20


class LocalEngine:
    """Worker processes on this machine; see `Engine`."""

    def __init__(self, setup: Setup, jobs: int) -> None:
        """Start `jobs` workers; raises LibraryError unless that is at least 1."""
        if jobs < 1:
            raise LibraryError(f"jobs: found {jobs}, expected at least 1. Ask for one worker or more.")
        self.capacity = jobs * (1 + WAITING_A_WORKER)
        self._jobs = jobs
        self._setup = pickle.dumps(pickle.dumps(setup))  # twice: the foreman hands it on as it is
        self._numbers = itertools.count()
        self._under_way: dict[int, Job] = {}
        self._lost: list[Job] = []
        self._restarts = 0
        self._foreman = self._start()

    @property
    def process_id(self) -> int:
        """The foreman's."""
        return self._foreman.pid

    def submit(self, job: Job, allowed_seconds: float) -> None:
        """Start a job."""
        number = next(self._numbers)
        self._under_way[number] = job
        with contextlib.suppress(OSError):  # the foreman has ended: `wait` finds out and starts another
            jobs = _there(self._foreman.stdin)
            jobs.write(pickle.dumps((number, job, allowed_seconds)))
            jobs.flush()

    def wait(self) -> tuple[Job, Outcome]:
        """The next job that is done."""
        if not self._lost and not self._under_way:
            raise LibraryError("wait: found no job under way, expected at least one. Submit one first.")
        if not self._lost:
            try:
                number, outcome = pickle.load(_there(self._foreman.stdout))
                return self._under_way.pop(number), outcome
            except (EOFError, pickle.UnpicklingError):
                self._restart()
        return self._lost.pop(), Lost("the process that leads the workers ended")

    def close(self) -> None:
        """Stop all workers, whatever they do."""
        for pipe in (self._foreman.stdin, self._foreman.stdout):
            with contextlib.suppress(OSError):  # its reader may be gone
                _there(pipe).close()
        try:
            self._foreman.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._foreman.kill()
            self._foreman.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "earmark.library.foreman", str(self._jobs)]
        # In a session of its own: Ctrl-C is for the library, which then stops it.
        foreman = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=os.name == "posix"
        )
        with contextlib.suppress(OSError):  # it ended at once: `wait` tells
            _there(foreman.stdin).write(self._setup)
        return foreman

    def _restart(self) -> None:
        """Give up what was under way as lost, and start another foreman."""
        code = self._foreman.poll()
        self.close()
        self._restarts += 1
        if self._restarts > RESTARTS_AT_MOST:
            raise LibraryError(
                f"The process that leads the workers ended {self._restarts} times, last with exit code {code}; "
                "expected it to last. What it said stands above; what was done before is kept."
            )
        self._lost = list(self._under_way.values())
        self._under_way.clear()
        self._foreman = self._start()


def _there(pipe: IO[bytes] | None) -> IO[bytes]:
    """A pipe that was asked for."""
    if pipe is None:
        raise LibraryError("The process that leads the workers has no pipe; expected one. Start it again.")
    return pipe
