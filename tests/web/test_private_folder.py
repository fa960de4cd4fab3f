"""The folder for uploads goes with its server, whichever way that goes."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from earmark.web.server import PREFIX, private_folder


def test_it_is_private_and_goes(tmp_path: Path) -> None:
    with private_folder(tmp_path) as folder:
        assert folder.parent == tmp_path
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700 or os.name != "posix"
        (folder / "a").mkdir()
        (folder / "a" / "sound").write_bytes(b"sound")
    assert list(tmp_path.iterdir()) == []


def test_those_of_servers_that_run_are_left_alone(tmp_path: Path) -> None:
    with private_folder(tmp_path) as first, private_folder(tmp_path) as second:
        assert first != second
        assert first.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="nobody can tell there whose server has ended")
def test_those_of_servers_that_were_killed_are_removed(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, signal, sys\n"
        "from earmark.web.server import private_folder\n"
        "with private_folder(pathlib.Path(sys.argv[1])) as folder:\n"
        "    (folder / 'sound').write_bytes(b'sound')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    (left,) = tmp_path.iterdir()
    other = tmp_path / "another program's"
    other.mkdir()
    (tmp_path / f"{PREFIX}link").symlink_to(other)
    with private_folder(tmp_path):
        assert not left.exists()
    assert other.exists()
    assert (tmp_path / f"{PREFIX}link").is_symlink()
