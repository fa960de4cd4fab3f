"""An SQLite file that is a library: opened, brought to the present schema, written in whole transactions."""

import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from earmark.errors import LibraryError
from earmark.file_name import folded
from earmark.library.schema import APPLICATION_ID, MIGRATIONS

BUSY_SECONDS = 60.0
"""How long one process waits for another's write."""
RETRY_SECONDS = 0.01
FREE_BYTES = 1 << 20
"""With less than this a disk is full; SQLite's log grows in steps of 32 KiB and of pages."""
CACHE_KILOBYTES = 32_768


class Store:
    """The connection of one process to a library's file; every error is a LibraryError that names the file."""

    def __init__(self, path: str | os.PathLike[str], *, make: bool = True, busy_seconds: float = BUSY_SECONDS) -> None:
        """Open a library, made where there is none unless `make` is False; an older one is brought up to date."""
        self.path = Path(path)
        self._busy_seconds = busy_seconds
        if not make and not self.path.exists():
            raise LibraryError(
                f"{self.path}: found no such file, expected a library. Make one with `earmark library add FOLDER`, or "
                "name another with --library."
            )
        with self._told():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # The superuser too cannot write to a disk that is read-only.
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
        """Run a statement and return all that it gives."""
        with self._told():
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, values: Sequence[object] = ()) -> tuple[Any, ...] | None:
        """Run a statement and return the first row that it gives, or None."""
        with self._told():
            found: tuple[Any, ...] | None = self._connection.execute(sql, values).fetchone()
            return found

    def stream(self, sql: str, values: Sequence[object] = (), *, size: int = 1_000) -> Iterator[list[tuple[Any, ...]]]:
        """Run a statement and yield what it gives in lists of up to `size` rows."""
        with self._told():
            cursor = self._connection.execute(sql, values)
        while True:
            with self._told():
                rows = cursor.fetchmany(size)
            if not rows:
                return
            yield rows

    def run(self, sql: str, values: Sequence[object] = ()) -> int:
        """Run a statement that writes; returns how many rows it changed."""
        with self._told():
            return self._connection.execute(sql, values).rowcount

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written within, or none of it; waits for other writers."""
        with self._told():
            self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            with self._told():
                self._connection.execute("COMMIT")
        finally:
            # Still open: something went wrong within. A full disk rolls back by itself.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    @contextmanager
    def many_writes(self) -> Iterator[None]:
        """Do not wait for the disk at every transaction: some thousand a second instead of some hundred.

        Where a process is killed nothing changes; where the power fails the last transactions may be lost, each whole.
        """
        self.run("PRAGMA synchronous = NORMAL")
        try:
            yield
        finally:
            self.run("PRAGMA synchronous = FULL")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all that is read within be of one moment, whatever others write."""
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

        Its write-ahead log needs files beside it. Where these cannot be made, nobody writes, and the file is read as it
        is; but not while the log holds what the file does not.
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
        # One statement, so of one moment: another process may be making the file just now.
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
        """Go on with a temporary copy, of this connection alone: an older library that cannot be brought up to date."""
        with self._told():
            copy = self._connect("")  # on the disk of temporary files, and gone when it is closed
            self._connection.backup(copy)
            self._connection.close()
        self._connection = copy

    def _share(self) -> None:
        """Set the write-ahead log, which stays with the file.

        Two processes that make the same file may each hold what the other waits for. SQLite then says at once that the
        file is locked, without the wait that it keeps elsewhere, so the wait is here.
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
            done = self._number("user_version")  # another process may have been first
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


def folded_path(path: bytes) -> bytes:
    """A path as it stands in the column `folded`; see `folded`."""
    return os.fsencode(folded(os.fsdecode(path)))


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < FREE_BYTES
    except OSError:
        return False


def _has_no_room(error: BaseException | None) -> bool:
    """Whether SQLite could not make the files of its write-ahead log."""
    codes = (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN)
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF in codes


def _sentence(error: sqlite3.Error | OSError, folder: Path) -> str:
    """What went wrong and what to do about it; `folder`: of the library."""
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    # Where SQLite cannot lengthen the files of its write-ahead log, it does not say why.
    if "full" in text or "No space" in text or "quota" in text or (_has_no_room(error) and _is_full(folder)):
        return (
            f"the disk is full. What was done is kept: make room where {folder.absolute()} lies, and run the same "
            "command again."
        )
    if "locked" in text or "busy" in text:
        return f"another process has been writing for {BUSY_SECONDS:.0f} seconds. Wait for it, or end it."
    if "not a database" in text or "malformed" in text:
        return f"found a file that cannot be read as a library ({text}). Name another, or bring back a copy of it."
    return f"the library cannot be used ({text}). Check the folder and who may write there."
