"""What a listener is asked to do, and what it says while it works: one line of JSON each.

JSON, not pickled: whoever takes over a decoder must not be able to say more to the server than this.
"""

import json
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

from pydantic import Discriminator, TypeAdapter

from earmark.tagging.bundle.bundle import Bundle
from earmark.web.problem import Problem

Want = Literal["track", "tag", "embed", "flac"]


@dataclass(frozen=True)
class Setup:
    """What a listener needs before its first order; comes pickled, from the server alone."""

    bundle: Bundle
    memory_megabytes: int


@dataclass(frozen=True)
class Order:
    """One sound to listen to.

    path: of the sound. answer: where the answer is written, as JSON, or as FLAC. name: what the sound is called in it.
    want: all that the page shows, a tagger's answer, a vector, or the sound itself as FLAC. over_time, evidence, top:
    as `/v1/tag` has them. max_minutes: where listening ends; seconds: after which it is given up.
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
        """One line of JSON."""
        return json.dumps(asdict(self)).encode("ascii") + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> "Order":
        """What `to_line` wrote."""
        return cls(**json.loads(line))


@dataclass(frozen=True)
class Progress:
    """How far it is: seconds of sound that went by, of how many as the header says, and as a share, 0 to 1."""

    seconds: float
    of: float | None
    share: float | None
    stage: Literal["decoding"] = "decoding"
    kind: Literal["progress"] = "progress"


@dataclass(frozen=True)
class Done:
    """The answer was written."""

    heard_seconds: float
    kind: Literal["done"] = "done"


@dataclass(frozen=True)
class Failed:
    """The sound cannot be used."""

    problem: Problem
    kind: Literal["failed"] = "failed"


Message = Progress | Done | Failed

_MESSAGES: TypeAdapter[Message] = TypeAdapter(Annotated[Message, Discriminator("kind")])


def line_of(message: Message) -> bytes:
    """One line of JSON."""
    return json.dumps(asdict(message)).encode("ascii") + b"\n"


def message_from_line(line: bytes) -> Message:
    """What `line_of` wrote; raises pydantic's ValidationError for anything else."""
    return _MESSAGES.validate_json(line)
