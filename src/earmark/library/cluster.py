"""The Ray engine (extra: cluster): the same job on many machines that see the same files.

Every worker is an actor with the model loaded once. An actor that dies, with its machine or by itself, is replaced
where there is room, and what it was at comes back as Lost, to be tried again; results go back to the one process that
writes the library, so that no row can be lost or doubled.
"""

import importlib
import os
import platform
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from earmark.errors import LibraryError, MissingExtraError
from earmark.library.jobs import Broken, Exceeded, Job, Lost, Outcome, Setup
from earmark.library.worker import Worker
from earmark.library.workers import not_done

WAITING_A_WORKER = 1
LOOK_SECONDS = 1.0
"""How often time limits are looked at."""
ANSWER_SECONDS = 10.0
FAILED_STARTS_A_WORKER = 3
"""In a row; then the machines lack something that no further try will bring."""


class Listener:
    """An actor: a worker, and a method that says that it is there."""

    def __init__(self, setup: Setup) -> None:
        self._worker = Worker(setup)

    def started(self) -> str:
        """Where it works."""
        return platform.node()

    def work(self, job: Job) -> Outcome:
        """Do a job."""
        return self._worker.work(job)


@dataclass(frozen=True)
class _UnderWay:
    job: Job
    actor: Any
    allowed_seconds: float
    until: float


class RayEngine:
    """Workers on a Ray cluster; see `Engine`. The folder of a path has to be the same on all machines."""

    def __init__(self, setup: Setup, jobs: int | None = None, address: str | None = None) -> None:
        """Connect to a cluster and start workers.

        jobs: how many; without it one a processor of the cluster. address: of the cluster; without it the one that
        RAY_ADDRESS names, or else one on this machine alone.

        Raises MissingExtraError without Ray, LibraryError where there is no cluster at the address.
        """
        self._ray = _ray()
        self._connected = not self._ray.is_initialized()
        if self._connected:
            self._connect(address)
        self._jobs = max(1, int(self._ray.cluster_resources().get("CPU", 1))) if jobs is None else jobs
        if self._jobs < 1:
            raise LibraryError(f"jobs: found {jobs}, expected at least 1. Ask for one worker or more.")
        self.capacity = self._jobs * (1 + WAITING_A_WORKER)
        self._setup = self._ray.put(setup)
        # No restarts by Ray: it would do a job again of which nobody knows how it ended.
        self._kind = self._ray.remote(num_cpus=1, max_restarts=0)(Listener)
        self._waiting: deque[tuple[Job, float]] = deque()
        self._starting: dict[Any, Any] = {}
        """Actors by the answer that is awaited from each."""
        self._idle: list[Any] = []
        self._busy: dict[Any, _UnderWay] = {}
        self._failed_starts = 0
        for _ in range(self._jobs):
            self._start()

    def submit(self, job: Job, allowed_seconds: float) -> None:
        """Start a job as soon as a worker is free."""
        self._waiting.append((job, allowed_seconds))
        self._assign()

    def wait(self) -> tuple[Job, Outcome]:
        """The next job that is done."""
        if not self._waiting and not self._busy:
            raise LibraryError("wait: found no job under way, expected at least one. Submit one first.")
        while True:
            self._assign()
            done, _ = self._ray.wait([*self._busy, *self._starting], num_returns=1, timeout=LOOK_SECONDS)
            if done and done[0] in self._starting:
                self._welcome(done[0])
            elif done:
                return self._finish(done[0])
            late = next((ref for ref, each in self._busy.items() if time.monotonic() > each.until), None)
            if late is not None:
                return self._give_up(late)

    def close(self) -> None:
        """Stop all workers, and leave the cluster where this engine had joined it."""
        for actor in [*self._starting.values(), *self._idle, *(each.actor for each in self._busy.values())]:
            self._ray.kill(actor)
        if self._connected:
            self._ray.shutdown()

    def _connect(self, address: str | None) -> None:
        # Choice: nobody is told that Ray is used; its own default is to tell its makers.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            _refuse_silence(address)
            self._ray.init(address=address, include_dashboard=None if address else False, log_to_driver=False)
        except (OSError, RuntimeError, ValueError, self._ray.exceptions.RayError) as error:
            raise LibraryError(
                f"{address or 'Ray'}: no cluster can be reached ({error}). Start one with `ray start --head`, and give "
                "its address with --address."
            ) from error

    def _start(self) -> None:
        actor = self._kind.remote(self._setup)
        self._starting[actor.started.remote()] = actor

    def _welcome(self, ref: Any) -> None:
        """Take an actor in that has started, or replace one that could not."""
        actor = self._starting.pop(ref)
        try:
            self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            self._failed_starts += 1
            if self._failed_starts > FAILED_STARTS_A_WORKER * self._jobs:
                raise LibraryError(
                    f"Workers on the cluster ended {self._failed_starts} times before they began "
                    f"({_first_line(error)}). Check that earmark is installed on every machine, in the same version."
                ) from error
            self._start()
            return
        self._failed_starts = 0
        self._idle.append(actor)

    def _assign(self) -> None:
        while self._waiting and self._idle:
            job, allowed_seconds = self._waiting.popleft()
            actor = self._idle.pop()
            until = time.monotonic() + allowed_seconds
            self._busy[actor.work.remote(job)] = _UnderWay(job, actor, allowed_seconds, until)

    def _finish(self, ref: Any) -> tuple[Job, Outcome]:
        under_way = self._busy.pop(ref)
        try:
            outcome: Outcome = self._ray.get(ref)
        except self._ray.exceptions.RayTaskError as error:
            self._idle.append(under_way.actor)
            return under_way.job, Broken(f"the worker failed on it: {_last_line(error)}")
        except self._ray.exceptions.RayError as error:
            self._start()
            return under_way.job, Lost(f"the worker was lost on it ({_first_line(error)})", killed=True)
        self._idle.append(under_way.actor)
        return under_way.job, outcome

    def _give_up(self, ref: Any) -> tuple[Job, Outcome]:
        under_way = self._busy.pop(ref)
        self._ray.kill(under_way.actor)
        self._start()
        return under_way.job, Exceeded(not_done(under_way.allowed_seconds))


def _refuse_silence(address: str | None) -> None:
    """Raise OSError where nobody answers at an address; Ray itself would go on trying for minutes."""
    host, _, port = (address or "").rpartition("//")[2].rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS).close()


def _ray() -> Any:
    # Measured with usearch 2.26 and Ray 2.60: both bring their own C++ library, and with usearch's loaded first Ray's
    # fails on its first regular expression and ends the process. The other way round both work.
    if "usearch" in sys.modules and "ray" not in sys.modules:
        raise LibraryError(
            "Ray cannot be started in this process: found usearch loaded (by `similar`), expected Ray to be first. "
            "Add in a process of its own, or import ray at the start."
        )
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise MissingExtraError("Listening on a cluster", "cluster", "ray") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _last_line(error: Exception) -> str:
    return str(error).strip().rpartition("\n")[2] or type(error).__name__
