"""What goes through a worker's pipes: frames, each of a kind, with a payload that only caller and worker understand."""

import struct
from typing import BinaryIO, Literal, NamedTuple

Kind = Literal["setup", "job", "ready", "unusable", "begun", "progress", "done"]
"""setup and job go to the worker. ready: it waits for jobs. unusable: it cannot start; the payload is the reason as
UTF-8. begun: it has read a job. progress and done: what it says of the job."""

MARK = b"\0earmark: frames begin here\0"
"""What a worker writes before its first frame: what stands before it was printed by others while Python started."""
KINDS: tuple[Kind, ...] = ("setup", "job", "ready", "unusable", "begun", "progress", "done")
HEAD = struct.Struct("<BxxxId")
"""The place of the kind in KINDS, the length of the payload in bytes, and the seconds that a job is allowed."""


class Frame(NamedTuple):
    """One message; `seconds` is of a job alone."""

    kind: Kind
    payload: bytes = b""
    seconds: float = 0.0

    def to_bytes(self) -> bytes:
        """The frame as it goes through a pipe."""
        return HEAD.pack(KINDS.index(self.kind), len(self.payload), self.seconds) + self.payload


def head_from_bytes(head: bytes) -> tuple[Kind, int, float]:
    """A frame's kind, the length of its payload, and its seconds; raises ValueError for a kind that is not known."""
    place, length_bytes, seconds = HEAD.unpack(head)
    if place >= len(KINDS):
        raise ValueError(f"frame: found kind {place}, expected one below {len(KINDS)}")
    return KINDS[place], length_bytes, seconds


def read_frame(pipe: BinaryIO) -> Frame | None:
    """Read the next frame from a pipe; None at its end."""
    head = pipe.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    kind, length_bytes, seconds = head_from_bytes(head)
    payload = pipe.read(length_bytes)
    return Frame(kind, payload, seconds) if len(payload) == length_bytes else None
