"""Small disks of their own, for tests of what happens when they are full, read-only or gone."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


class SmallDisk:
    """A disk in memory, mounted on a folder."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder, self._megabytes = folder, megabytes

    def mount(self) -> None:
        """Mount an empty disk; the test is skipped where that is not allowed."""
        options = f"size={self._megabytes}m"
        command = ["mount", "-t", "tmpfs", "-o", options, "earmark-test", str(self.folder)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("needs the right to mount a disk")

    def make_read_only(self) -> None:
        subprocess.run(["mount", "-o", "remount,ro", str(self.folder)], check=True)

    def unmount(self) -> None:
        """Take the disk away, with all that is on it, also while files on it are open."""
        subprocess.run(["umount", "-l", str(self.folder)], check=True)

    def fill(self, left_bytes: int = 0) -> None:
        """Leave no more room than that."""
        free = shutil.disk_usage(self.folder).free
        (self.folder / "filling").write_bytes(bytes(max(0, free - left_bytes)))


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int = 16) -> Iterator[SmallDisk]:
    folder.mkdir(exist_ok=True)
    disk = SmallDisk(folder, megabytes)
    disk.mount()
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)
