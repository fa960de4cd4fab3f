"""Frames: the messages in a worker's pipes, each with a kind and a payload that only caller and worker understand."""

import struct
from typing import BinaryIO, Literal, NamedTuple

Kind = Literal["setup", "job", "ready", "unusable", "begun", "progress", "done"]
"""The kinds of frames.

The caller sends setup and job. The worker sends ready when it waits for jobs, unusable when it cannot start (the
payload is the reason in UTF-8), begun when it has read a job, progress during a job, and done with the job's answer.
"""

MARK = b"\0earmark: frames begin here\0"
"""What a worker writes before its first frame. Other code may have printed something before it while Python started."""
KINDS: tuple[Kind, ...] = ("setup", "job", "ready", "unusable", "begun", "progress", "done")
HEAD = struct.Struct("<BxxxId")
"""The index of the kind in KINDS, the length of the payload in bytes, and the seconds that a job may take."""


class Frame(NamedTuple):
    """One message. `seconds` is the time that a job may take; other kinds do not use it."""

    kind: Kind
    payload: bytes = b""
    seconds: float = 0.0

    def to_bytes(self) -> bytes:
        """Return the frame as the bytes that are written to a pipe."""
        return HEAD.pack(KINDS.index(self.kind), len(self.payload), self.seconds) + self.payload


def head_from_bytes(head: bytes) -> tuple[Kind, int, float]:
    """Return a frame's kind, the length of its payload in bytes, and its seconds.

    Raises:
        ValueError: the kind is unknown.
    """
    place, length_bytes, seconds = HEAD.unpack(head)
    if place >= len(KINDS):
        raise ValueError(f"frame: found kind {place}, expected one below {len(KINDS)}")
    return KINDS[place], length_bytes, seconds


def read_frame(pipe: BinaryIO) -> Frame | None:
    """Read the next frame from a pipe; return None at the pipe's end."""
    head = pipe.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    kind, length_bytes, seconds = head_from_bytes(head)
    payload = pipe.read(length_bytes)
    return Frame(kind, payload, seconds) if len(payload) == length_bytes else None
