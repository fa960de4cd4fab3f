"""The memory that a worker may take."""

import os
import sys
from pathlib import Path


class MemoryLimit:
    """A limit on the address space of this process, beyond what it has when the limit is made; on Linux, as other
    systems do not hold to it."""

    def __init__(self, megabytes: int) -> None:
        """Nothing is limited until `allow` is called."""
        self._megabytes = megabytes
        self._before_bytes = _address_space_bytes()

    def allow(self, times: int = 1) -> int | None:
        """Let this process take so many times the megabytes; returns those that it may take where the system it runs
        in allows less, else None."""
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
