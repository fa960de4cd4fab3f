import contextlib
import sqlite3
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from library.disks import small_disk

from earmark.errors import LibraryError
from earmark.file_name import folded_path
from earmark.library import store
from earmark.library.database import Database
from earmark.library.store import APPLICATION_ID, MIGRATIONS, Store, default_library

SECOND = ("CREATE TABLE journal (id INTEGER PRIMARY KEY)", "INSERT INTO journal VALUES (7)")


def test_a_library_is_made_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "music.earmark"
    first = Store(path)
    name = first.row("SELECT value FROM state WHERE name = 'library'")
    first.close()
    again = Store(path, make=False)
    assert again.row("SELECT value FROM state WHERE name = 'library'") == name
    assert again.row("PRAGMA journal_mode") == ("wal",)
    assert again.row("PRAGMA user_version") == (len(store.MIGRATIONS),)
    again.close()


def test_one_that_is_not_there_is_not_made_by_looking(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="found no such file, expected a library"):
        Store(tmp_path / "absent.earmark", make=False)
    assert not list(tmp_path.iterdir())


def test_other_files_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no library at all " * 100)
    with pytest.raises(LibraryError, match="cannot be read as a library"):
        Store(text)
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE books (title)")
    connection.close()
    with pytest.raises(LibraryError, match="SQLite file of another program"):
        Store(other)
    with pytest.raises(LibraryError, match="cannot be used"):
        Store(tmp_path)


def test_an_older_schema_is_brought_up_and_a_newer_one_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "music.earmark"
    old = Store(path)
    old.run("INSERT INTO state VALUES ('mine', 'kept')")
    old.close()
    with monkeypatch.context() as later:
        later.setattr(store, "MIGRATIONS", (*store.MIGRATIONS, SECOND))
        new = Store(path)
        assert new.rows("SELECT * FROM journal") == [(7,)]
        assert new.row("SELECT value FROM state WHERE name = 'mine'") == ("kept",)
        new.close()
        Store(path).close()  # each step is done once
    with pytest.raises(LibraryError, match=f"found a library of schema {len(store.MIGRATIONS) + 1}"):
        Store(path)


def test_a_step_that_fails_leaves_the_older_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "music.earmark"
    Store(path).close()
    with monkeypatch.context() as later:
        later.setattr(store, "MIGRATIONS", (*store.MIGRATIONS, (*SECOND, "no statement")))
        with pytest.raises(LibraryError, match="syntax error"):
            Store(path)
    opened = Store(path)
    assert opened.row("SELECT 1 FROM sqlite_master WHERE name = 'journal'") is None
    opened.close()


def test_a_transaction_is_whole_or_nothing(tmp_path: Path) -> None:
    opened = Store(tmp_path / "music.earmark")
    with pytest.raises(ValueError, match="on the way"), opened.transaction():
        opened.run("INSERT INTO state VALUES ('half', 1)")
        raise ValueError("on the way")
    with opened.transaction():
        opened.run("INSERT INTO state VALUES ('whole', 1)")
    assert opened.rows("SELECT name FROM state WHERE name IN ('half', 'whole')") == [("whole",)]
    opened.close()


def test_two_writers_wait_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "music.earmark"
    first = Store(path)
    done: list[float] = []

    def write() -> None:
        second = Store(path)
        with second.transaction():
            second.run("INSERT INTO state VALUES ('second', 1)")
        done.append(time.monotonic())
        second.close()

    thread = threading.Thread(target=write)
    with first.transaction():
        first.run("INSERT INTO state VALUES ('first', 1)")
        thread.start()
        time.sleep(0.3)
        assert done == []
    thread.join()
    assert len(first.rows("SELECT * FROM state WHERE name IN ('first', 'second')")) == 2
    first.close()


def test_who_waits_too_long_is_told(tmp_path: Path) -> None:
    path = tmp_path / "music.earmark"
    first, second = Store(path), Store(path, busy_seconds=0.05)
    with first.transaction(), pytest.raises(LibraryError, match="another process has been writing"):
        second.run("INSERT INTO state VALUES ('second', 1)")
    first.close()
    second.close()


def test_many_make_the_same_file_at_once(tmp_path: Path) -> None:
    begin = threading.Barrier(4)

    def version_of(path: Path) -> int:
        begin.wait()
        made = Store(path)
        ((version,),) = made.rows("PRAGMA user_version")
        made.close()
        return int(version)

    with ThreadPoolExecutor(4) as pool:
        for made in range(20):
            versions = list(pool.map(version_of, [tmp_path / f"{made}.earmark"] * 4))
            assert versions == [len(store.MIGRATIONS)] * 4


def test_many_writes_are_as_whole(tmp_path: Path) -> None:
    opened = Store(tmp_path / "music.earmark")
    with opened.many_writes():
        assert opened.row("PRAGMA synchronous") == (1,)
        opened.run("INSERT INTO state VALUES ('one', 1)")
    assert opened.row("PRAGMA synchronous") == (2,)
    opened.close()


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    opened = Store(tmp_path / "music.earmark")
    pages = opened.row("PRAGMA page_count")
    assert pages is not None
    opened.rows(f"PRAGMA max_page_count = {pages[0] + 4}")
    kept = 0
    with pytest.raises(LibraryError, match=r"the disk is full\. Finished work is kept"):
        while True:
            with opened.transaction():
                opened.run("INSERT INTO state VALUES (?, zeroblob(3000))", (f"row {kept}",))
            kept += 1
    assert kept > 0
    opened.rows("PRAGMA max_page_count = 100000")
    assert opened.row("SELECT count(*) FROM state WHERE name LIKE 'row %'") == (kept,)
    with opened.transaction():
        opened.run("INSERT INTO state VALUES ('after', 1)")
    opened.close()


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, "home/.local/share/earmark/music.earmark"),
        ("linux", {"XDG_DATA_HOME": "data"}, "data/earmark/music.earmark"),
        ("darwin", {}, "home/Library/Application Support/earmark/music.earmark"),
        ("win32", {"LOCALAPPDATA": "local"}, "local/earmark/music.earmark"),
        ("win32", {}, "home/AppData/Local/earmark/music.earmark"),
    ],
)
def test_the_default_library_is_in_the_data_folder_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str, variables: dict[str, str], expected: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    for name in ("XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    assert default_library() == tmp_path / expected
    assert list(tmp_path.iterdir()) == [], "nothing is made"


@pytest.mark.parametrize("schema", range(1, len(MIGRATIONS) + 1))
def test_a_library_of_every_schema_can_be_read_where_it_cannot_be_written(tmp_path: Path, schema: int) -> None:
    with small_disk(tmp_path / "disk", 4) as disk:
        place = disk.folder / "old.earmark"
        with contextlib.closing(sqlite3.connect(place, isolation_level=None)) as old:
            old.create_function("folded", 1, folded_path, deterministic=True)
            for statement in (each for step in MIGRATIONS[:schema] for each in step):
                old.execute(statement)
            old.execute("INSERT INTO failures VALUES (?, 1, 1, 'torn', 1, 'once')", (b"/a.flac",))
            old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            old.execute(f"PRAGMA user_version = {schema}")
        before = place.read_bytes()
        disk.make_read_only()
        with contextlib.closing(Store(place, make=False)) as store:
            database = Database(store)
            assert [failure.path for failure in database.failures()] == ["/a.flac"]
            assert store.rows("SELECT folded FROM paths") == store.rows("SELECT original FROM writes") == []
        assert place.read_bytes() == before


def test_a_python_without_full_text_search_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # No other module has this name, as FTS5 has none where SQLite was built without it.
    monkeypatch.setattr(store, "MIGRATIONS", (*MIGRATIONS, ("CREATE VIRTUAL TABLE x USING fts5_of_nobody(a)",)))
    with pytest.raises(LibraryError, match="no full-text search"):
        Store(tmp_path / "music.earmark")
