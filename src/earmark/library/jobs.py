"""Define the jobs of workers, their outcomes, their limits, and the protocol of engines that run them."""

from dataclasses import dataclass
from typing import Literal, Protocol

from earmark.library.analysis import Analysis
from earmark.tagging.bundle.bundle import Bundle
from earmark.tagging.windows import OverTimeSettings

BYTES_A_SECOND_AT_LEAST = 1_000
"""The lowest bit rate, 8 kb/s, which gives the longest duration of a file whose header has none."""
READ_BYTES_A_SECOND = 1_000_000
"""The speed of a slow network, which gives the time that reading a file may take."""


@dataclass(frozen=True)
class Stamp:
    """A file's size and modification time. Two files with the same stamp are taken to have the same content."""

    size_bytes: int
    modified_ns: int


@dataclass(frozen=True)
class Limits:
    """The limits of the work on one file.

    seconds: the time for any file. seconds_a_second: the additional time for each second of its duration.
    longest_hours: the longest duration that a file may have. memory_megabytes: the memory that a worker may use beyond
    what it uses when its model is loaded.
    """

    seconds: float = 60.0
    seconds_a_second: float = 0.5
    longest_hours: float = 24.0
    memory_megabytes: int = 2_048

    def allowed_seconds(self, stamp: Stamp, duration_seconds: float | None) -> float:
        """Return how long the work on a file may take, by its duration, or by its size if the duration is None."""
        guessed = min(stamp.size_bytes / BYTES_A_SECOND_AT_LEAST, self.longest_hours * 3600)
        length = guessed if duration_seconds is None else duration_seconds
        return self.seconds + self.seconds_a_second * length + stamp.size_bytes / READ_BYTES_A_SECOND

    def too_long(self, duration_seconds: float) -> str:
        """Return why a file with this duration in its header is refused, or an empty text."""
        if duration_seconds <= self.longest_hours * 3600:
            return ""
        return (
            f"its header claims {duration_seconds / 3600:.1f} hours; at most {self.longest_hours:g} hours are allowed"
        )


USUAL_LIMITS = Limits()


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
