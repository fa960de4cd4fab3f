"""A process is held to its memory, to more of it where it is told so, and says where it may take less."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds to the limit")

CODE = """
import resource, sys
from earmark.workers.limits import MemoryLimit
limit = MemoryLimit(100)
if sys.argv[2] != "0":
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + int(sys.argv[2]) * 1_000_000,) * 2)
less = limit.allow(int(sys.argv[1]))
fits = []
for megabytes in (50, 150, 250):
    try:
        bytearray(megabytes * 1_000_000)
        fits.append(megabytes)
    except MemoryError:
        pass
print(less, fits)
"""


@pytest.mark.parametrize(
    ("times", "hard_megabytes", "said"),
    [(1, 0, "None [50]"), (2, 0, "None [50, 150]"), (1, 1_000, "None [50]"), (2, 20, " []")],
)
def test_a_process_is_held_to_its_limit(times: int, hard_megabytes: int, said: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", CODE, str(times), str(hard_megabytes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith(said)
    assert hard_megabytes != 20 or int(done.stdout.split()[0]) in range(10, 30)
