"""Limit the memory that a worker may use."""

import os
import sys
from pathlib import Path


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
