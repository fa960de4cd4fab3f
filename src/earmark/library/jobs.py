"""What is asked of a worker, what it answers, and what every engine of workers can do."""

from dataclasses import dataclass
from typing import Literal, Protocol

from earmark.library.analysis import Analysis
from earmark.tagging.bundle.bundle import Bundle
from earmark.tagging.windows import OverTimeSettings

BYTES_A_SECOND_AT_LEAST = 1_000
"""Of sound, 8 kb/s: how long a file can be whose header does not tell."""
READ_BYTES_A_SECOND = 1_000_000
"""Of a slow network: how long reading a file may take."""


@dataclass(frozen=True)
class Stamp:
    """What a folder says of a file without opening it; the same stamp is taken to mean the same content."""

    size_bytes: int
    modified_ns: int


@dataclass(frozen=True)
class Limits:
    """What one file may take before it is given up.

    seconds: for any file. seconds_a_second: besides, for each second that its header says it lasts. longest_hours:
    what a header may claim. memory_megabytes: what a worker may take beyond what it has when its model is loaded.
    """

    seconds: float = 60.0
    seconds_a_second: float = 0.5
    longest_hours: float = 24.0
    memory_megabytes: int = 2_048

    def allowed_seconds(self, stamp: Stamp, duration_seconds: float | None) -> float:
        """How long work on a file may take, by the length its header tells (None: by its size)."""
        guessed = min(stamp.size_bytes / BYTES_A_SECOND_AT_LEAST, self.longest_hours * 3600)
        length = guessed if duration_seconds is None else duration_seconds
        return self.seconds + self.seconds_a_second * length + stamp.size_bytes / READ_BYTES_A_SECOND

    def too_long(self, duration_seconds: float) -> str:
        """Why a file whose header tells this length is not listened to; empty where it is."""
        if duration_seconds <= self.longest_hours * 3600:
            return ""
        return (
            f"its header claims {duration_seconds / 3600:.1f} hours; at most {self.longest_hours:g} hours are "
            "listened to"
        )


USUAL_LIMITS = Limits()


@dataclass(frozen=True)
class Setup:
    """What a worker needs to know before its first job."""

    bundle: Bundle
    over_time: OverTimeSettings | None
    limits: Limits
    low_priority: bool


@dataclass(frozen=True)
class Job:
    """One file to identify, or to listen to.

    stamp: what the file was like when the job was made; the worker answers Changed where it is so no more.
    identity: what it is, where that is known; a worker that listens without it identifies as well. alone: it exceeded
    a limit before, so nothing else is under way now, and it may take twice the memory.
    """

    path: str
    stamp: Stamp
    work: Literal["identify", "listen"]
    identity: str = ""
    duration_seconds: float | None = None
    alone: bool = False


@dataclass(frozen=True)
class Identified:
    """A file's identity, and how long its header says that it is, None where it does not."""

    identity: str
    duration_seconds: float | None


@dataclass(frozen=True)
class Broken:
    """A file that cannot be used, and why."""

    reason: str


@dataclass(frozen=True)
class Changed:
    """A file that was written to while it was read."""


@dataclass(frozen=True)
class Vanished:
    """A file that is not there: deleted, renamed, or its disk is gone."""

    reason: str


@dataclass(frozen=True)
class Outage:
    """A failure that is not the file's: it is to be done once what fails works again.

    of_storage: what the file lies on cannot be read, which may be a bad place on a disk and so concern this file alone.
    Else this machine lacks something, such as room for temporary files.
    """

    reason: str
    of_storage: bool


@dataclass(frozen=True)
class Exceeded:
    """A file that took more memory or time than it may; worth another try, alone."""

    reason: str


@dataclass(frozen=True)
class Lost:
    """A worker that ended on a job, which may be the file's fault or the machine's; worth another try.

    killed: from outside, which is hardly the file's fault.
    """

    reason: str
    killed: bool = False


Outcome = Identified | Analysis | Broken | Changed | Vanished | Outage | Exceeded | Lost


class Engine(Protocol):
    """Workers somewhere: jobs in, outcomes out, in whatever order they are done.

    capacity: how many jobs may be under way, those that wait for a worker included.
    """

    capacity: int

    def submit(self, job: Job, allowed_seconds: float) -> None:
        """Start a job; after that many seconds its worker is killed and the outcome is Exceeded."""

    def wait(self) -> tuple[Job, Outcome]:
        """The next job that is done, of those under way; each is answered exactly once.

        Raises WorkerError or LibraryError where there can be no workers.
        """

    def close(self) -> None:
        """Stop all workers, whatever they do."""
