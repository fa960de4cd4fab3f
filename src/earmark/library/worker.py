"""One worker: it identifies files and listens to them, within its limits, and answers instead of failing."""

import os
import sys
from pathlib import Path

from earmark.audio.duration import header_duration_seconds
from earmark.audio.identity import identity
from earmark.errors import DecodeError, EarmarkError, FileError, TrackFileError
from earmark.library import remote
from earmark.library.analysis import analysis_of
from earmark.library.jobs import Broken, Changed, Identified, Job, Outcome, Setup, Stamp, Vanished
from earmark.tagging.tagger import Tagger

NICENESS = 10


class Worker:
    """Works on one job at a time, in a process that may be killed at any moment."""

    def __init__(self, setup: Setup) -> None:
        """Load the model and put the process within its limits."""
        self._setup = setup
        self._tagger = Tagger(setup.bundle)
        if setup.low_priority and hasattr(os, "nice"):
            os.nice(NICENESS)
        limit_memory(setup.limits.memory_megabytes)

    def work(self, job: Job) -> Outcome:
        """Do a job; what goes wrong with the file is the outcome."""
        try:
            with remote.fetched(job.path) as path:
                return self._work(job, path)
        except MemoryError:
            megabytes = self._setup.limits.memory_megabytes
            return Broken(f"it needs more memory than the {megabytes} MB that a worker may take")
        except EarmarkError as error:
            vanished = _vanished(job.path)
            return vanished if vanished is not None else Broken(_reason_of(error))

    def _work(self, job: Job, path: str) -> Outcome:
        local = path == job.path
        if local and not _is_as_it_was(job):
            return _vanished(path) or Changed()
        outcome = self._identify(path) if job.work == "identify" else self._listen(job, path)
        if local and not _is_as_it_was(job):
            return _vanished(path) or Changed()
        return outcome

    def _identify(self, path: str) -> Identified | Broken:
        duration_seconds = _header_seconds(path)
        if duration_seconds is not None and (reason := self._setup.limits.too_long(duration_seconds)):
            return Broken(reason)
        return Identified(identity(path), duration_seconds)

    def _listen(self, job: Job, path: str) -> Outcome:
        name = job.identity
        if not name:
            identified = self._identify(path)
            if isinstance(identified, Broken):
                return identified
            name = identified.identity
        return analysis_of(name, self._tagger.tag(path, over_time=self._setup.over_time))


def limit_memory(megabytes: int) -> None:
    """Let this process take that much address space beyond what it has now; on Linux, as others do not hold to it."""
    if sys.platform != "linux":
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    wanted = pages * os.sysconf("SC_PAGE_SIZE") + megabytes * 1_000_000
    _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _header_seconds(path: str) -> float | None:
    try:
        return header_duration_seconds(path)
    except EarmarkError:  # what is wrong with it is told when it is read, and may be nothing
        return None


def _is_as_it_was(job: Job) -> bool:
    try:
        found = os.stat(job.path)  # noqa: PTH116 (a name may be no text)
    except (OSError, ValueError):
        return False
    return Stamp(found.st_size, found.st_mtime_ns) == job.stamp


def _vanished(path: str) -> Vanished | None:
    """Say that a file cannot be reached, or None where it can."""
    if remote.is_remote(path):
        return None
    try:
        os.stat(path)  # noqa: PTH116
    except (OSError, ValueError) as error:
        return Vanished(getattr(error, "strerror", None) or str(error))
    return None


def _reason_of(error: EarmarkError) -> str:
    """What is wrong with a file, without the file's name, which is kept beside it."""
    return error.reason if isinstance(error, DecodeError | FileError | TrackFileError) else str(error)
