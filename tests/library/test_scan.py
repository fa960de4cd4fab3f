import os
import sys
from pathlib import Path

import pytest
from library.poison import odd_name

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
