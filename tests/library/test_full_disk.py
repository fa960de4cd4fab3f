"""Searches on disks that are full or read-only, and after processes that were killed: answers, and no leftovers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from library.disks import small_disk
from library.synthetic import fill

from earmark.library import similarity
from earmark.library.library import Library
from earmark.library.similarity import index_path
from earmark.library.vectors import atomic_file, vectors_path
from earmark.tagging.tagger import Tagger

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="mounts a disk in memory")
SAID = "so this search read the library itself"


def found_in(path: Path) -> list[object]:
    with Library(path) as library:
        return [library.search("tag 1>0", n=5), library.similar(3, n=5)]


def files_in(folder: Path) -> set[str]:
    """What is there, but for SQLite's own files and the filling."""
    return {path.name for path in folder.iterdir() if not path.name.endswith(("-wal", "-shm", "filling"))}


@LINUX
@pytest.mark.parametrize("left_bytes", [0, 4_096, 50_000, 90_000])
def test_a_full_disk_can_be_searched(
    left_bytes: int, tmp_path: Path, tagger: Tagger, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        path = disk.folder / "music.earmark"
        with Library(path, tagger) as library:
            fill(library, 600)
        expected = found_in(path)
        vectors_path(path).unlink()
        disk.fill(left_bytes)
        assert found_in(path) == expected
        assert SAID in caplog.text
        assert files_in(disk.folder) == {"music.earmark"}


@LINUX
def test_a_read_only_disk_can_be_searched(tmp_path: Path, tagger: Tagger) -> None:
    with small_disk(tmp_path / "disk") as disk:
        path = disk.folder / "music.earmark"
        with Library(path, tagger) as library:
            fill(library, 50)
        expected = found_in(path)
        disk.make_read_only()
        assert found_in(path) == expected
    with small_disk(tmp_path / "disk") as disk:
        with Library(path, tagger) as library:
            fill(library, 50)
        disk.make_read_only()
        assert len(found_in(path)) == len(expected), "without the file of vectors as well"


SEARCH = """
import resource, sys
from earmark.library.library import Library
with Library(sys.argv[1]) as library:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
    print(len(library.search("tag 1>0", n=5)), len(library.similar(3, n=5)))
"""


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files")
@pytest.mark.parametrize("largest_bytes", [0, 100, 20_000])
def test_files_that_may_not_grow(largest_bytes: int, library: Library) -> None:
    fill(library, 600)
    command = [sys.executable, "-c", SEARCH, str(library.path), str(largest_bytes)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "5 5\n"), done.stderr
    assert SAID in done.stderr
    assert files_in(library.path.parent) == {"music.earmark"}


def test_an_index_that_finds_no_room_is_done_without(
    library: Library, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fill(library, 300)
    expected = library.similar(7, n=5)
    monkeypatch.setattr(similarity, "EXACT_TRACKS", 100)
    with monkeypatch.context() as full:
        full.setattr(similarity, "GRAPH_BYTES_A_TRACK", 1 << 60)
        assert library.similar(7, n=5) == expected
        assert SAID in caplog.text

    def cut_off(index: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(similarity, "_save", cut_off)
        assert library.similar(7, n=5) == expected
    assert not index_path(library.path).exists()
    library.similar(7, n=5)
    content = index_path(library.path).read_bytes()
    index_path(library.path).write_bytes(content[: len(content) // 2])
    assert library.similar(7, n=5), "one that is cut off is made anew"
    assert len(index_path(library.path).read_bytes()) == len(content)


@pytest.mark.skipif(os.name != "posix", reason="asks whether a process is there")
def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    path = tmp_path / "music.earmark-vectors"
    left = [tmp_path / f"{path.name}.{number}.part" for number in (ended.pid, os.getppid())]
    for each in left:
        each.write_bytes(b"half")
    other = tmp_path / f"other-vectors.{ended.pid}.part"
    other.write_bytes(b"of another library")
    with atomic_file(path) as part:
        part.write_bytes(b"whole")
    assert path.read_bytes() == b"whole"
    assert {each.name for each in tmp_path.iterdir()} == {path.name, left[1].name, other.name}
