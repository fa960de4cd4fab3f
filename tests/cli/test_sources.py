from pathlib import Path

import pytest

from earmark.audio.endings import SOUND_ENDINGS
from earmark.cli.sources import sound_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sounds and other files in folders of folders."""
    for name in ("b.mp3", "a.FLAC", "cover.jpg", "sub/c.wav", "sub/deep/a.ogg", "Z.opus", "notes.txt", ".hidden"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "folder.mp3").mkdir()
    return tmp_path


def test_folders_are_searched_in_a_stable_order(folder: Path) -> None:
    expected = sorted(folder / name for name in ("b.mp3", "a.FLAC", "sub/c.wav", "sub/deep/a.ogg", "Z.opus"))
    assert sound_files([folder]) == expected


def test_files_are_taken_as_named(folder: Path) -> None:
    named = [folder / "notes.txt", folder / "absent.mp3", folder / "b.mp3"]
    assert sound_files(named) == named, "a file that is named outright is tried, and told if it fails"


def test_each_file_comes_once_where_it_was_named_first(folder: Path) -> None:
    found = sound_files([folder / "sub" / "c.wav", folder, folder / "b.mp3"])
    assert found[0] == folder / "sub" / "c.wav"
    assert len(found) == len(set(found)) == 5


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    assert sound_files([tmp_path]) == []
    assert sound_files([]) == []


def test_endings_are_lower_case_with_a_dot() -> None:
    assert {".mp3", ".flac", ".wav", ".ogg", ".opus", ".m4a"} <= SOUND_ENDINGS
    assert all(ending.startswith(".") and ending == ending.lower() for ending in SOUND_ENDINGS)
