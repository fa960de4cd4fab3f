"""Playlists of every player and system, and the files that they mean."""

import os
import sys
import unicodedata
from pathlib import Path
from urllib.parse import quote

import pytest

from earmark.cli.sources import entries_of, local_path, sound_files

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="file names are any bytes on Linux only")
COMPOSED = unicodedata.normalize("NFC", "Björk é.mp3")
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Sounds beside and below a playlist."""
    for name in ("a.mp3", "sub/b c.flac", "sub/100%.mp3", "日本/1.ogg", " spaced.mp3", "#1.mp3"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def entries(folder: Path, content: str | bytes, name: str = "list.m3u8") -> list[str]:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return [
        os.path.relpath(path, folder) if path.startswith(str(folder)) else path
        for path in entries_of(str(folder / name))
    ]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_players_write(music: Path, line_end: str, encoding: str) -> None:
    lines = ["#EXTM3U", "#EXTINF:123,Artist - Title", "a.mp3", "", "  # a comment", "sub/b c.flac", "日本/1.ogg"]
    assert entries(music, line_end.join(lines).encode(encoding)) == ["a.mp3", "sub/b c.flac", "日本/1.ogg"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("sub\\b c.flac", "sub/b c.flac"),
        (".\\sub\\b c.flac", "sub/b c.flac"),
        ("sub/b%20c.flac", "sub/b c.flac"),
        ("sub\\b%20c.flac", "sub/b c.flac"),
        ("sub/100%.mp3", "sub/100%.mp3"),
        ("sub/100%25.mp3", "sub/100%.mp3"),
        ("./a.mp3", "a.mp3"),
        ("a.mp3  ", "a.mp3"),
        (" spaced.mp3", " spaced.mp3"),
        ("./#1.mp3", "#1.mp3"),
        ("absent\\x.mp3", "absent\\x.mp3"),
        ("http://example.org/live", "http://example.org/live"),
    ],
)
def test_paths_from_other_systems(music: Path, line: str, expected: str) -> None:
    assert entries(music, f"{line}\n") == [expected]


@pytest.mark.parametrize("host", ["", "localhost"])
def test_addresses_of_files(music: Path, host: str) -> None:
    whole = f"file://{host}{quote(str(music / '日本' / '1.ogg'))}"
    assert entries(music, f"{whole}\nFILE:{music}/sub/b%20c.flac\n") == ["日本/1.ogg", "sub/b c.flac"]


def test_drives_and_shares_of_windows() -> None:
    assert local_path("file:///C:/Music/a%20b.mp3") == "C:/Music/a b.mp3"
    assert local_path("file://server/share/a.mp3") == "//server/share/a.mp3"
    assert local_path("files/a.mp3") is None


@LINUX
@pytest.mark.parametrize(("there", "written"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED), (COMPOSED, COMPOSED)])
def test_forms_of_accents(music: Path, there: str, written: str) -> None:
    (music / there).touch()
    assert entries(music, written) == [there]


@LINUX
def test_names_in_windows_encoding_and_names_of_raw_bytes(music: Path) -> None:
    (music / "Motörhead €.mp3").touch()
    Path(os.fsdecode(os.fsencode(music) + b"/bj\xf6rk.mp3")).touch()
    names = entries(music, "Motörhead €.mp3\n".encode("cp1252") + b"bj\xf6rk.mp3\n", "list.m3u")
    assert names == ["Motörhead €.mp3", os.fsdecode(b"bj\xf6rk.mp3")]


def test_pls(music: Path) -> None:
    text = "[playlist]\r\nNumberOfEntries=2\r\nFile1=a.mp3\r\nTitle1=File2=no\r\nLength1=1\r\nfile2 = sub\\b c.flac\r\n"
    assert entries(music, text, "list.pls") == ["a.mp3", "sub/b c.flac"]


def test_a_playlist_is_what_it_names(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its own folder; playlists and folders in it too; one that names itself ends."""
    (music / "sub" / "inner.m3u").write_text("b c.flac\n../outer.m3u8\nabsent.mp3\n")
    (music / "outer.m3u8").write_text("a.mp3\nsub/inner.m3u\n日本\nhttp://example.org/live\na.mp3\n", encoding="utf-8")
    monkeypatch.chdir(music / "sub")
    sources = sound_files(["../outer.m3u8"])
    names = ["a.mp3", "sub/b c.flac", "sub/absent.mp3", "日本/1.ogg"]
    assert [os.path.normpath(path) for path in sources.files] == [os.path.normpath(f"../{name}") for name in names]
    assert [error.source for error in sources.failed] == ["http://example.org/live"]


def test_signs_of_the_command_line_mean_nothing_in_a_playlist(music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(music)
    (music / "list.m3u").write_text("-\n@list.m3u\n")
    assert sound_files(["list.m3u"]).files == [Path("-"), Path("@list.m3u")]


def test_a_playlist_that_cannot_be_read_is_a_failure(music: Path) -> None:
    (music / "list.m3u8").write_bytes(b"\xff\xfea")
    sources = sound_files([str(music / "list.m3u8"), str(music / "a.mp3")])
    assert sources.files == [music / "a.mp3"]
    assert [error.source for error in sources.failed] == [str(music / "list.m3u8")]
