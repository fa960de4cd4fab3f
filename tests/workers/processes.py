"""Processes as the system lists them, and what kills them at chosen moments; Linux alone has /proc."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Self

PATIENCE_SECONDS = 60.0


def eventually(so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    last = time.monotonic() + PATIENCE_SECONDS
    while not so():
        assert time.monotonic() < last, "it never came to be so"
        time.sleep(0.005)


def alive(process_id: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def children(process_id: int) -> list[int]:
    """The living children of a process."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = status.read_text().rsplit(")", 1)[1].split()[:2]
        except OSError:  # it has just ended
            continue
        if int(parent) == process_id and state != "Z":
            found.append(int(status.parent.name))
    return found


def workers_of(process_id: int) -> list[int]:
    """The worker processes of a process."""
    found = []
    for child in children(process_id):
        try:
            command = Path(f"/proc/{child}/cmdline").read_bytes()
        except OSError:
            continue
        if b"earmark.workers.worker" in command:
            found.append(child)
    return found


class KillsAtAppearance:
    """Kills the first so many workers of a process, each so many seconds after it appears."""

    def __init__(self, process_id: int, count: int, delay_seconds: float) -> None:
        self.killed: list[int] = []
        self._process_id, self._count, self._delay_seconds = process_id, count, delay_seconds
        self._over = Event()
        self._thread = Thread(target=self._kill)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._over.set()
        self._thread.join()

    def _kill(self) -> None:
        while len(self.killed) < self._count and not self._over.is_set():
            for worker in workers_of(self._process_id):
                if worker not in self.killed:
                    time.sleep(self._delay_seconds)
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(worker, signal.SIGKILL)
                    self.killed.append(worker)
                    break
            time.sleep(0.001)
