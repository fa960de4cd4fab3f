"""Analyse files in disposable worker processes on this machine.

`LocalEngine` runs in the library's process. `Worker` runs in each worker process, and also on a cluster's machines.
"""

import errno
import os
import pickle
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from earmark.audio.decoders import check_decoders
from earmark.audio.duration import header_duration_seconds
from earmark.audio.identity import identity
from earmark.errors import EarmarkError, LibraryError
from earmark.file_errors import file_errors, reason_without_name
from earmark.library import remote
from earmark.library.analysis import analysis_of
from earmark.library.jobs import (
    Broken,
    Changed,
    Exceeded,
    Identified,
    Job,
    Lost,
    Outage,
    Outcome,
    Stamp,
    Vanished,
    WorkerSetup,
)
from earmark.tagging.tagger import Tagger
from earmark.workers.limits import MemoryLimit
from earmark.workers.pool import Pool, available_processors
from earmark.workers.process import Done, Ended, Late

NICENESS = 10
TIMES_ALONE = 2
"""The memory that a worker may use for a job that is tried alone, as a multiple of the limit."""
READ_BYTES = 1 << 20
Readable = str | BinaryIO
"""The path of a local file, or an open temporary file with the content of an address."""
_NAMES = (
    "EIO ENXIO ENODEV ESTALE ENOTCONN ETIMEDOUT EHOSTDOWN EHOSTUNREACH ENETDOWN ENETUNREACH ECONNRESET ECONNREFUSED "
    "ECONNABORTED ESHUTDOWN EREMOTEIO ENOLINK ENOMEDIUM"
)
OF_STORAGE = frozenset(getattr(errno, name) for name in _NAMES.split() if hasattr(errno, name))
"""Errors of the storage of a file, such as a disk or a network."""
OF_MACHINE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE})
"""Errors of the machine that runs the worker, such as no space for temporary files."""
WAITING_A_WORKER = 1
"""How many jobs wait for each worker, so that no worker is idle while the library writes."""
FACTORY = "earmark.library.workers:work_of"


class Worker:
    """Does one job at a time, in a process that may be killed at any moment."""

    def __init__(self, setup: WorkerSetup) -> None:
        """Load the model and limit the memory of the process."""
        self._setup = setup
        self._tagger = Tagger(setup.bundle)
        _require_decoders()  # This loads them before the limit is set, so that their memory does not count.
        if setup.low_priority and hasattr(os, "nice"):
            os.nice(NICENESS)
        self._memory = MemoryLimit(setup.limits.memory_megabytes)

    def work(self, job: Job) -> Outcome:
        """Do a job and return its outcome. Errors of the file are outcomes, not exceptions."""
        times = TIMES_ALONE if job.alone else 1
        less_megabytes = self._memory.allow(times)
        was_fetched = False
        try:
            with file_errors(job.path):
                if not remote.is_remote(job.path):
                    return self._work_here(job)
                with remote.fetched(job.path) as copy:
                    was_fetched = True
                    return self._work(job, copy)
        except EarmarkError as error:
            if any(_is_memory(each) for each in _causes(error)):
                if less_megabytes is not None:
                    return Outage(f"this process may take {less_megabytes} MB more, and that is not enough", False)
                megabytes = times * self._setup.limits.memory_megabytes
                return Exceeded(f"it needs more memory than the {megabytes} MB that a worker may take")
            return _reachable(job, error, was_fetched) or Broken(reason_without_name(error))

    def _work_here(self, job: Job) -> Outcome:
        if not _is_unchanged(job):
            return _unreachable(job.path) or Changed()
        outcome = self._work(job, job.path)
        if not _is_unchanged(job):
            return _unreachable(job.path) or Changed()
        return outcome

    def _work(self, job: Job, sound: Readable) -> Outcome:
        return self._identify(sound) if job.work == "identify" else self._listen(job, sound)

    def _identify(self, sound: Readable) -> Identified | Broken:
        duration_seconds = _header_seconds(sound)
        if duration_seconds is not None and (reason := self._setup.limits.too_long(duration_seconds)):
            return Broken(reason)
        return Identified(identity(_from_start(sound)), duration_seconds)

    def _listen(self, job: Job, sound: Readable) -> Outcome:
        name = job.identity
        if not name:
            identified = self._identify(sound)
            if isinstance(identified, Broken):
                return identified
            name = identified.identity
        return analysis_of(name, self._tagger.tag(_from_start(sound), over_time=self._setup.over_time))


def work_of(setup: bytes, tell: Callable[[bytes], None]) -> Callable[[bytes], bytes]:
    """Return the function of a worker process, which takes a pickled Job and returns a pickled Outcome.

    setup: a pickled WorkerSetup.
    """
    del tell  # Nobody waits for the progress within a file.
    worker = Worker(pickle.loads(setup))
    return lambda job: pickle.dumps(worker.work(pickle.loads(job)))


class LocalEngine:
    """Runs jobs in worker processes on this machine, as an `Engine`.

    `earmark.workers` describes what happens when a worker process ends.
    """

    def __init__(self, setup: WorkerSetup, jobs: int | None = None) -> None:
        """Use up to `jobs` workers; default: one for each available processor.

        Raises:
            LibraryError: `jobs` is less than 1.
        """
        jobs = available_processors() if jobs is None else jobs
        if jobs < 1:
            raise LibraryError(f"jobs: found {jobs}, expected at least 1. Use one worker or more.")
        self.capacity = jobs * (1 + WAITING_A_WORKER)
        self._under_way = 0
        # One thread in each process. The variable must be set before a process imports numpy.
        environment = {"OPENBLAS_NUM_THREADS": "1"} | dict(os.environ)
        self._pool: Pool[Job] = Pool(jobs, FACTORY, pickle.dumps(setup), environment)

    @property
    def process_ids(self) -> list[int]:
        """The process ids of the workers."""
        return self._pool.process_ids

    def submit(self, job: Job, allowed_seconds: float) -> None:
        """Start a job."""
        self._under_way += 1
        self._pool.submit(job, pickle.dumps(job), allowed_seconds)

    def wait(self) -> tuple[Job, Outcome]:
        """Wait for the next job that is done, and return it with its outcome.

        Raises:
            LibraryError: no job was submitted.
            WorkerError: no worker can be started.
        """
        if not self._under_way:
            raise LibraryError("wait: found no submitted job, expected at least one. Submit one first.")
        job, answer = self._pool.wait()
        self._under_way -= 1
        match answer:
            case Done():
                outcome: Outcome = pickle.loads(answer.payload)
                return job, outcome
            case Ended():
                return job, Lost(f"the worker process ended on it ({answer.how})", answer.killed)
            case Late():
                return job, Exceeded(time_limit_reason(answer.seconds))

    def close(self) -> None:
        """Kill all workers."""
        self._pool.close()


def time_limit_reason(allowed_seconds: float) -> str:
    """Return the reason of a job that exceeded its time."""
    return f"it was not done after {allowed_seconds:.0f} seconds, the limit for a file of its length"


def _require_decoders() -> None:
    """Raise LibraryError if a decoding library cannot be loaded, because every file would then appear broken."""
    for check in check_decoders():
        if "cannot be loaded" in check.fault:
            raise LibraryError(f"{check.name}: {check.fault}")


def _from_start(sound: Readable) -> Readable:
    """Return a path unchanged, or a file after moving it to its start."""
    if not isinstance(sound, str):
        sound.seek(0)
    return sound


def _header_seconds(sound: Readable) -> float | None:
    try:
        return header_duration_seconds(_from_start(sound))
    except EarmarkError:  # Reading the file raises its error, if it has one.
        return None


def _is_unchanged(job: Job) -> bool:
    try:
        found = os.stat(job.path)  # noqa: PTH116 (a name may be no text)
    except (OSError, ValueError):
        return False
    return Stamp(found.st_size, found.st_mtime_ns) == job.stamp


def _reachable(job: Job, error: EarmarkError, was_fetched: bool) -> Outcome | None:
    """Return the outcome if the storage or this machine failed, or None if the file itself is broken."""
    causes = list(_causes(error))
    reason = reason_without_name(error)
    # Decoders use the same error numbers for broken sound, so only Python's own errors count.
    numbers = {each.errno for each in causes if isinstance(each, OSError) and type(each).__module__ == "builtins"}
    if numbers & OF_MACHINE or any(isinstance(each, ImportError) for each in causes):
        return Outage(reason, of_storage=False)
    if numbers & OF_STORAGE:
        return Outage(reason, of_storage=True)
    if not remote.is_remote(job.path):
        return _unreachable(job.path) or _unreadable(job.path)
    if was_fetched:  # The storage works.
        return None
    if any(isinstance(each, FileNotFoundError) for each in causes):
        return Vanished("No such file or directory")
    of_file = any(isinstance(each, PermissionError | IsADirectoryError | ValueError) for each in causes)
    return None if of_file else Outage(reason, of_storage=True)


def _unreachable(path: str) -> Vanished | Outage | None:
    """Return Vanished if a local file is gone, Outage if its storage does not respond, and None otherwise."""
    try:
        os.stat(path)  # noqa: PTH116
    except ValueError as error:
        return Vanished(str(error))
    except OSError as error:
        reason = error.strerror or str(error)
        return Outage(reason, of_storage=True) if error.errno in OF_STORAGE else Vanished(reason)
    return None


def _unreadable(path: str) -> Outage | None:
    """Read a file to its end, because decoders report a failing disk as broken sound; return Outage if it fails."""
    try:
        with Path(path).open("rb", buffering=0) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            while file.read(READ_BYTES):
                pass
    except OSError as error:
        return Outage(error.strerror or str(error), of_storage=True) if error.errno in OF_STORAGE else None
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its causes."""
    while error is not None:
        yield error
        error = error.__cause__


def _is_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
