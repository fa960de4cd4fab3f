"""A job of a worker process, and the messages about it: one line of JSON each.

The messages are JSON and not pickled, because a worker process reads untrusted files: one that is taken over can send
the server nothing but these messages.
"""

import json
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

from pydantic import Discriminator, TypeAdapter

from earmark.tagging.bundle.bundle import Bundle
from earmark.web.problem import Problem

Want = Literal["track", "tag", "embed", "flac"]


@dataclass(frozen=True)
class JobSetup:
    """What a worker process needs before its first job. It is pickled, since it comes from the server itself."""

    bundle: Bundle
    memory_megabytes: int


@dataclass(frozen=True)
class SoundJob:
    """A job on one sound.

    path: the file of the sound. answer: the file that the result is written to, as JSON or as FLAC. name: the name of
    the sound in the result. want: all that the page shows ("track"), the response of `/v1/tag` or of `/v1/embed`, or
    the sound itself as FLAC. max_minutes: the longest sound. seconds: the time limit of the job. over_time, evidence,
    top: as for `/v1/tag`.
    """

    path: str
    answer: str
    name: str
    want: Want
    max_minutes: float
    seconds: float
    over_time: bool = False
    evidence: bool = False
    top: int | None = None

    def to_line(self) -> bytes:
        """Return the job as one line of JSON."""
        return json.dumps(asdict(self)).encode("ascii") + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "SoundJob":
        """Read a job from a line that `to_line` wrote."""
        return cls(**json.loads(line))


@dataclass(frozen=True)
class JobProgress:
    """How far a job is: `seconds` of sound out of `of`, if the header states a length, and the share, 0 to 1."""

    seconds: float
    of: float | None
    share: float | None
    stage: Literal["decoding"] = "decoding"
    kind: Literal["progress"] = "progress"


@dataclass(frozen=True)
class JobDone:
    """The job is done and its result is written; `sound_seconds` is the length of the sound."""

    sound_seconds: float
    kind: Literal["done"] = "done"


@dataclass(frozen=True)
class JobFailed:
    """The job failed with a problem; `log` says more to whoever runs the server, and may name paths."""

    problem: Problem
    log: str = ""
    kind: Literal["failed"] = "failed"


JobMessage = JobProgress | JobDone | JobFailed

_MESSAGES: TypeAdapter[JobMessage] = TypeAdapter(Annotated[JobMessage, Discriminator("kind")])


def message_to_line(message: JobMessage) -> bytes:
    """Return a message as one line of JSON."""
    return json.dumps(asdict(message)).encode("ascii") + b"\n"


def message_from_line(line: bytes) -> JobMessage:
    """Read a message from a line; raise pydantic's ValidationError, a ValueError, for anything else."""
    return _MESSAGES.validate_json(line)
