from pathlib import Path

import pytest
from library.synthetic import fill

from earmark.errors import LibraryError
from earmark.library.library import Library
from earmark.library.playlist import PlaylistEntry, playlist_text, write_playlist


def test_a_playlist_of_what_was_found(library: Library, tmp_path: Path) -> None:
    fill(library, 12)
    found = library.search("folder:/music/1", n=None)
    assert library.playlist(tmp_path / "list.m3u8", found) == []
    lines = (tmp_path / "list.m3u8").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#EXTM3U"
    assert sorted(lines[2::2]) == ["/music/1/10.mp3", "/music/1/11.mp3"]
    assert lines[1] in ("#EXTINF:110,10", "#EXTINF:111,11")


def test_relative_paths_move_with_the_playlist(tmp_path: Path) -> None:
    entry = PlaylistEntry(str(tmp_path / "music" / "ü.mp3"), 61.6)
    write_playlist(tmp_path / "lists.m3u8", [entry], relative=True)
    assert (tmp_path / "lists.m3u8").read_text(encoding="utf-8") == "#EXTM3U\n#EXTINF:62,ü\nmusic/ü.mp3\n"
    text, _ = playlist_text(
        [PlaylistEntry("s3://bucket/a.mp3", 1.0), PlaylistEntry(str(tmp_path / "#1.mp3"), 1.0)], tmp_path
    )
    assert text.splitlines()[2::2] == ["s3://bucket/a.mp3", "./#1.mp3"]


def test_names_that_cannot_stand_in_one_are_told() -> None:
    paths = ["/a\nb.mp3", "/\udcff.mp3", "/c.mp3"]
    text, left_out = playlist_text([PlaylistEntry(path, 1.0) for path in paths])
    assert left_out == paths[:2]
    assert text == "#EXTM3U\n#EXTINF:1,c\n/c.mp3\n"


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="the playlist cannot be written"):
        write_playlist(tmp_path / "absent" / "list.m3u8", [])
