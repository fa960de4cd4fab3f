"""Record the tags written to files, together with the previous values, so that every write can be undone."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, cast

from earmark import __version__
from earmark.audio.identity import range_of_packets, same_sound
from earmark.errors import LibraryError
from earmark.library.original import Original, unpacked
from earmark.library.store import Store

State = Literal["begun", "done", "undone"]


@dataclass(frozen=True)
class Change:
    """The values under one name of a file's tags, before and after a write; empty if there is no such name."""

    name: str
    old: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True)
class Write:
    """The changes of one file in one run.

    kind: the format of the file's tags. had_tags: whether the file had a block of tags before. state: "begun" if the
    process ended before it recorded the result, so that the file may or may not have been written.
    """

    id: int
    run: int
    path: str
    identity: str
    kind: str
    had_tags: bool
    changes: tuple[Change, ...]
    state: State


@dataclass(frozen=True)
class Run:
    """One call of `write`.

    started: the time (ISO 8601, UTC). files: the number of files. standing: how many of them have not been undone.
    """

    id: int
    started: str
    model: str
    version: str
    files: int
    standing: int


class Journal:
    """The journal of a library. When a method returns, its record is on the disk."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def begin_run(self, model: str) -> int:
        """Begin a run and return its number."""
        return self._made(
            "INSERT INTO write_runs (started, model, version) VALUES (?, ?, ?) RETURNING id",
            (datetime.now(UTC).isoformat(timespec="seconds"), model, __version__),
        )

    def begin(self, run: int, path: str, identity: str, kind: str, had_tags: bool, changes: Sequence[Change]) -> int:
        """Record the planned changes of a file before it is changed, and return the number of the write."""
        text = json.dumps([[change.name, list(change.old), list(change.new)] for change in changes])
        return self._made(
            "INSERT INTO writes (run_id, path, identity, kind, had_tags, changes, state) "
            "VALUES (?, ?, ?, ?, ?, ?, 'begun') RETURNING id",
            (run, os.fsencode(path), identity, kind, had_tags, text),
        )

    def keep(self, write: int, original: Original) -> None:
        """Store what restores a file, before the changed copy replaces it."""
        with self._store.transaction():
            self._store.run("UPDATE writes SET original = ? WHERE id = ?", (original.packed(), write))

    def original(self, write: int) -> Original | None:
        """Return what restores a file, or None if the file was not replaced or an older version wrote it."""
        row = self._store.row("SELECT original FROM writes WHERE id = ?", (write,))
        return unpacked(row[0]) if row is not None and row[0] is not None else None

    def end(self, write: int, state: State) -> None:
        """Record that a file was written or restored."""
        self._store.run("UPDATE writes SET state = ? WHERE id = ?", (state, write))

    def runs(self) -> list[Run]:
        """Return all runs that wrote files, the latest first."""
        rows = self._store.rows(
            "SELECT write_runs.id, started, model, version, count(*), sum(state <> 'undone') "
            "FROM write_runs JOIN writes ON run_id = write_runs.id GROUP BY write_runs.id ORDER BY write_runs.id DESC"
        )
        return [Run(*row) for row in rows]

    def latest_run(self) -> int:
        """Return the latest run that is not completely undone.

        Raises:
            LibraryError: there is no such run.
        """
        row = self._store.row("SELECT max(run_id) FROM writes WHERE state <> 'undone'")
        if row is None or row[0] is None:
            raise LibraryError(f"{self._store.path}: found no tags that were written, so there is nothing to undo.")
        return int(row[0])

    def standing(self, run: int) -> list[Write]:
        """Return the writes of a run that were not undone, the latest first.

        Raises:
            LibraryError: the run is unknown.
        """
        if self._store.row("SELECT 1 FROM write_runs WHERE id = ?", (run,)) is None:
            known = ", ".join(str(each.id) for each in self.runs()) or "none"
            raise LibraryError(f"found no run {run} of written tags, expected one of: {known}. Choose one of those.")
        return self._writes("run_id = ? AND state <> 'undone' ORDER BY id DESC", (run,))

    def own_values(self, path: str, identity: str) -> dict[str, tuple[str, ...]]:
        """Return the values that earmark wrote to a file, by name. The file may have been moved since."""
        own: dict[str, tuple[str, ...]] = {}
        where = "(path = ? OR (identity >= ? AND identity < ?)) AND state <> 'undone' ORDER BY id"
        for write in self._writes(where, (os.fsencode(path), *range_of_packets(identity))):
            if write.path != path and not same_sound(write.identity, identity):
                continue
            own.update({change.name: change.new for change in write.changes})
        return own

    def _writes(self, where: str, values: Sequence[object]) -> list[Write]:
        rows = self._store.rows(
            f"SELECT id, run_id, path, identity, kind, had_tags, changes, state FROM writes WHERE {where}", values
        )
        return [
            Write(
                number,
                run,
                os.fsdecode(path),
                identity,
                kind,
                bool(had_tags),
                tuple(Change(name, tuple(old), tuple(new)) for name, old, new in json.loads(changes)),
                cast(State, state),
            )
            for number, run, path, identity, kind, had_tags, changes, state in rows
        ]

    def _made(self, sql: str, values: Sequence[Any]) -> int:
        # A transaction of its own makes sure that the record is on the disk when this function returns.
        with self._store.transaction():
            row = self._store.row(sql, values)
        if row is None:
            raise LibraryError(f"{self._store.path}: the journal could not be written; nothing was changed. Try again.")
        return int(row[0])
