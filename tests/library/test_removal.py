from collections.abc import Callable

import pytest
from library.synthetic import fill

from earmark.errors import LibraryError
from earmark.library.jobs import Stamp
from earmark.library.library import Library


@pytest.fixture
def filled(library: Library) -> Library:
    """Twelve tracks in two folders, one of them in both, and one failure."""
    fill(library, 12)
    library.database.add_paths([("/music/1/again.mp3", Stamp(1, 1), library.track(3).identity)])
    library.database.add_failure("/music/0/torn.mp3", Stamp(1, 1), "torn")
    return library


def numbers(library: Library) -> set[int]:
    assert {each.track_id for each in library.search("", n=None)} <= set(range(1, 13))
    return {track for (track,) in library.store.rows("SELECT id FROM tracks")}


@pytest.mark.parametrize(
    ("remove", "removed"),
    [
        (lambda library: library.remove(1, 5), {1, 5}),
        (lambda library: library.remove("/music/0/0.mp3"), {1}),
        (lambda library: library.remove("/music/0/2.mp3"), set()),
        (lambda library: library.remove("/music/0/2.mp3", "/music/1/again.mp3"), {3}),
        (lambda library: library.remove("/music/0"), {1, 2, *range(4, 11)}),
        (lambda library: library.remove("/music/1/"), {11, 12}),
        (lambda library: library.remove("/music"), set(range(1, 13))),
        (lambda library: library.remove("/music/0/torn.mp3"), set()),
        (lambda library: library.remove(), set()),
    ],
)
def test_what_is_removed(filled: Library, remove: Callable[[Library], int], removed: set[int]) -> None:
    assert remove(filled) == len(removed)
    assert numbers(filled) == set(range(1, 13)) - removed
    for table in ("descriptions", "words"):
        assert filled.store.row(f"SELECT count(*) FROM {table}") == filled.store.row("SELECT count(*) FROM paths")


def test_an_empty_name_is_not_the_current_folder(filled: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earmark.library.removal.absolute_path", lambda path: "/music" if not path else str(path))
    with pytest.raises(LibraryError):
        filled.remove("")
    assert numbers(filled) == set(range(1, 13))


def test_missing_tracks_are_removed_if_wanted(filled: Library) -> None:
    filled.database.mark_missing(["/music/0/0.mp3", "/music/0/2.mp3"], missing=True)
    assert filled.remove(missing=True) == 1
    assert numbers(filled) == set(range(2, 13))


def test_failures_of_a_removed_folder_are_forgotten(filled: Library) -> None:
    filled.remove("/music/0")
    assert filled.failures() == []


@pytest.mark.parametrize("name", [99, "/nowhere", "/music/0/to", "/mus"])
def test_nothing_is_removed_if_a_name_is_unknown(filled: Library, name: int | str) -> None:
    with pytest.raises(LibraryError, match="found nothing by this name"):
        filled.remove(1, name)
    assert len(filled) == 12


def test_tracks_that_lost_their_paths_before_stay(filled: Library) -> None:
    filled.database.forget_paths(["/music/0/0.mp3"])
    assert filled.remove("/music/0/1.mp3") == 1
    assert len(filled) == 11
