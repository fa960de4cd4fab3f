"""What goes wrong with one file, or on the way, costs no byte of it and stops no other file."""

import errno
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mutagen
import pytest
from library.songs import library_of, make_songs, undone, written
from mutagen.flac import FLAC

from earmark.errors import EarmarkError
from earmark.library import rewriting, tag_blocks
from earmark.library import write as writing
from earmark.library.file_words import words_in_files


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_songs(tmp_path_factory.mktemp("originals") / "songs", ["flac"])


@pytest.fixture
def place(tmp_path: Path) -> Callable[..., Path]:
    """Lay bytes into a file of the test's folder."""

    def lay(data: bytes, name: str = "song.mp3") -> Path:
        path = tmp_path / "music" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    return lay


FAULTS = (
    struct.error("short"),
    IndexError("list index out of range"),
    KeyError("rate"),
    OverflowError("too large"),
    ZeroDivisionError("division by zero"),
    MemoryError(),
    AssertionError(),
    RecursionError("deep"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
    OSError(errno.EIO, "Input/output error"),
    AttributeError("none"),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
@pytest.mark.parametrize("moment", ["__init__", "save"])
def test_whatever_one_file_raises_is_its_line_and_the_others_go_on(
    fault: Exception,
    moment: str,
    originals: dict[str, Path],
    place: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    songs = [place(originals["flac"].read_bytes(), f"{name}.flac") for name in "abc"]
    before = songs[1].read_bytes()
    right = getattr(tag_blocks.FlacTags, moment)

    def wrong(tags: Any, *given: Any) -> None:
        path = given[0] if given else tags._path
        copy = rewriting.copy_of(songs[1])
        if path in (songs[1], copy):
            raise fault
        right(tags, *given)

    with library_of(*songs) as library:
        with monkeypatch.context() as broken:
            broken.setattr(tag_blocks.FlacTags, moment, wrong)
            outcomes = written(library)
            words = list(words_in_files(library.database, map(str, songs), ["genre"]))
        assert [bool(outcome.reason) for outcome in outcomes] == [False, True, False]
        assert "\n" not in outcomes[1].reason
        assert songs[1].read_bytes() == before
        if moment == "__init__":
            assert [bool(found.reason) for found in words] == [False, True, False]
        assert [path.name for path in songs[0].parent.iterdir() if path.name.startswith(".")] == []
        assert [outcome.reason for outcome in undone(library)] == ["", ""]


@pytest.mark.parametrize("moment", ["the copy", "the tags", "the check"])
def test_a_full_disk_leaves_the_file(
    moment: str, originals: dict[str, Path], place: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    song = place(originals["flac"].read_bytes())

    def full(*given: Any, **options: Any) -> None:
        if moment == "the copy":
            Path(given[1]).write_bytes(song.read_bytes()[:1000])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    owner, name = {
        "the copy": (rewriting.shutil, "copyfile"),
        "the tags": (tag_blocks, "splice"),
        "the check": (writing.Original, "of"),
    }[moment]
    with library_of(song) as library:
        monkeypatch.setattr(owner, name, full)
        [outcome] = written(library)
        assert "No space left on device" in outcome.reason
    assert song.read_bytes() == originals["flac"].read_bytes()
    assert [path.name for path in song.parent.iterdir()] == [song.name]


@pytest.mark.parametrize("lost", ["an entry", "a block", "what was written"])
def test_a_copy_that_lost_anything_does_not_take_the_files_place(
    lost: str, originals: dict[str, Path], place: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    song = place(originals["flac"].read_bytes())
    picture = mutagen.flac.Picture()
    picture.data = b"a cover"
    tagged = FLAC(song)
    tagged.add_picture(picture)
    tagged.save()
    before = song.read_bytes()
    save = tag_blocks.FlacTags.save

    def wrong(tags: tag_blocks.FlacTags) -> None:
        save(tags)
        copy = FLAC(tags._path)
        if lost == "an entry":
            del copy["title"]
        elif lost == "a block":
            copy.clear_pictures()
        else:
            copy["genre"] = ["polka"]
        copy.save()

    with library_of(song) as library:
        monkeypatch.setattr(tag_blocks.FlacTags, "save", wrong)
        [outcome] = written(library)
        assert "the file was not changed" in outcome.reason
        with pytest.raises(EarmarkError, match="nothing to undo"):
            undone(library)
    assert song.read_bytes() == before
