"""Define the jobs of workers, their outcomes, and the protocol of engines that run them."""

from dataclasses import dataclass
from typing import Literal, Protocol

from earmark.library.analysis import Analysis
from earmark.tagging.bundle.bundle import Bundle
from earmark.tagging.windows import OverTimeSettings
from earmark.workers.limits import Limits


@dataclass(frozen=True)
class Stamp:
    """A file's size and modification time. Two files with the same stamp are taken to have the same content."""

    size_bytes: int
    modified_ns: int


@dataclass(frozen=True)
class WorkerSetup:
    """The settings of a worker."""

    bundle: Bundle
    over_time: OverTimeSettings | None
    limits: Limits
    low_priority: bool


@dataclass(frozen=True)
class Job:
    """A file to identify or to analyse.

    stamp: the file's stamp when the job was made; if it differs now, the outcome is Changed. identity: the file's
    identity if it is known; otherwise analysing also identifies it. duration_seconds: the duration in its header, if
    known. alone: whether the file exceeded a limit before; it is then tried alone and may use twice the memory.
    """

    path: str
    stamp: Stamp
    work: Literal["identify", "analyse"]
    identity: str = ""
    duration_seconds: float | None = None
    alone: bool = False


@dataclass(frozen=True)
class Identified:
    """The identity of a file, and the duration in its header, or None if there is none."""

    identity: str
    duration_seconds: float | None


@dataclass(frozen=True)
class Broken:
    """The outcome of a file that cannot be used."""

    reason: str


@dataclass(frozen=True)
class Changed:
    """The outcome of a file that changed while it was read."""


@dataclass(frozen=True)
class Vanished:
    """The outcome of a file that does not exist because it was deleted or renamed, or because its disk is gone."""

    reason: str


@dataclass(frozen=True)
class Outage:
    """The outcome of a job that failed for a reason outside the file, and should be tried later.

    of_storage: whether the file's storage cannot be read; a bad sector can affect one file alone. Otherwise this
    machine lacks something, such as space for temporary files.
    """

    reason: str
    of_storage: bool


@dataclass(frozen=True)
class Exceeded:
    """The outcome of a file that exceeded its memory or time. It is tried again, alone."""

    reason: str


@dataclass(frozen=True)
class Lost:
    """The outcome of a job during which the worker ended. It is tried again.

    killed: whether the worker was killed from outside, which is hardly caused by the file.
    """

    reason: str
    killed: bool = False


Outcome = Identified | Analysis | Broken | Changed | Vanished | Outage | Exceeded | Lost


class Engine(Protocol):
    """Runs jobs on workers and returns their outcomes in the order in which they finish.

    capacity: how many jobs may be submitted at once, including those that wait for a worker.
    """

    capacity: int

    def submit(self, job: Job, allowed_seconds: float) -> None:
        """Submit a job. After that many seconds its worker is killed and its outcome is Exceeded."""

    def wait(self) -> tuple[Job, Outcome]:
        """Wait for the next job that is done. Every job gets exactly one outcome.

        Raises:
            WorkerError: no worker process can be started.
            LibraryError: no job was submitted, or the cluster has no workers.
        """

    def close(self) -> None:
        """Kill all workers."""
