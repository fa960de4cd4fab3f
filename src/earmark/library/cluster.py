"""Analyse files on a Ray cluster (extra `cluster`) whose machines see the same files.

Every worker is an actor that loads the model once. An actor that ends, alone or with its machine, is replaced if the
cluster has resources, and its job gets the outcome Lost, to be tried again. One process writes the library, so no row
can be lost or written twice.
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
from earmark.library.jobs import Broken, Exceeded, Job, Lost, Outcome, WorkerSetup
from earmark.library.workers import Worker, time_limit_reason

WAITING_A_WORKER = 1
LOOK_SECONDS = 1.0
"""How often time limits are checked."""
ANSWER_SECONDS = 10.0
FAILED_STARTS_A_WORKER = 3
"""How often each worker may fail to start in a row. More failures mean that the machines lack something."""


class RayWorker:
    """An actor with a worker and a method that shows that the actor has started."""

    def __init__(self, setup: WorkerSetup) -> None:
        self._worker = Worker(setup)

    def started(self) -> str:
        """Return the name of the actor's machine."""
        return platform.node()

    def work(self, job: Job) -> Outcome:
        """Do a job and return its outcome."""
        return self._worker.work(job)


@dataclass(frozen=True)
class _UnderWay:
    job: Job
    actor: Any
    allowed_seconds: float
    until: float


class RayEngine:
    """Runs jobs on a Ray cluster, as an `Engine`. Paths must be the same on all machines."""

    def __init__(self, setup: WorkerSetup, jobs: int | None = None, address: str | None = None) -> None:
        """Connect to a cluster and start workers.

        jobs: the number of workers; default: one for each processor of the cluster. address: the address of the
        cluster; default: the one in RAY_ADDRESS, or a new cluster on this machine.

        Raises:
            MissingExtraError: Ray is not installed.
            LibraryError: there is no cluster at the address.
        """
        self._ray = _ray()
        self._connected = not self._ray.is_initialized()
        if self._connected:
            self._connect(address)
        self._jobs = max(1, int(self._ray.cluster_resources().get("CPU", 1))) if jobs is None else jobs
        if self._jobs < 1:
            raise LibraryError(f"jobs: found {jobs}, expected at least 1. Use one worker or more.")
        self.capacity = self._jobs * (1 + WAITING_A_WORKER)
        self._setup = self._ray.put(setup)
        # Ray must not restart actors, because it would repeat a job whose outcome is unknown.
        self._kind = self._ray.remote(num_cpus=1, max_restarts=0)(RayWorker)
        self._waiting: deque[tuple[Job, float]] = deque()
        self._starting: dict[Any, Any] = {}
        """The actors that start, by the reference to their result."""
        self._idle: list[Any] = []
        self._busy: dict[Any, _UnderWay] = {}
        self._failed_starts = 0
        for _ in range(self._jobs):
            self._start()

    def submit(self, job: Job, allowed_seconds: float) -> None:
        """Queue a job for the next free worker."""
        self._waiting.append((job, allowed_seconds))
        self._assign()

    def wait(self) -> tuple[Job, Outcome]:
        """Wait for the next job that is done, and return it with its outcome.

        Raises:
            LibraryError: no job was submitted.
        """
        if not self._waiting and not self._busy:
            raise LibraryError("wait: found no submitted job, expected at least one. Submit one first.")
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
        """Kill all workers, and leave the cluster if this engine joined it."""
        for actor in [*self._starting.values(), *self._idle, *(each.actor for each in self._busy.values())]:
            self._ray.kill(actor)
        if self._connected:
            self._ray.shutdown()

    def _connect(self, address: str | None) -> None:
        # By default Ray sends usage statistics to its makers; this turns them off.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            _check_connection(address)
            self._ray.init(address=address, include_dashboard=None if address else False, log_to_driver=False)
        except (OSError, RuntimeError, ValueError, self._ray.exceptions.RayError) as error:
            raise LibraryError(
                f"{address or 'Ray'}: no cluster can be reached ({error}). Start one with `ray start --head`, and pass "
                "its address to --address."
            ) from error

    def _start(self) -> None:
        actor = self._kind.remote(self._setup)
        self._starting[actor.started.remote()] = actor

    def _welcome(self, ref: Any) -> None:
        """Use an actor that has started, or replace one that failed to start."""
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
        return under_way.job, Exceeded(time_limit_reason(under_way.allowed_seconds))


def _check_connection(address: str | None) -> None:
    """Raise OSError if nothing answers at an address. Ray itself would try for minutes."""
    host, _, port = (address or "").rpartition("//")[2].rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS).close()


def _ray() -> Any:
    # Measured with usearch 2.26 and Ray 2.60: both include their own C++ library. If usearch is imported first, Ray's
    # first regular expression ends the process. The other order works.
    if "usearch" in sys.modules and "ray" not in sys.modules:
        raise LibraryError(
            "Ray cannot be started in this process: found usearch already imported (by `similar`), expected Ray to be "
            "imported first. Add tracks in another process, or import ray at the start."
        )
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise MissingExtraError("Analysing on a cluster", "cluster", "ray") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _last_line(error: Exception) -> str:
    return str(error).strip().rpartition("\n")[2] or type(error).__name__
