"""What a server allows, and how long it keeps what it was given."""

from dataclasses import dataclass
from pathlib import Path

from earmark.errors import EarmarkError


@dataclass(frozen=True)
class ServerSettings:
    """The limits of a server; the defaults are safe for one machine.

    jobs: sounds listened to at a time, each in a process of its own. max_waiting: sounds that may wait besides, those
    that are still being uploaded included; who comes then is told to come back. max_megabytes, max_minutes: of one
    sound. time_limit_seconds: how long listening to one sound may take. memory_megabytes: what a process may take for
    it beyond its model. keep_minutes: how long a track is kept after it was last asked for; kept_tracks,
    kept_megabytes: how many of them, the oldest making room. token: what every request has to carry, unless it is
    empty. allowed_hosts: names that the server may be called by, besides localhost and addresses. folder: where the
    private folder for uploads is made; None for the system's place.
    """

    jobs: int = 1
    max_waiting: int = 16
    max_megabytes: float = 200.0
    max_minutes: float = 60.0
    time_limit_seconds: float = 300.0
    memory_megabytes: int = 2_048
    keep_minutes: float = 30.0
    kept_tracks: int = 100
    kept_megabytes: float = 2_000.0
    token: str = ""
    allowed_hosts: tuple[str, ...] = ()
    folder: Path | None = None

    def __post_init__(self) -> None:
        least = {
            "jobs": 1,
            "max_waiting": 0,
            "kept_tracks": 1,
        }
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise EarmarkError(f"{name}: found {getattr(self, name)}, expected at least {bound}.")
        above_zero = (
            "max_megabytes",
            "max_minutes",
            "time_limit_seconds",
            "memory_megabytes",
            "keep_minutes",
            "kept_megabytes",
        )
        for name in above_zero:
            if not getattr(self, name) > 0:
                raise EarmarkError(f"{name}: found {getattr(self, name)}, expected more than 0.")

    @property
    def max_bytes(self) -> int:
        """Of one sound."""
        return int(self.max_megabytes * 1_000_000)

    @property
    def places(self) -> int:
        """How many sounds may be here at a time: being uploaded, waiting, or being listened to."""
        return self.jobs + self.max_waiting
