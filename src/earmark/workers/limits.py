"""Limit the time, the length and the memory of the work on one file."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

BYTES_A_SECOND_AT_LEAST = 1_000
"""The lowest bit rate, 8 kb/s, which gives the longest duration of a file whose header has none."""
READ_BYTES_A_SECOND = 1_000_000
"""The speed of a slow network, which gives the time that reading a file may take."""


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

    def allowed_seconds(self, size_bytes: int, duration_seconds: float | None) -> float:
        """Return how long the work on a file may take, by its duration, or by its size if the duration is None."""
        guessed = min(size_bytes / BYTES_A_SECOND_AT_LEAST, self.longest_hours * 3600)
        length = guessed if duration_seconds is None else duration_seconds
        return self.seconds + self.seconds_a_second * length + size_bytes / READ_BYTES_A_SECOND

    def too_long(self, duration_seconds: float) -> str:
        """Return why a file with this duration in its header is refused, or an empty text."""
        if duration_seconds <= self.longest_hours * 3600:
            return ""
        return (
            f"its header claims {duration_seconds / 3600:.1f} hours; at most {self.longest_hours:g} hours are allowed"
        )


USUAL_LIMITS = Limits()


class MemoryLimit:
    """Limits the address space that this process may use beyond what it uses when the object is made.

    It has an effect on Linux only, because other systems do not enforce such a limit.
    """

    def __init__(self, megabytes: int) -> None:
        """Measure what the process uses now. Nothing is limited until `allow` is called."""
        self._megabytes = megabytes
        self._before_bytes = _address_space_bytes()

    def allow(self, times: int = 1) -> int | None:
        """Limit this process to `times` times the megabytes.

        Returns the megabytes that the system allows where they are fewer than that, and None otherwise.
        """
        if sys.platform != "linux":
            return None
        import resource

        wanted = self._before_bytes + times * self._megabytes * 1_000_000
        _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        less = hard != resource.RLIM_INFINITY and hard < wanted
        resource.setrlimit(resource.RLIMIT_AS, (hard if less else wanted, hard))
        return max(0, hard - self._before_bytes) // 1_000_000 if less else None


def _address_space_bytes() -> int:
    if sys.platform != "linux":
        return 0
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE")
