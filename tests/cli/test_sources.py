import io
import os
import sys
from pathlib import Path

import pytest
import typer

from earmark.audio.formats import FORMATS, SOUND_ENDINGS
from earmark.cli.sources import sound_files
from earmark.library.scan import walk


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sounds and other files in folders of folders."""
    for name in ("b.mp3", "a.FLAC", "cover.jpg", "sub/c.wav", "sub/deep/a.ogg", "Z.opus", "notes.txt", ".hidden"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "folder.mp3").mkdir()
    return tmp_path


def found(*named: str | Path, **options: bool) -> list[Path]:
    sources = sound_files([str(name) for name in named], **options)
    assert (sources.failed, sources.notes) == ([], [])
    return sources.files


def piped(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_folders_are_searched_in_a_stable_order(folder: Path) -> None:
    expected = sorted(folder / name for name in ("b.mp3", "a.FLAC", "sub/c.wav", "sub/deep/a.ogg", "Z.opus"))
    assert found(folder) == expected


def test_files_are_taken_as_named(folder: Path) -> None:
    named = [folder / "notes.txt", folder / "absent.mp3", folder / "b.mp3"]
    assert found(*named) == named, "a file that is named outright is tried, and told if it fails"


def test_each_file_comes_once_where_it_was_named_first(folder: Path) -> None:
    files = found(folder / "sub" / "c.wav", folder, folder / "b.mp3")
    assert files[0] == folder / "sub" / "c.wav"
    assert len(files) == len(set(files)) == 5


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    assert found(tmp_path) == []
    assert found() == []


def test_paths_stay_relative_where_they_were_named_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert found("sub", ".") == [Path(name) for name in ("sub/c.wav", "sub/deep/a.ogg", "Z.opus", "a.FLAC", "b.mp3")]


def test_tag_and_library_find_the_same(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Links, loops, resource forks, every ending: one walk for both."""
    outside = tmp_path_factory.mktemp("outside")
    for name in ("._b.mp3", "sub/._c.wav", "back/d.mp3", *(f"endings/x{ending}" for ending in SOUND_ENDINGS)):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    (outside / "e.mp3").touch()
    (folder / "a link").symlink_to(folder / "sub", target_is_directory=True)
    (folder / "back" / "up").symlink_to(folder, target_is_directory=True)
    (folder / "z link").symlink_to(outside, target_is_directory=True)
    (folder / "y link").symlink_to(outside, target_is_directory=True)
    (folder / "linked.mp3").symlink_to(folder / "b.mp3")
    assert {str(path) for path in found(folder)} == {file.path for file in walk([folder]).files}
    names = {str(path.relative_to(folder)) for path in found(folder)}
    assert {"y link/e.mp3", "sub/c.wav", "linked.mp3", "endings/x.flac"} < names
    assert not any(name.startswith(("a link", "back/up", "z link")) or "._" in name for name in names)


def test_what_cannot_be_looked_into_is_a_note(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def guarded(path: str) -> object:  # the tests may run as root, to whom nothing is closed
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    sources = sound_files([str(folder)])
    assert len(sources.files) == 4
    assert sources.notes == [f"{folder / 'sub' / 'deep'}: the folder cannot be read: Permission denied"]


def test_paths_on_standard_input(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path a line: files and folders, Windows' line ends, empty lines; no sign of the command line."""
    monkeypatch.chdir(folder)
    piped(monkeypatch, b"b.mp3\r\n\n-\n@b.mp3\nsub\nwith space.mp3\n")
    assert found("-") == [
        Path(name) for name in ("b.mp3", "-", "@b.mp3", "sub/c.wav", "sub/deep/a.ogg", "with space.mp3")
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="file names are any bytes on Linux only")
def test_paths_that_end_with_nul(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    piped(monkeypatch, b"new\nline.mp3\0bj\xf6rk.mp3\0\xe6\x97\xa5.mp3\0")
    names = [os.fsencode(path) for path in found("-", ending_with_nul=True)]
    assert names == [b"new\nline.mp3", b"bj\xf6rk.mp3", b"\xe6\x97\xa5.mp3"]


def test_sound_on_standard_input_is_told_where_it_belongs(monkeypatch: pytest.MonkeyPatch) -> None:
    piped(monkeypatch, b"RIFF\x00\x00\x00\x00WAVE" * 100)
    with pytest.raises(typer.BadParameter, match="earmark listen -"):
        sound_files(["-"])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_list_in_a_file(folder: Path, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    """As if typed: from the present folder, wherever the list lies."""
    monkeypatch.chdir(folder)
    (folder / "sub" / "list.txt").write_bytes("b.mp3\r\nsub\n日本.mp3".encode(encoding))
    assert found("@sub/list.txt") == [Path(name) for name in ("b.mp3", "sub/c.wav", "sub/deep/a.ogg", "日本.mp3")]


def test_a_file_may_begin_with_the_mark_of_a_list(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "@home.mp3").touch()
    assert found("@home.mp3") == [Path("@home.mp3")]


def test_a_list_that_is_not_there_is_a_failure_and_stops_nothing(folder: Path) -> None:
    sources = sound_files([f"@{folder}/absent.txt", str(folder / "b.mp3")])
    assert sources.files == [folder / "b.mp3"]
    assert [str(error) for error in sources.failed] == [
        f"{folder}/absent.txt: reading it failed: No such file or directory"
    ]


@pytest.mark.parametrize(
    "address", ["http://example.org/a.mp3", "HTTPS://example.org/live", "s3://bucket/a.flac", "ftp://example.org/x"]
)
def test_an_address_is_told_what_listens_to_it(folder: Path, address: str) -> None:
    sources = sound_files([address, str(folder / "b.mp3")])
    assert sources.files == [folder / "b.mp3"]
    assert [error.source for error in sources.failed] == [address]
    assert "earmark listen ADDRESS" in sources.failed[0].reason
    assert "earmark library add ADDRESS" in sources.failed[0].reason


def test_an_address_of_a_file_is_its_path(folder: Path) -> None:
    assert found(f"file://{folder}/sub/c.wav") == [folder / "sub" / "c.wav"]


def test_a_path_that_no_file_can_have_is_left_to_who_reads_it(folder: Path) -> None:
    assert found("a\0b.mp3", "x" * 5_000) == [Path("a\0b.mp3"), Path("x" * 5_000)]


def test_endings_are_lower_case_with_a_dot() -> None:
    assert {".mp3", ".flac", ".wav", ".ogg", ".opus", ".m4a"} <= SOUND_ENDINGS
    assert all(ending.startswith(".") and ending == ending.lower() for ending in SOUND_ENDINGS)


def test_a_folder_is_searched_for_whatever_libav_may_open() -> None:
    av = pytest.importorskip("av")
    for name in FORMATS:
        assert av.ContainerFormat(name).is_input
    assert {".dsf", ".dff", ".ac3", ".eac3", ".dts", ".spx", ".wma"} <= SOUND_ENDINGS
    assert not {"hls", "dash", "concat", "sdp", "rtsp", "rtp", "lavfi", "image2"} & set(FORMATS)
