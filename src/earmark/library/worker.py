"""One worker: it identifies files and listens to them, within its limits, and answers instead of failing."""

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
from earmark.library.jobs import Broken, Changed, Exceeded, Identified, Job, Outage, Outcome, Setup, Stamp, Vanished
from earmark.tagging.tagger import Tagger
from earmark.workers.limits import MemoryLimit

NICENESS = 10
TIMES_ALONE = 2
"""The memory that a worker may take for a job that is tried alone."""
READ_BYTES = 1 << 20
Readable = str | BinaryIO
"""A path of this machine, or the content of an address."""
_NAMES = (
    "EIO ENXIO ENODEV ESTALE ENOTCONN ETIMEDOUT EHOSTDOWN EHOSTUNREACH ENETDOWN ENETUNREACH ECONNRESET ECONNREFUSED "
    "ECONNABORTED ESHUTDOWN EREMOTEIO ENOLINK ENOMEDIUM"
)
OF_STORAGE = frozenset(getattr(errno, name) for name in _NAMES.split() if hasattr(errno, name))
"""Errors of what a file lies on: a disk, or a network."""
OF_MACHINE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE})
"""Errors of the machine that a worker works on, such as no room for temporary files."""


class Worker:
    """Works on one job at a time, in a process that may be killed at any moment."""

    def __init__(self, setup: Setup) -> None:
        """Load the model and put the process within its limits."""
        self._setup = setup
        self._tagger = Tagger(setup.bundle)
        _refuse_no_decoders()  # what they load counts before the limit, not as a file's
        if setup.low_priority and hasattr(os, "nice"):
            os.nice(NICENESS)
        self._memory = MemoryLimit(setup.limits.memory_megabytes)

    def work(self, job: Job) -> Outcome:
        """Do a job; what goes wrong with the file is the outcome."""
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
        if not _is_as_it_was(job):
            return _unreachable(job.path) or Changed()
        outcome = self._work(job, job.path)
        if not _is_as_it_was(job):
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
    """Make the worker of a worker process: pickled Setup, then pickled jobs in and outcomes out."""
    del tell  # a file is done soon enough
    worker = Worker(pickle.loads(setup))
    return lambda job: pickle.dumps(worker.work(pickle.loads(job)))


def _refuse_no_decoders() -> None:
    """Raise LibraryError where a library that decodes cannot be loaded: then every file would look broken."""
    for check in check_decoders():
        if "cannot be loaded" in check.fault:
            raise LibraryError(f"{check.name}: {check.fault}")


def _from_start(sound: Readable) -> Readable:
    """A path as it is, a file from its start."""
    if not isinstance(sound, str):
        sound.seek(0)
    return sound


def _header_seconds(sound: Readable) -> float | None:
    try:
        return header_duration_seconds(_from_start(sound))
    except EarmarkError:  # what is wrong with it is told when it is read, and may be nothing
        return None


def _is_as_it_was(job: Job) -> bool:
    try:
        found = os.stat(job.path)  # noqa: PTH116 (a name may be no text)
    except (OSError, ValueError):
        return False
    return Stamp(found.st_size, found.st_mtime_ns) == job.stamp


def _reachable(job: Job, error: EarmarkError, was_fetched: bool) -> Outcome | None:
    """Say that it was not the file that failed, but what it lies on or this machine; None where it was the file."""
    causes = list(_causes(error))
    reason = reason_without_name(error)
    # Not those of decoders, which use the same numbers for sound that is broken.
    numbers = {each.errno for each in causes if isinstance(each, OSError) and type(each).__module__ == "builtins"}
    if numbers & OF_MACHINE or any(isinstance(each, ImportError) for each in causes):
        return Outage(reason, of_storage=False)
    if numbers & OF_STORAGE:
        return Outage(reason, of_storage=True)
    if not remote.is_remote(job.path):
        return _unreachable(job.path) or _unreadable(job.path)
    if was_fetched:
        return None
    if any(isinstance(each, FileNotFoundError) for each in causes):
        return Vanished("No such file or directory")
    of_file = any(isinstance(each, PermissionError | IsADirectoryError | ValueError) for each in causes)
    return None if of_file else Outage(reason, of_storage=True)


def _unreachable(path: str) -> Vanished | Outage | None:
    """Say that a file on this machine's disks is gone, or that what it lies on does not answer; else None."""
    try:
        os.stat(path)  # noqa: PTH116
    except ValueError as error:
        return Vanished(str(error))
    except OSError as error:
        reason = error.strerror or str(error)
        return Outage(reason, of_storage=True) if error.errno in OF_STORAGE else Vanished(reason)
    return None


def _unreadable(path: str) -> Outage | None:
    """Read a file to its end, as decoders do not tell bad sound from a disk that fails."""
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
    """An error and what it came from."""
    while error is not None:
        yield error
        error = error.__cause__


def _is_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
