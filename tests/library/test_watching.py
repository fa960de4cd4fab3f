"""Folders that are followed: when a file counts as whole, what is added, and disks that come and go."""

import shutil
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from training.sounds import write_noise

from earmark.errors import LibraryError
from earmark.library.adding import Added
from earmark.library.library import Library
from earmark.library.watching import FolderChanges, Following, folder_changes


class Clock:
    """A clock that goes on by one second whenever changes are looked at."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def changes(self, *steps: object) -> Iterator[FolderChanges]:
        """Yield a look a second; a step is a path that changes, a function that is called, or nothing."""
        for step in steps:
            self.now += 1.0
            if isinstance(step, Path):
                yield FolderChanges(frozenset((str(step),)))
                continue
            if callable(step):
                step()
            yield FolderChanges()


def followed(folder: Path, clock: Clock, added: list[Sequence[str]]) -> Following:
    def add(named: Sequence[str]) -> Added:
        added.append([Path(name).name for name in named])
        return Added()

    return Following([str(folder)], add, settled_seconds=3.0, clock=clock)


def test_a_file_is_added_once_it_has_not_changed_for_long_enough(tmp_path: Path) -> None:
    song, clock, added = tmp_path / "song.mp3", Clock(), list[Sequence[str]]()
    song.write_bytes(b"1")
    following = followed(tmp_path, clock, added)

    def grow() -> None:
        song.write_bytes(song.read_bytes() + b"1")

    assert list(following(clock.changes(song, None, grow, grow, None, None))) == []
    assert added == [], "it grew two seconds ago, without an event"
    list(following(clock.changes(None, None, None)))
    assert added == [["song.mp3"]]
    list(following(clock.changes(*[None] * 9)))
    assert added == [["song.mp3"]]


def test_other_files_and_those_that_go_again_are_left_alone(tmp_path: Path) -> None:
    clock, added = Clock(), list[Sequence[str]]()
    for name in ("cover.jpg", "song.mp3.part", "._song.mp3", "gone.mp3"):
        (tmp_path / name).write_bytes(b"1")
    steps = [tmp_path / name for name in ("cover.jpg", "song.mp3.part", "._song.mp3", "gone.mp3")]
    list(followed(tmp_path, clock, added)(clock.changes(*steps, (tmp_path / "gone.mp3").unlink, *[None] * 5)))
    assert added == []


def test_a_folder_that_is_moved_in_is_added_and_a_deletion_is_looked_for_everywhere(tmp_path: Path) -> None:
    clock, added = Clock(), list[Sequence[str]]()
    album = tmp_path / "album"
    for name in ("1.mp3", "2.mp3"):
        write_noise(album / name, 1)
    following = followed(tmp_path, clock, added)
    list(following(clock.changes(album, *[None] * 3)))
    assert added == [["1.mp3", "2.mp3"]]
    (album / "1.mp3").unlink()
    list(following(clock.changes(album / "1.mp3", None)))
    assert added[1:] == [[tmp_path.name]]


def test_an_outage_is_tried_again_after_longer_and_longer(tmp_path: Path) -> None:
    clock, tries = Clock(), list[float]()

    def add(named: Sequence[str]) -> Added:
        tries.append(clock.now)
        if len(tries) < 4:
            raise LibraryError("the disk is gone")
        return Added()

    following = Following([str(tmp_path)], add, clock=clock)
    list(following(iter([FolderChanges(everything=True)])))
    list(following(clock.changes(*[None] * 20)))
    assert tries == [0.0, 1.0, 3.0, 7.0]


def test_the_real_program_tells_of_files_and_of_folders_that_come_back(tmp_path: Path) -> None:
    pytest.importorskip("watchfiles", reason="needs the extra watch")
    folder, stop = tmp_path / "music", threading.Event()
    folder.mkdir()
    watching = folder_changes([str(folder)], stop=stop)
    guard = threading.Timer(60.0, stop.set)
    guard.start()
    try:
        assert next(watching).everything
        next(watching)
        (folder / "a.mp3").write_bytes(b"1")
        assert any(str(folder / "a.mp3") in each.paths for each in watching)
        shutil.rmtree(folder)
        assert any(each.everything for each in watching), "the folder is gone"
        folder.mkdir()
        assert any(each.everything for each in watching), "another folder is there"
        next(watching)
        (folder / "b.mp3").write_bytes(b"1")
        assert any(str(folder / "b.mp3") in each.paths for each in watching)
    finally:
        guard.cancel()
        watching.close()


def test_a_disk_that_goes_takes_nothing_from_the_library(library: Library, music: Path, tmp_path: Path) -> None:
    clock = Clock()
    following = Following([str(music)], lambda named: library.add(*named, jobs=1), settled_seconds=0.0, clock=clock)
    [first] = following(iter([FolderChanges(everything=True)]))
    assert isinstance(first, Added) and first.recordings
    shutil.move(music, tmp_path / "elsewhere")
    music.mkdir()
    [second] = following(iter([FolderChanges(everything=True)]))
    assert isinstance(second, Added) and (second.missing, second.recordings) == (0, 0)
    music.rmdir()
    shutil.move(tmp_path / "elsewhere", music)
    [third] = following(iter([FolderChanges(everything=True)]))
    assert isinstance(third, Added) and third.known == third.found == first.found
