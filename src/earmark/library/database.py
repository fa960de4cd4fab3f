"""Read and write the rows of a library: models, recordings, their paths and results, and files that failed."""

import json
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.audio.identity import packets_of, range_of_packets, same_sound
from earmark.errors import LibraryError
from earmark.library.analysis import Analysis, PackedOverTime
from earmark.library.jobs import Stamp
from earmark.library.recording import Failure, KnownPath, StoredAnalysis, Track
from earmark.library.remote import paths_within
from earmark.library.store import Store
from earmark.tagging.bundle.card import Card
from earmark.tagging.bundle.json import card_from_json, card_to_json

PRESENT = "EXISTS (SELECT 1 FROM paths WHERE track_id = tracks.id AND NOT missing)"


class Database:
    """Reads and writes the rows of a library. Related rows are written in one transaction."""

    def __init__(self, store: Store) -> None:
        self.store = store

    # Models

    def model_id(self, card: Card, *, update: bool = True) -> int:
        """Return the row of a model; create it if there is none, and `update` its card where it differs."""
        hashes, text = _hashes(card), card_to_json(card)
        found = self.store.row(
            "SELECT id, card FROM models WHERE extractor_hashes = ? AND head_hash = ?", (hashes, card.head.hash)
        )
        if found is not None and (found[1] == text or not update):
            return int(found[0])
        with self.store.transaction():
            row = self.store.row(
                "INSERT INTO models (extractor_hashes, head_hash, card) VALUES (?, ?, ?) "
                "ON CONFLICT DO UPDATE SET card = excluded.card RETURNING id",
                (hashes, card.head.hash, text),
            )
        return int(_there(row)[0])

    def models(self) -> dict[int, Card]:
        """Return the cards of all models, by their rows."""
        rows = self.store.rows("SELECT id, card FROM models")
        return {number: card_from_json(text, f"{self.store.path}: model {number}") for number, text in rows}

    def card_text(self, model_id: int) -> str:
        """Return a model's card as stored text."""
        return str(_there(self.store.row("SELECT card FROM models WHERE id = ?", (model_id,)))[0])

    def current_model(self) -> int | None:
        """Return the row of the model that last added files, or None if none has."""
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
        """Store which model adds files now."""
        if self.current_model() != model_id:
            self.store.run("INSERT OR REPLACE INTO state VALUES ('model', ?)", (model_id,))

    def other_heads(self, model_id: int) -> list[int]:
        """Return the rows of models with the same extractors, and so the same vectors, but another head."""
        rows = self.store.rows(
            "SELECT other.id FROM models AS own JOIN models AS other USING (extractor_hashes) "
            "WHERE own.id = ? AND other.id <> own.id",
            (model_id,),
        )
        return [number for (number,) in rows]

    def hidden_layer(self, model_id: int) -> bytes | None:
        """Return the first hidden layer of a model's classifier as `space.keep_hidden_layer` stored it, or None."""
        found = self.store.row("SELECT layer FROM hidden_layers WHERE model_id = ?", (model_id,))
        return bytes(found[0]) if found is not None else None

    def add_hidden_layer(self, model_id: int, packed: bytes) -> None:
        """Store the first hidden layer of a model's classifier."""
        self.store.run("INSERT OR REPLACE INTO hidden_layers VALUES (?, ?)", (model_id, packed))

    # What is known of a file

    def known_path(self, path: str) -> KnownPath | None:
        """Return the recording of a path, or None if the path is unknown."""
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
        """Return the stamp of a file when it failed, or None if it did not fail."""
        found = self.store.row("SELECT size_bytes, modified_ns FROM failures WHERE path = ?", (os.fsencode(path),))
        return Stamp(*found) if found is not None else None

    def model_of(self, identity: str) -> int | None:
        """Return the row of the model that analysed a recording, or None if the recording is unknown."""
        heard = self.stored_analysis(identity)
        return heard.model_id if heard is not None else None

    def stored_analysis(self, identity: str) -> StoredAnalysis | None:
        """Return what is stored of a recording, or None if it is unknown.

        An older row has an identity of the packets alone and stands for every way of decoding them.
        """
        found = self._row_of(identity)
        if found is None:
            return None
        _, model_id, duration_seconds, truncated, kept = found
        return StoredAnalysis(int(model_id), float(duration_seconds), bool(truncated), own=kept == identity)

    def paths_of_sound(self, identity: str) -> list[str]:
        """Return the existing paths of every recording that may have this sound, see `same_sound`."""
        within = "identity >= ? AND identity < ?"
        rows = self.store.rows(f"SELECT id, identity FROM tracks WHERE {within}", range_of_packets(identity))
        alike = (number for number, kept in rows if same_sound(kept, identity))
        return [path for number in alike for path in self.paths_of(number, missing=False)]

    def _row_of(self, identity: str) -> tuple[Any, ...] | None:
        packets = packets_of(identity)
        columns = "SELECT id, model_id, duration_seconds, truncated, identity FROM tracks WHERE identity"
        found = self.store.row(f"{columns} IN (?, ?) ORDER BY identity = ? DESC", (identity, packets, identity))
        if found is None and identity == packets:
            found = self.store.row(f"{columns} >= ? AND identity < ? ORDER BY id", range_of_packets(identity))
        return found

    def paths_under(self, folder: str) -> Iterator[str]:
        """Yield the paths below a folder that are not marked as missing."""
        for rows in self.store.stream(
            "SELECT path FROM paths WHERE path >= ? AND path < ? AND NOT missing", paths_within(folder)
        ):
            yield from (os.fsdecode(path) for (path,) in rows)

    # Writing

    def add_track(self, analysis: Analysis, model_id: int, files: Iterable[tuple[str, Stamp]]) -> None:
        """Store the result and the files of a recording in one transaction."""
        with self.store.transaction():
            row = self.store.row(
                "INSERT INTO tracks (identity, model_id, version, decoder, added, duration_seconds, truncated, short, "
                "logits, embedding, silent, distance) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (identity) DO UPDATE SET model_id = excluded.model_id, version = excluded.version, "
                "decoder = excluded.decoder, duration_seconds = excluded.duration_seconds, "
                "truncated = excluded.truncated, short = excluded.short, logits = excluded.logits, "
                "embedding = excluded.embedding, silent = excluded.silent, distance = excluded.distance RETURNING id",
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
                    analysis.silent,
                    analysis.distance,
                ),
            )
            track_id = int(_there(row)[0])
            if analysis.over_time is not None:
                packed = analysis.over_time
                self.store.run(
                    "INSERT OR REPLACE INTO over_time VALUES (?, ?, ?, ?, ?, ?)",
                    (track_id, model_id, packed.window_seconds, packed.hop_seconds, packed.windows, packed.scores),
                )
            for path, stamp in files:
                self._write_path(path, stamp, track_id)

    def add_paths(self, files: Iterable[tuple[str, Stamp, str]]) -> None:
        """Store files of known recordings, given as (path, stamp, identity)."""
        with self.store.transaction():
            for path, stamp, identity in files:
                self._write_path(path, stamp, int(_there(self._row_of(identity))[0]))

    def add_failure(self, path: str, stamp: Stamp, reason: str) -> None:
        """Store why a file failed, and remove its path from its recording."""
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
        """Mark files as missing or as existing. Their results stay."""
        with self.store.transaction():
            for path in paths:
                self.store.run("UPDATE paths SET missing = ? WHERE path = ?", (missing, os.fsencode(path)))

    def forget_paths_under(self, folders: Iterable[str]) -> None:
        """Remove the paths below folders, for example below links. The recordings stay."""
        with self.store.transaction():
            for folder in folders:
                self.store.run("DELETE FROM paths WHERE path >= ? AND path < ?", paths_within(folder))

    def forget_paths(self, paths: Iterable[str]) -> None:
        """Remove paths, so that they are new when they are added next. The results stay."""
        with self.store.transaction():
            for path in paths:
                self.store.run("DELETE FROM paths WHERE path = ?", (os.fsencode(path),))

    def forget_failures(self, paths: Iterable[str]) -> None:
        """Remove failures, for example of files that no longer exist."""
        with self.store.transaction():
            for path in paths:
                self.store.run("DELETE FROM failures WHERE path = ?", (os.fsencode(path),))

    def rewrite_logits(
        self, rows: Sequence[tuple[int, npt.NDArray[np.float32], float]], model_id: int, version: str
    ) -> None:
        """Replace the results of tracks by those of another head, given as (track, logits, distance)."""
        with self.store.transaction():
            for track_id, logits, distance in rows:
                self.store.run(
                    "UPDATE tracks SET model_id = ?, version = ?, logits = ?, distance = ? WHERE id = ?",
                    (model_id, version, logits.astype("<f4").tobytes(), distance, track_id),
                )

    def _write_path(self, path: str, stamp: Stamp, track_id: int) -> None:
        name = os.fsencode(path)
        self.store.run(
            "INSERT INTO paths VALUES (?, ?, ?, ?, 0, folded(?)) ON CONFLICT (path) DO UPDATE SET "
            "track_id = excluded.track_id, size_bytes = excluded.size_bytes, modified_ns = excluded.modified_ns, "
            "missing = 0",
            (name, track_id, stamp.size_bytes, stamp.modified_ns, name),
        )
        self.store.run("DELETE FROM failures WHERE path = ?", (name,))

    # Reading

    def count(self) -> int:
        """Return the number of recordings."""
        return int(_there(self.store.row("SELECT count(*) FROM tracks"))[0])

    def count_of(self, model_id: int) -> int:
        """Return the number of recordings that a model has analysed."""
        return int(_there(self.store.row("SELECT count(*) FROM tracks WHERE model_id = ?", (model_id,)))[0])

    def failures(self) -> list[Failure]:
        """Return the files that failed, in the order of their paths."""
        rows = self.store.rows("SELECT path, reason, attempts, failed FROM failures ORDER BY path")
        return [Failure(os.fsdecode(path), reason, attempts, failed) for path, reason, attempts, failed in rows]

    def track(self, track_id: int) -> Track | None:
        """Return a recording, or None if there is none with this number."""
        found = self.store.row(
            "SELECT id, identity, duration_seconds, truncated, short, decoder, version, added, model_id, logits, "
            "silent, distance FROM tracks WHERE id = ?",
            (track_id,),
        )
        if found is None:
            return None
        number, identity, duration, truncated, short, decoder, version, added, model_id, logits, *others = found
        silent, distance = others
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
            bool(silent),
            math.nan if distance is None else distance,  # SQLite stores NaN as NULL.
        )

    def paths_of(self, track_id: int, *, missing: bool = True) -> tuple[str, ...]:
        """Return the paths of a recording, existing files first. missing: include files marked as missing."""
        rows = self.store.rows(
            "SELECT path FROM paths WHERE track_id = ? AND missing <= ? ORDER BY missing, path", (track_id, missing)
        )
        return tuple(os.fsdecode(path) for (path,) in rows)

    def duration_seconds(self, track_id: int) -> float:
        """Return the duration of a recording."""
        return float(_there(self.store.row("SELECT duration_seconds FROM tracks WHERE id = ?", (track_id,)))[0])

    def embedding(self, track_id: int) -> npt.NDArray[np.float16]:
        """Return a recording's vector: (columns,) float16.

        Raises:
            LibraryError: there is no such track.
        """
        found = self.store.row("SELECT embedding FROM tracks WHERE id = ?", (track_id,))
        if found is None:
            raise LibraryError(f"{self.store.path}: found no track {track_id}, expected one that is in the library.")
        return np.frombuffer(found[0], "<f2")

    def over_time(self, track_id: int) -> tuple[int, PackedOverTime] | None:
        """Return the row of a model and the tags over time that it computed for a recording, or None."""
        found = self.store.row(
            "SELECT model_id, window_seconds, hop_seconds, windows, scores FROM over_time WHERE track_id = ?",
            (track_id,),
        )
        return (int(found[0]), PackedOverTime(*found[1:])) if found is not None else None

    def generation(self) -> tuple[str, int]:
        """Return the library's identifier, and a number that increases whenever a result changes."""
        rows = dict(self.store.rows("SELECT name, value FROM state WHERE name IN ('library', 'generation')"))
        return str(rows["library"]), int(rows["generation"])


def _hashes(card: Card) -> str:
    return json.dumps([extractor.hash for extractor in card.extractors])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _there(row: tuple[Any, ...] | None) -> tuple[Any, ...]:
    """Return a row that must exist."""
    if row is None:
        raise LibraryError("The library lost a row while it was used; expected it to stay. Run the command again.")
    return row
