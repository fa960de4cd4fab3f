"""The library's rows: recordings, their paths, what a model heard in them, and files that failed."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.audio.identity import MARK, packets_of
from earmark.errors import LibraryError
from earmark.library.analysis import Analysis, PackedOverTime
from earmark.library.jobs import Stamp
from earmark.library.remote import is_remote
from earmark.library.store import Store
from earmark.tagging.bundle.card import Card
from earmark.tagging.bundle.json import card_from_json, card_to_json

PRESENT = "EXISTS (SELECT 1 FROM paths WHERE track_id = tracks.id AND NOT missing)"


@dataclass(frozen=True, eq=False)
class Track:
    """One recording of a library.

    paths: where it lies, those that are there first, in order; empty where none is known. logits: (tags,) float32.
    """

    id: int
    identity: str
    paths: tuple[str, ...]
    duration_seconds: float
    truncated: bool
    short: tuple[str, ...]
    decoder: str
    version: str
    added: str
    model_id: int
    logits: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Failure:
    """A file that could not be used: why, how often it was tried, and when last (ISO 8601, UTC)."""

    path: str
    reason: str
    attempts: int
    failed: str


@dataclass(frozen=True)
class KnownPath:
    """A path that leads to a recording."""

    track_id: int
    identity: str
    model_id: int
    stamp: Stamp
    missing: bool


@dataclass(frozen=True)
class Heard:
    """What a recording's row says of how it was heard: by which model, how much of it, and whether it broke off.

    own: the row is of these packets as they are decoded in this file, not of its packets alone.
    """

    model_id: int
    duration_seconds: float
    truncated: bool
    own: bool = True

    def is_more_than(self, other: "Heard") -> bool:
        """Whether this is the better of two hearings of one recording: the one that did not break off, or longer."""
        return (not self.truncated, self.duration_seconds) > (not other.truncated, other.duration_seconds)


class Database:
    """Reads and writes a library's rows; what belongs together is written in one transaction."""

    def __init__(self, store: Store) -> None:
        self.store = store

    # Models

    def model_id(self, card: Card) -> int:
        """The row of a model, made where there is none; its card is brought up to date."""
        hashes, text = _hashes(card), card_to_json(card)
        found = self.store.row(
            "SELECT id, card FROM models WHERE extractor_hashes = ? AND head_hash = ?", (hashes, card.head.hash)
        )
        if found is not None and found[1] == text:
            return int(found[0])
        with self.store.transaction():
            row = self.store.row(
                "INSERT INTO models (extractor_hashes, head_hash, card) VALUES (?, ?, ?) "
                "ON CONFLICT DO UPDATE SET card = excluded.card RETURNING id",
                (hashes, card.head.hash, text),
            )
        return int(_there(row)[0])

    def models(self) -> dict[int, Card]:
        """All models that heard anything, by their rows."""
        rows = self.store.rows("SELECT id, card FROM models")
        return {number: card_from_json(text, f"{self.store.path}: model {number}") for number, text in rows}

    def card_text(self, model_id: int) -> str:
        """A model's card, as it is kept."""
        return str(_there(self.store.row("SELECT card FROM models WHERE id = ?", (model_id,)))[0])

    def current_model(self) -> int | None:
        """The row of the model that the library was last filled with, None before that."""
        found = self.store.row("SELECT value FROM state WHERE name = 'model'")
        return int(found[0]) if found is not None else None

    def current_card(self) -> tuple[int, Card]:
        """Return the row and the card of the model that the library was last filled with.

        Raises LibraryError before anything was added.
        """
        number = self.current_model()
        if number is None:
            raise LibraryError(
                f"{self.store.path}: found nothing in the library, expected tracks. Add some: earmark library add "
                "FOLDER."
            )
        return number, card_from_json(self.card_text(number), f"{self.store.path}: model {number}")

    def make_current(self, model_id: int) -> None:
        """Remember the model that the library is filled with."""
        if self.current_model() != model_id:
            self.store.run("INSERT OR REPLACE INTO state VALUES ('model', ?)", (model_id,))

    def other_heads(self, model_id: int) -> list[int]:
        """The rows of models with the same extractors, hence the same vectors, and another head."""
        rows = self.store.rows(
            "SELECT other.id FROM models AS own JOIN models AS other USING (extractor_hashes) "
            "WHERE own.id = ? AND other.id <> own.id",
            (model_id,),
        )
        return [number for (number,) in rows]

    # What is known of a file

    def known_path(self, path: str) -> KnownPath | None:
        """What a path leads to, or None."""
        found = self.store.row(
            "SELECT track_id, identity, model_id, size_bytes, modified_ns, missing "
            "FROM paths JOIN tracks ON tracks.id = track_id WHERE path = ?",
            (os.fsencode(path),),
        )
        if found is None:
            return None
        track_id, identity, model_id, size_bytes, modified_ns, missing = found
        return KnownPath(track_id, identity, model_id, Stamp(size_bytes, modified_ns), bool(missing))

    def failed_stamp(self, path: str) -> Stamp | None:
        """What a file was like when it failed, or None where it did not."""
        found = self.store.row("SELECT size_bytes, modified_ns FROM failures WHERE path = ?", (os.fsencode(path),))
        return Stamp(*found) if found is not None else None

    def model_of(self, identity: str) -> int | None:
        """The row of the model that heard a recording, or None where it is not known."""
        heard = self.heard(identity)
        return heard.model_id if heard is not None else None

    def heard(self, identity: str) -> Heard | None:
        """How a recording was heard, or None where it is not known; see `track_of`."""
        found = self._row_of(identity)
        if found is None:
            return None
        _, model_id, duration_seconds, truncated, kept = found
        return Heard(int(model_id), float(duration_seconds), bool(truncated), own=kept == identity)

    def track_of(self, identity: str) -> int | None:
        """The row of a recording, or None where it is not known.

        What was heard when identities were of packets alone stands for every way in which these are decoded, until a
        file is heard again.
        """
        found = self._row_of(identity)
        return int(found[0]) if found is not None else None

    def _row_of(self, identity: str) -> tuple[Any, ...] | None:
        packets = packets_of(identity)
        columns = "SELECT id, model_id, duration_seconds, truncated, identity FROM tracks WHERE identity"
        found = self.store.row(f"{columns} IN (?, ?) ORDER BY identity = ? DESC", (identity, packets, identity))
        if found is None and identity == packets:
            within = packets + MARK, packets + chr(ord(MARK) + 1)
            found = self.store.row(f"{columns} > ? AND identity < ? ORDER BY id", within)
        return found

    def paths_under(self, folder: str) -> Iterator[str]:
        """The paths within a folder that are not marked as missing."""
        for rows in self.store.stream(
            "SELECT path FROM paths WHERE path >= ? AND path < ? AND NOT missing", paths_within(folder)
        ):
            yield from (os.fsdecode(path) for (path,) in rows)

    # Writing

    def add_track(self, analysis: Analysis, model_id: int, files: Iterable[tuple[str, Stamp]]) -> None:
        """Keep what was heard in a recording and where it lies, all at once."""
        with self.store.transaction():
            row = self.store.row(
                "INSERT INTO tracks (identity, model_id, version, decoder, added, duration_seconds, truncated, short, "
                "logits, embedding) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (identity) DO UPDATE SET "
                "model_id = excluded.model_id, version = excluded.version, decoder = excluded.decoder, "
                "duration_seconds = excluded.duration_seconds, truncated = excluded.truncated, short = excluded.short, "
                "logits = excluded.logits, embedding = excluded.embedding RETURNING id",
                (
                    analysis.identity,
                    model_id,
                    analysis.version,
                    analysis.decoder,
                    _now(),
                    analysis.duration_seconds,
                    analysis.truncated,
                    " ".join(analysis.short),
                    analysis.logits.astype("<f4").tobytes(),
                    analysis.embedding.astype("<f2").tobytes(),
                ),
            )
            track_id = int(_there(row)[0])
            if analysis.over_time is not None:
                packed = analysis.over_time
                self.store.run(
                    "INSERT OR REPLACE INTO over_time VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        track_id,
                        model_id,
                        packed.window_seconds,
                        packed.hop_seconds,
                        packed.windows,
                        packed.scores,
                    ),
                )
            for path, stamp in files:
                self._write_path(path, stamp, track_id)

    def add_paths(self, files: Iterable[tuple[str, Stamp, str]]) -> None:
        """Keep where recordings lie that are known already: (path, stamp, identity)."""
        with self.store.transaction():
            for path, stamp, identity in files:
                self._write_path(path, stamp, int(_there(self._row_of(identity))[0]))

    def add_failure(self, path: str, stamp: Stamp, reason: str) -> None:
        """Keep a file and why it failed; what the path led to before is no longer there."""
        name = os.fsencode(path)
        with self.store.transaction():
            self.store.run("DELETE FROM paths WHERE path = ?", (name,))
            self.store.run(
                "INSERT INTO failures VALUES (?, ?, ?, ?, 1, ?) ON CONFLICT (path) DO UPDATE SET "
                "size_bytes = excluded.size_bytes, modified_ns = excluded.modified_ns, reason = excluded.reason, "
                "attempts = attempts + 1, failed = excluded.failed",
                (name, stamp.size_bytes, stamp.modified_ns, reason, _now()),
            )

    def mark_missing(self, paths: Iterable[str], missing: bool) -> None:
        """Note that files are gone, or back; what was heard in them stays."""
        with self.store.transaction():
            for path in paths:
                self.store.run("UPDATE paths SET missing = ? WHERE path = ?", (missing, os.fsencode(path)))

    def forget_paths_under(self, folders: Iterable[str]) -> None:
        """Drop the paths within some folders, such as links; the recordings stay."""
        with self.store.transaction():
            for folder in folders:
                self.store.run("DELETE FROM paths WHERE path >= ? AND path < ?", paths_within(folder))

    def forget_paths(self, paths: Iterable[str]) -> None:
        """Drop paths, so that they are new when they are added next; what was heard stays."""
        with self.store.transaction():
            for path in paths:
                self.store.run("DELETE FROM paths WHERE path = ?", (os.fsencode(path),))

    def forget_failures(self, paths: Iterable[str]) -> None:
        """Drop failures, such as of files that are gone."""
        with self.store.transaction():
            for path in paths:
                self.store.run("DELETE FROM failures WHERE path = ?", (os.fsencode(path),))

    def rewrite_logits(self, rows: Sequence[tuple[int, npt.NDArray[np.float32]]], model_id: int, version: str) -> None:
        """Give tracks what another head says about their vectors: (track, logits)."""
        with self.store.transaction():
            for track_id, logits in rows:
                self.store.run(
                    "UPDATE tracks SET model_id = ?, version = ?, logits = ? WHERE id = ?",
                    (model_id, version, logits.astype("<f4").tobytes(), track_id),
                )

    def _write_path(self, path: str, stamp: Stamp, track_id: int) -> None:
        name = os.fsencode(path)
        self.store.run(
            "INSERT OR REPLACE INTO paths VALUES (?, ?, ?, ?, 0, folded(?))",
            (name, track_id, stamp.size_bytes, stamp.modified_ns, name),
        )
        self.store.run("DELETE FROM failures WHERE path = ?", (name,))

    # Reading

    def count(self) -> int:
        """How many recordings there are."""
        return int(_there(self.store.row("SELECT count(*) FROM tracks"))[0])

    def count_of(self, model_id: int) -> int:
        """How many recordings a model has judged."""
        return int(_there(self.store.row("SELECT count(*) FROM tracks WHERE model_id = ?", (model_id,)))[0])

    def failures(self) -> list[Failure]:
        """The files that failed, in the order of their paths."""
        rows = self.store.rows("SELECT path, reason, attempts, failed FROM failures ORDER BY path")
        return [Failure(os.fsdecode(path), reason, attempts, failed) for path, reason, attempts, failed in rows]

    def track(self, track_id: int) -> Track | None:
        """One recording, or None."""
        found = self.store.row(
            "SELECT id, identity, duration_seconds, truncated, short, decoder, version, added, model_id, logits "
            "FROM tracks WHERE id = ?",
            (track_id,),
        )
        if found is None:
            return None
        number, identity, duration, truncated, short, decoder, version, added, model_id, logits = found
        return Track(
            number,
            identity,
            self.paths_of(number),
            duration,
            bool(truncated),
            tuple(short.split()),
            decoder,
            version,
            added,
            model_id,
            np.frombuffer(logits, "<f4"),
        )

    def paths_of(self, track_id: int, *, missing: bool = True) -> tuple[str, ...]:
        """Where a recording lies, what is there before what is missing, which can be left out."""
        rows = self.store.rows(
            "SELECT path FROM paths WHERE track_id = ? AND missing <= ? ORDER BY missing, path", (track_id, missing)
        )
        return tuple(os.fsdecode(path) for (path,) in rows)

    def duration_seconds(self, track_id: int) -> float:
        """How long a recording is."""
        return float(_there(self.store.row("SELECT duration_seconds FROM tracks WHERE id = ?", (track_id,)))[0])

    def embedding(self, track_id: int) -> npt.NDArray[np.float16]:
        """A recording's vector: (columns,) float16; raises LibraryError where there is no such track."""
        found = self.store.row("SELECT embedding FROM tracks WHERE id = ?", (track_id,))
        if found is None:
            raise LibraryError(f"{self.store.path}: found no track {track_id}, expected one that is in the library.")
        return np.frombuffer(found[0], "<f2")

    def over_time(self, track_id: int) -> tuple[int, PackedOverTime] | None:
        """A recording's tags over time and the row of the model that heard them, or None."""
        found = self.store.row(
            "SELECT model_id, window_seconds, hop_seconds, windows, scores FROM over_time WHERE track_id = ?",
            (track_id,),
        )
        return (int(found[0]), PackedOverTime(*found[1:])) if found is not None else None

    def generation(self) -> tuple[str, int]:
        """The library's own name, and a number that rises whenever what was heard changes."""
        rows = dict(self.store.rows("SELECT name, value FROM state WHERE name IN ('library', 'generation')"))
        return str(rows["library"]), int(rows["generation"])


def paths_within(folder: str) -> tuple[bytes, bytes]:
    """Where the paths within a folder (or an address) begin in the order of bytes, and where they have ended."""
    separator = "/" if is_remote(folder) else os.sep
    start = os.fsencode(folder.rstrip(separator) + separator)
    return start, start[:-1] + bytes([start[-1] + 1])


def _hashes(card: Card) -> str:
    return json.dumps([extractor.hash for extractor in card.extractors])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _there(row: tuple[Any, ...] | None) -> tuple[Any, ...]:
    """A row that has to be there."""
    if row is None:
        raise LibraryError("The library lost a row while it was used; expected it to stay. Run the command again.")
    return row
