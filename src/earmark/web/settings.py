"""The limits of a server, and how long it keeps tracks."""

from dataclasses import dataclass
from pathlib import Path

from earmark.errors import EarmarkError


@dataclass(frozen=True)
class ServerSettings:
    """The limits of a server; the defaults are safe for one machine.

    jobs: sounds analysed at a time, each in a process of its own. max_waiting: sounds that may wait, including those
    that are still being uploaded; the server refuses further ones. max_megabytes, max_minutes: of one sound.
    time_limit_seconds: how long the analysis of one sound may take. memory_megabytes: how much memory a process may use
    for a sound, beyond its model. keep_minutes: how long the server keeps a track after the last request for it.
    kept_tracks, kept_megabytes: how many tracks the server keeps; it removes the oldest first. token: what every
    request must carry; empty for none. allowed_hosts: names of the server, besides localhost and addresses. folder:
    where the private folder for uploads is created; None for the system's folder for temporary files.

    Raises EarmarkError for a number that is too small.
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
        least = {"jobs": 1, "max_waiting": 0, "kept_tracks": 1}
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
        """The largest size of one sound, in bytes."""
        return int(self.max_megabytes * 1_000_000)

    @property
    def slots(self) -> int:
        """How many sounds may be uploaded, waiting or analysed at a time."""
        return self.jobs + self.max_waiting
