"""An empty place of a disk is no deletion: nothing is taken for gone while its folder is empty, and it is told."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from library.disks import SmallDisk, small_disk
from library.engines import Scripted, honest, making

from earmark.errors import LibraryError
from earmark.library import adding
from earmark.library.jobs import Job, Outcome, Vanished
from earmark.library.library import Library
from earmark.tagging.tagger import Tagger


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    taken: list[float] = []
    monkeypatch.setattr(adding.time, "sleep", taken.append)
    return taken


def missing(library: Library) -> list[str]:
    rows = library.store.rows("SELECT path FROM paths WHERE missing ORDER BY path")
    return [Path(path.decode()).name for (path,) in rows]


def emptied(folder: Path) -> None:
    elsewhere = folder.with_name("elsewhere")
    shutil.copytree(folder, elsewhere)
    shutil.rmtree(folder)
    folder.mkdir()


@pytest.mark.parametrize("inner", ["", "first", "disk/music/first"])
def test_an_empty_folder_is_told_and_marks_nothing(library: Library, music: Path, tagger: Tagger, inner: str) -> None:
    if inner.startswith("disk"):
        (music / "disk" / "music").mkdir(parents=True)
        (music / "first").rename(music / inner)
    library.add(music, engine=making(Scripted(honest(tagger))))
    emptied(music / inner.removesuffix("/music/first"))
    added = library.add(music, engine=making(Scripted(honest(tagger))))
    known = 3 if inner else 5
    place = music / inner.removesuffix("/music/first")
    assert (added.missing, missing(library)) == (0, [])
    (note,) = added.notes
    assert note.startswith(f"{place}: none of {known} known files exists; if its disk is not connected, connect it")


def test_a_folder_that_was_deleted_is_gone(library: Library, music: Path, tagger: Tagger) -> None:
    library.add(music, engine=making(Scripted(honest(tagger))))
    shutil.rmtree(music / "first")
    added = library.add(music, engine=making(Scripted(honest(tagger))))
    assert (added.missing, added.notes) == (3, [])
    assert missing(library) == ["1.flac", "3.flac", "copy of 0.flac"]


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[SmallDisk]:
    """What is in a folder on a disk of its own."""
    files = folder.rename(folder.with_name("files"))
    with small_disk(folder) as disk:
        shutil.copytree(files, folder, dirs_exist_ok=True)
        shutil.rmtree(files)
        yield disk


def leaving(tagger: Tagger, leave: Callable[[], object], from_job: int) -> Scripted:
    good = honest(tagger)

    def answer(job: Job) -> Outcome:
        if len(engine.jobs) == from_job:
            leave()
        return good(job) if Path(job.path).exists() else Vanished("No such file or directory")

    engine = Scripted(answer)
    return engine


def test_a_disk_below_the_folder_that_goes_for_good_stops_the_run(
    library: Library, music: Path, tagger: Tagger
) -> None:
    with mounted(music / "first") as disk:
        engine = leaving(tagger, lambda: disk.folder.is_mount() and disk.unmount(), 3)
        with pytest.raises(LibraryError, match=f"{music / 'first'} can no longer be reached.*remain"):
            library.add(music, engine=making(engine))
    assert (library.failures(), missing(library)) == ([], [])


def test_a_folder_below_that_goes_leaves_its_files_to_be_done(library: Library, music: Path, tagger: Tagger) -> None:
    elsewhere = music.parent / "elsewhere"
    engine = leaving(tagger, lambda: (music / "first").exists() and (music / "first").rename(elsewhere), 3)
    added = library.add(music, engine=making(engine))
    assert (added.failed, added.vanished, library.failures()) == ([], 0, [])
    assert added.left > 0
    assert added.notes[0].endswith(f"{music / 'first'} can no longer be reached")
    elsewhere.rename(music / "first")
    library.add(music, engine=making(Scripted(honest(tagger))))
    assert len(library) == 4


@pytest.mark.parametrize("deep", [False, True])
def test_verify_takes_an_empty_folder_for_a_disk_that_is_not_connected(
    library: Library, music: Path, tagger: Tagger, deep: bool
) -> None:
    library.add(music, engine=making(Scripted(honest(tagger))))
    emptied(music)
    found = library.verify(engine=making(Scripted(honest(tagger))), deep=deep, repair=True)
    assert {finding.what for finding in found} == {"unreachable"}
    assert all(f"{music} is empty; connect its disk" in finding.detail for finding in found)
    assert missing(library) == []


def test_verify_finds_the_files_of_a_deleted_folder_missing(library: Library, music: Path, tagger: Tagger) -> None:
    library.add(music, engine=making(Scripted(honest(tagger))))
    shutil.rmtree(music / "first")
    found = library.verify(engine=making(Scripted(honest(tagger))), repair=True)
    assert {finding.what for finding in found} == {"missing"}
    assert missing(library) == ["1.flac", "3.flac", "copy of 0.flac"]
