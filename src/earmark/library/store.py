"""Open the SQLite file of a library, migrate it to the current schema, and run statements in transactions."""

import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from earmark.errors import LibraryError
from earmark.file_name import folded_path
from earmark.library.schema import APPLICATION_ID, MIGRATIONS


def default_library() -> Path:
    """Return the path of the default library in the user's data folder. Nothing is created."""
    home = Path.home()
    if sys.platform == "win32":
        folder = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        folder = home / "Library" / "Application Support"
    else:
        folder = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return folder / "earmark" / "music.earmark"


BUSY_SECONDS = 60.0
"""How long a process waits while another one writes."""
RETRY_SECONDS = 0.01
FREE_BYTES = 1 << 20
"""A disk with less free space than this counts as full; SQLite's log grows in steps of 32 KiB and of pages."""
CACHE_KILOBYTES = 32_768


class Store:
    """The connection of a process to a library file. Every error is a LibraryError that names the file."""

    def __init__(self, path: str | os.PathLike[str], *, make: bool = True, busy_seconds: float = BUSY_SECONDS) -> None:
        """Open a library, and migrate an older one to the current schema.

        make: create the library if there is none. busy_seconds: how long to wait while another process writes.

        Raises:
            LibraryError: there is no library and `make` is False, or the file cannot be used.
        """
        self.path = Path(path)
        self._busy_seconds = busy_seconds
        if not make and not self.path.exists():
            raise LibraryError(
                f"{self.path}: found no such file, expected a library. Make one with `earmark library add FOLDER`, or "
                "name another with --library."
            )
        with self._told():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # On a read-only disk this is False for the superuser too.
            self.read_only = self.path.exists() and not (
                os.access(self.path, os.W_OK) and os.access(self.path.parent, os.W_OK)
            )
            self._connection = self._reading() if self.read_only else self._connect(os.fspath(self.path))
        try:
            self._prepare()
        except LibraryError as error:
            self._connection.close()
            if make or self.read_only or not _has_no_room(error.__cause__):
                raise
            self.read_only = True
            with self._told():
                self._connection = self._reading()
            self._prepare()

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a statement and return all its rows."""
        with self._told():
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, values: Sequence[object] = ()) -> tuple[Any, ...] | None:
        """Run a statement and return its first row, or None."""
        with self._told():
            found: tuple[Any, ...] | None = self._connection.execute(sql, values).fetchone()
            return found

    def stream(self, sql: str, values: Sequence[object] = (), *, size: int = 1_000) -> Iterator[list[tuple[Any, ...]]]:
        """Run a statement and yield its rows in lists of up to `size`."""
        with self._told():
            cursor = self._connection.execute(sql, values)
        while True:
            with self._told():
                rows = cursor.fetchmany(size)
            if not rows:
                return
            yield rows

    def run(self, sql: str, values: Sequence[object] = ()) -> int:
        """Run a statement that writes, and return the number of rows that it changed."""
        with self._told():
            return self._connection.execute(sql, values).rowcount

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all changes of a `with` block, or none of them. Waits for other writers."""
        with self._told():
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            with self._told():
                self._connection.execute("COMMIT")
        finally:
            # The transaction is still open after an error, except on a full disk, where SQLite has rolled back itself.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    @contextmanager
    def many_writes(self) -> Iterator[None]:
        """Speed up many small transactions in a `with` block by not waiting for the disk after each.

        A killed process loses nothing. A power failure may lose the last transactions, but each of them as a whole.
        """
        self.run("PRAGMA synchronous = NORMAL")
        try:
            yield
        finally:
            self.run("PRAGMA synchronous = FULL")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read the same state of the library throughout a `with` block, whatever other processes write."""
        with self._told():
            self._connection.execute("BEGIN")
        try:
            yield
        finally:
            with self._told():
                self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        with self._told():
            self._connection.close()

    def _connect(self, place: str) -> sqlite3.Connection:
        uri = place.startswith("file:")
        connection = sqlite3.connect(place, timeout=self._busy_seconds, isolation_level=None, uri=uri)
        connection.create_function("folded", 1, folded_path, deterministic=True)
        return connection

    def _reading(self) -> sqlite3.Connection:
        """Open a library that cannot be written.

        SQLite's write-ahead log needs files beside the library. If these cannot be made, no process writes, so the file
        is opened as immutable, unless an existing log holds changes that are not yet in the file.
        """
        place = self.path.absolute().as_uri()
        connection = self._connect(f"{place}?mode=ro")
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            connection.close()
            log = self.path.with_name(f"{self.path.name}-wal")
            if log.exists() and log.stat().st_size:
                raise LibraryError(
                    f"{self.path}: it cannot be written, and {log.name} beside it holds changes that are not in it "
                    "yet. Copy both to a folder that can be written, and name the copy."
                ) from error
            connection = self._connect(f"{place}?immutable=1")
        return connection

    def _prepare(self) -> None:
        known = len(MIGRATIONS)
        # One statement reads all three at once, because another process may be creating the file.
        ((version, application, tables),) = self.rows(
            "SELECT user_version, application_id, (SELECT count(*) FROM sqlite_master) "
            "FROM pragma_user_version, pragma_application_id"
        )
        if application != APPLICATION_ID and (version or tables):
            raise LibraryError(
                f"{self.path}: found an SQLite file of another program, expected a library of earmark. "
                "Name another file."
            )
        if version > known:
            raise LibraryError(
                f"{self.path}: found a library of schema {version}, expected at most {known}: a newer earmark made it. "
                "Install that version, or name another file."
            )
        for pragma in ("foreign_keys = ON", f"cache_size = -{CACHE_KILOBYTES}", "synchronous = FULL"):
            self.run(f"PRAGMA {pragma}")
        if version < known:
            if self.read_only:
                self._copy()
            else:
                self._share()
            self._migrate()

    def _copy(self) -> None:
        """Replace the connection by a temporary copy of an older library that cannot be migrated where it is."""
        with self._told():
            copy = self._connect("")  # SQLite deletes this temporary file when it is closed.
            self._connection.backup(copy)
            self._connection.close()
        self._connection = copy

    def _share(self) -> None:
        """Switch the file to a write-ahead log, which is permanent.

        Two processes that create the same file can block each other. SQLite then reports a locked file immediately
        instead of waiting, so this function retries.
        """
        last = monotonic() + self._busy_seconds
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() > last:
                    raise LibraryError(f"{self.path}: {_sentence(error, self.path.parent)}") from error
                sleep(RETRY_SECONDS)
            else:
                return

    def _migrate(self) -> None:
        with self.transaction():
            done = self._number("user_version")  # Another process may have migrated the file meanwhile.
            for statements in MIGRATIONS[done:]:
                for statement in statements:
                    self.run(statement)
            self.run(f"PRAGMA application_id = {APPLICATION_ID}")
            self.run(f"PRAGMA user_version = {max(done, len(MIGRATIONS))}")

    def _number(self, pragma: str) -> int:
        found = self.row(f"PRAGMA {pragma}")
        return int(found[0]) if found is not None else 0

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise LibraryError(f"{self.path}: {_sentence(error, self.path.parent)}") from error


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < FREE_BYTES
    except OSError:
        return False


def _has_no_room(error: BaseException | None) -> bool:
    """Return whether SQLite could not create the files of its write-ahead log."""
    codes = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN)
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF in codes


def _sentence(error: sqlite3.Error | OSError, folder: Path) -> str:
    """Return what went wrong and what to do about it. `folder` is the library's folder."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    # SQLite does not say why it cannot extend the files of its write-ahead log.
    if "full" in text or "No space" in text or "quota" in text or (_has_no_room(error) and _is_full(folder)):
        return (
            f"the disk is full. Finished work is kept: free some space where {folder.absolute()} is, and run the same "
            "command again."
        )
    if "no such module: fts5" in text:
        return "this Python's SQLite has no full-text search (FTS5), which searches need. Use a Python that has it."
    if "locked" in text or "busy" in text:
        return f"another process has been writing for {BUSY_SECONDS:.0f} seconds. Wait for it, or end it."
    if "not a database" in text or "malformed" in text:
        return f"found a file that cannot be read as a library ({text}). Choose another, or restore a copy of it."
    return f"the library cannot be used ({text}). Check the folder and its permissions."
