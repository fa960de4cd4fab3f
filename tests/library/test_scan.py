import os
import sys
from pathlib import Path

import pytest
from library.poison import odd_name

from earmark.library import scan
from earmark.library.jobs import Stamp
from earmark.library.scan import FoundFile, is_gone, stamp_of, walk

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="file names are any bytes on Linux only")


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"sound")


def names(folder: Path, files: tuple[FoundFile, ...]) -> list[str]:
    return [os.path.relpath(file.path, folder) for file in files]


def test_the_order_is_by_name_folder_after_folder(tmp_path: Path) -> None:
    make(tmp_path, "b.mp3", "a.FLAC", "z/2.ogg", "z/10.ogg", "c/d/e.wav", "c/x.opus", "cover.jpg", "z/notes.txt")
    found = walk([tmp_path])
    assert names(tmp_path, found.files) == ["a.FLAC", "b.mp3", "c/x.opus", "c/d/e.wav", "z/10.ogg", "z/2.ogg"]
    assert (found.notes, found.whole, found.absent) == ((), (str(tmp_path),), ())
    assert walk([tmp_path]) == found


def test_a_stamp_is_size_and_time(tmp_path: Path) -> None:
    make(tmp_path, "a.mp3")
    os.utime(tmp_path / "a.mp3", ns=(1, 123_456_789))
    assert walk([tmp_path]).files[0].stamp == Stamp(5, 123_456_789) == stamp_of(str(tmp_path / "a.mp3"))
    assert stamp_of(str(tmp_path / "absent")) is None


def test_a_file_named_outright_is_taken_whatever_its_ending_and_once(tmp_path: Path) -> None:
    make(tmp_path, "a.mp3", "b.sound")
    found = walk([tmp_path / "b.sound", tmp_path, tmp_path / "a.mp3", tmp_path])
    assert names(tmp_path, found.files) == ["b.sound", "a.mp3"]


def test_what_macos_keeps_beside_files_is_no_sound(tmp_path: Path) -> None:
    make(tmp_path, "._a.mp3", "a.mp3", ".hidden.mp3")
    assert names(tmp_path, walk([tmp_path]).files) == [".hidden.mp3", "a.mp3"]


def test_paths_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "music/a.mp3")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    wanted = [str(tmp_path / "music" / "a.mp3")]
    for named in ("music", "./music/", "music/../music", "~/music"):
        assert [file.path for file in walk([named]).files] == wanted


def test_loops_of_links_end_and_a_folder_is_entered_once(tmp_path: Path) -> None:
    make(tmp_path, "music/a.mp3", "music/deep/b.mp3", "elsewhere/c.mp3")
    (tmp_path / "music" / "deep" / "up").symlink_to(tmp_path / "music", target_is_directory=True)
    (tmp_path / "music" / "one").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "music" / "two").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "music" / "self.mp3").symlink_to("self.mp3")
    (tmp_path / "music" / "self").symlink_to("self")
    found = walk([tmp_path / "music"])
    assert names(tmp_path / "music", found.files) == ["a.mp3", "deep/b.mp3", "one/c.mp3"]
    assert len(found.notes) == 1
    assert "self.mp3" in found.notes[0]


def link(at: Path, to: Path) -> None:
    at.parent.mkdir(parents=True, exist_ok=True)
    at.symlink_to(to, target_is_directory=True)


def test_a_folder_has_its_own_path_whatever_links_lead_to_it(tmp_path: Path) -> None:
    make(tmp_path, "B/b.wav", "B/deep/c.wav", "z/d.wav")
    link(tmp_path / "A" / "link", tmp_path / "B")
    link(tmp_path / "A" / "deeper", tmp_path / "B" / "deep")
    link(tmp_path / "C" / "A" / "again", tmp_path / "A")
    link(tmp_path / "z" / "up", tmp_path)
    found = walk([tmp_path])
    assert names(tmp_path, found.files) == ["B/b.wav", "B/deep/c.wav", "z/d.wav"]
    ways = {os.path.relpath(way, tmp_path) for way in found.second_ways}
    assert ways == {"A/link", "A/deeper", "C/A/again", "z/up"}
    assert (found.notes, found.whole) == ((), (str(tmp_path),))


def test_a_link_to_the_outside_is_followed_in_its_place(tmp_path: Path) -> None:
    """In the order of the names, though folders of the tree itself are entered before."""
    make(tmp_path, "music/a/1.mp3", "music/c/3.mp3", "outside/2.mp3", "outside/own/4.mp3")
    link(tmp_path / "music" / "b", tmp_path / "outside")
    link(tmp_path / "outside" / "back", tmp_path / "music")
    link(tmp_path / "outside" / "self", tmp_path / "outside" / "own")
    found = walk([tmp_path / "music"])
    assert names(tmp_path / "music", found.files) == ["a/1.mp3", "b/2.mp3", "b/own/4.mp3", "c/3.mp3"]


def test_a_link_to_the_folder_above_brings_what_is_beside(tmp_path: Path) -> None:
    make(tmp_path, "top/music/1.mp3", "top/beside/2.mp3")
    link(tmp_path / "top" / "music" / "up", tmp_path / "top")
    assert names(tmp_path / "top" / "music", walk([tmp_path / "top" / "music"]).files) == ["1.mp3", "up/beside/2.mp3"]


def test_of_a_folder_and_a_link_to_it_the_folder_is_taken(tmp_path: Path) -> None:
    make(tmp_path, "B/b.wav", "music/a.wav")
    link(tmp_path / "A", tmp_path / "B")
    link(tmp_path / "music" / "link", tmp_path / "B")
    both = walk([tmp_path / "A", tmp_path / "music", tmp_path / "B"])
    assert names(tmp_path, both.files) == ["music/a.wav", "B/b.wav"]
    assert names(tmp_path, walk([tmp_path / "A"]).files) == ["A/b.wav"], "by the only name that was given"
    assert names(tmp_path, walk([tmp_path / "A", tmp_path / "music"]).files) == ["A/b.wav", "music/a.wav"]


def test_folders_within_each_other_are_no_second_ways(tmp_path: Path) -> None:
    make(tmp_path, "music/a.mp3", "music/sub/b.mp3")
    for named in (["music", "music/sub"], ["music/sub", "music"], ["music", "music"]):
        found = walk([tmp_path / name for name in named])
        assert sorted(names(tmp_path, found.files)) == ["music/a.mp3", "music/sub/b.mp3"]
        assert found.second_ways == ()


def test_nothing_is_a_second_way_where_something_could_not_be_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "B/b.wav")
    link(tmp_path / "A" / "link", tmp_path / "B")
    scandir = os.scandir

    def guarded(path: str) -> object:
        if str(path).endswith("B"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    assert walk([tmp_path]).second_ways == ()


def test_folders_without_numbers_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As some network drives have them."""
    make(tmp_path, "a/1.mp3", "b/2.mp3")
    link(tmp_path / "c", tmp_path / "b")
    look = os.stat

    def unnumbered(path: str) -> os.stat_result:
        found = list(look(path))
        found[1] = 0
        return os.stat_result(found)

    monkeypatch.setattr(scan.os, "stat", unnumbered)
    found = walk([tmp_path])
    assert names(tmp_path, found.files) == ["a/1.mp3", "b/2.mp3"]
    assert found.second_ways == (str(tmp_path / "c"),)


@pytest.mark.skipif(os.name != "posix", reason="names of 255 bytes and paths of 4096 are POSIX systems'")
def test_long_names_and_deep_trees(tmp_path: Path) -> None:
    """What is deeper than a path can say is a note, and stops nothing."""
    make(tmp_path, "x" * 251 + ".mp3", "z/last.mp3")
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=folder)
        inside = os.open("d" * 200, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inside
    os.close(os.open("deep.mp3", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.close(folder)
    found = walk([tmp_path])
    assert names(tmp_path, found.files) == ["x" * 251 + ".mp3", "z/last.mp3"]
    assert len(found.notes) == 1
    assert found.notes[0].endswith("File name too long")


def test_a_link_to_a_file_is_a_file_and_a_broken_one_a_note(tmp_path: Path) -> None:
    make(tmp_path, "a.mp3")
    (tmp_path / "b.mp3").symlink_to("a.mp3")
    (tmp_path / "c.mp3").symlink_to("absent.mp3")
    (tmp_path / "no sound").symlink_to("absent")
    found = walk([tmp_path])
    assert names(tmp_path, found.files) == ["a.mp3", "b.mp3"]
    assert found.notes == (f"{tmp_path / 'c.mp3'}: No such file or directory",)
    assert found.whole == ()


def test_a_closed_folder_is_a_note_and_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a/1.mp3", "closed/2.mp3", "z/3.mp3")
    scandir = os.scandir

    def guarded(path: str) -> object:  # the tests may run as root, to whom nothing is closed
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    found = walk([tmp_path])
    assert names(tmp_path, found.files) == ["a/1.mp3", "z/3.mp3"]
    assert found.notes == (f"{tmp_path / 'closed'}: the folder cannot be read: Permission denied",)
    assert found.whole == (), "nothing may be taken for gone"


@LINUX
def test_names_that_are_no_text_come_through(tmp_path: Path) -> None:
    odd = odd_name(tmp_path)
    Path(odd).write_bytes(b"sound")
    assert [file.path for file in walk([tmp_path]).files] == [odd]
    assert [file.path for file in walk([os.fsencode(odd)]).files] == [odd]


@LINUX
def test_pipes_and_devices_in_a_folder_are_left_alone(tmp_path: Path) -> None:
    make(tmp_path, "a.mp3")
    os.mkfifo(tmp_path / "pipe.mp3")
    assert names(tmp_path, walk([tmp_path]).files) == ["a.mp3"]


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    make(tmp_path, "music/a.mp3")
    found = walk([tmp_path / "absent", tmp_path / "music"])
    assert len(found.files) == 1
    assert found.absent == (str(tmp_path / "absent"),)
    assert found.notes == (f"{tmp_path / 'absent'}: No such file or directory",)
    assert found.whole == (str(tmp_path / "music"),)


def test_gone_is_more_than_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a.mp3")
    assert not is_gone(str(tmp_path / "a.mp3"))
    assert is_gone(str(tmp_path / "b.mp3"))
    assert is_gone(str(tmp_path / "a.mp3" / "b.mp3"))

    def stale(path: str) -> None:
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr(os, "lstat", stale)
    assert not is_gone(str(tmp_path / "a.mp3"))


def test_addresses_are_listed_through_fsspec(tmp_path: Path) -> None:
    pytest.importorskip("fsspec", reason="needs the extra cluster")
    make(tmp_path, "b.mp3", "sub/a.flac", "c.txt")
    found = walk([f"file://{tmp_path}"])
    assert [file.path for file in found.files] == [f"file://{tmp_path}/b.mp3", f"file://{tmp_path}/sub/a.flac"]
    assert found.files[0].stamp.size_bytes == 5
    assert abs(found.files[0].stamp.modified_ns - (tmp_path / "b.mp3").stat().st_mtime_ns) < 1_000_000


def test_an_address_that_is_not_there_is_told_and_stops_nothing(tmp_path: Path) -> None:
    pytest.importorskip("fsspec", reason="needs the extra cluster")
    make(tmp_path, "a.mp3")
    for address in ("file:///nowhere/at/all", "memory://nothing", "nosuchprotocol://bucket"):
        found = walk([address, tmp_path])
        assert names(tmp_path, found.files) == ["a.mp3"]
        assert found.absent == (address,)
        assert found.notes[0].startswith(f"{address}: ")


@pytest.mark.parametrize("raised", [TimeoutError("timed out"), OSError("unreachable"), KeyError("Contents")])
def test_whatever_a_storage_raises_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: Exception) -> None:
    fsspec = pytest.importorskip("fsspec.implementations.local", reason="needs the extra cluster")

    def fail(*arguments: object, **options: object) -> None:
        raise raised

    monkeypatch.setattr(fsspec.LocalFileSystem, "find", fail)
    make(tmp_path, "a.mp3")
    found = walk([f"file://{tmp_path}/far", tmp_path])
    assert len(found.files) == 1
    assert found.absent == (f"file://{tmp_path}/far",)
