"""The command line as processes of its own, which can be killed and never outlive their test."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PATIENCE_SECONDS = 300
"""No test depends on how long a command takes; this ends one that hangs."""


@contextmanager
def started(arguments: Sequence[str | Path], folder: Path, *launcher: str) -> Iterator["subprocess.Popen[str]"]:
    """`python -m earmark` with these arguments, through a launcher module if given; killed with all its children."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    with (folder / "stdout").open("w") as out, (folder / "stderr").open("w") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", *launcher, *(["-m"] if launcher else []), "earmark", *map(str, arguments)],
            stdout=out,
            stderr=err,
            text=True,
            env=environment,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                # A launcher's workers have sessions of their own: it ends them itself where it is asked to end.
                process.terminate()
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()


def run(arguments: Sequence[str | Path], folder: Path, *launcher: str) -> tuple[str, str]:
    """Run to a good end; what was said on stdout and stderr."""
    with started(arguments, folder, *launcher) as process:
        status = process.wait(PATIENCE_SECONDS)
    said, told = (folder / "stdout").read_text(), (folder / "stderr").read_text()
    assert status == 0, told
    return said, told


def kill_when(seen: Callable[[], bool], arguments: Sequence[str | Path], folder: Path) -> str:
    """Kill a command, as a power cut would, once something is seen; what it had said on stderr."""
    with started(arguments, folder) as process:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not seen():
            assert process.poll() is None, f"ended too early: {(folder / 'stderr').read_text()}"
            assert time.monotonic() < deadline, "nothing was seen"
            time.sleep(0.002)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait(PATIENCE_SECONDS) == -signal.SIGKILL, "it was over before it could be killed"
    return (folder / "stderr").read_text()
