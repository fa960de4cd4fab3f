"""Define what a library tells of a recording, of a path that leads to one, and of a file that failed."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.library.jobs import Stamp


@dataclass(frozen=True, eq=False)
class Track:
    """A recording of a library.

    paths: its files, existing ones first; empty if none is known. logits: (tags,) float32. silent: whether nothing can
    be heard. distance: how far it is from the music of training; NaN if that is unknown.
    """

    id: int
    identity: str
    paths: tuple[str, ...]
    duration_seconds: float
    truncated: bool
    short: tuple[str, ...]
    decoder: str
    version: str
    added: str
    model_id: int
    logits: npt.NDArray[np.float32]
    silent: bool
    distance: float


@dataclass(frozen=True)
class Failure:
    """A file that could not be used.

    reason: why it failed. attempts: how often it was tried. failed: when it was last tried (ISO 8601, UTC).
    """

    path: str
    reason: str
    attempts: int
    failed: str


@dataclass(frozen=True)
class KnownPath:
    """A path that leads to a recording."""

    track_id: int
    identity: str
    model_id: int
    stamp: Stamp
    missing: bool


@dataclass(frozen=True)
class StoredAnalysis:
    """What the library has of a recording: the model, the duration, and whether the file was truncated.

    own: whether the row's identity includes how the packets are decoded, as the requested identity does.
    """

    model_id: int
    duration_seconds: float
    truncated: bool
    own: bool = True

    def is_more_than(self, other: "StoredAnalysis") -> bool:
        """Return whether this result is better than another of the same recording: not truncated, or longer."""
        return (not self.truncated, self.duration_seconds) > (not other.truncated, other.duration_seconds)
