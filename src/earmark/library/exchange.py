"""A library's tracks as records that other programs read, and back: what JSONL and Parquet both hold."""

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from earmark.errors import FileError, LibraryError
from earmark.file_errors import file_errors
from earmark.file_name import from_percent_encoded
from earmark.library.analysis import Analysis, PackedOverTime
from earmark.library.database import Database
from earmark.library.jobs import Stamp
from earmark.tagging.bundle.calibration import probabilities
from earmark.tagging.bundle.card import Card
from earmark.tagging.bundle.json import card_from_json, card_to_json

FORMAT = "earmark-library"
VERSION = 1
UNKNOWN = Stamp(-1, -1)
"""The stamp of a path that came from elsewhere: the file is identified when it is added next, and not listened to."""

Record = dict[str, Any]


@dataclass(frozen=True)
class Content:
    """What is exported: the cards of models by their numbers, and a record for each track."""

    cards: Mapping[int, str]
    records: Iterator[Record]


Failed = Callable[[FileError], None]


def export_records(database: Database, *, embeddings: bool = True, failed: Failed | None = None) -> Content:
    """A library's tracks in the order in which they were added; without embeddings they cannot be imported again.

    failed: told of a track whose row cannot be used, and the others go on; without it the first one ends the records.
    """
    models = database.models()
    return Content(
        {number: card_to_json(card) for number, card in models.items()},
        _records(database, models, embeddings, failed),
    )


def import_records(database: Database, cards: Mapping[int, str], records: Iterable[Record], place: str) -> int:
    """Take tracks in that are not known yet, and paths of all; returns how many recordings are new.

    A recording that is known stays as it is. Raises LibraryError that names the record where one is incomplete.
    """
    known_cards = {number: card_from_json(text, f"{place}: model {number}") for number, text in cards.items()}
    models = {number: database.model_id(card) for number, card in known_cards.items()}
    if models and database.current_model() is None:
        database.make_current(max(models.values()))
    new = 0
    for number, record in enumerate(records, start=1):
        try:
            analysis = _analysis(record)
            card, model_id = known_cards[int(record["model"])], models[int(record["model"])]
            exact = record.get("path_bytes")
            paths = [from_percent_encoded(name) for name in exact] if exact else [str(path) for path in record["paths"]]
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise LibraryError(
                f"{place}: record {number}: found {type(error).__name__} {error}, expected a track as "
                "`earmark library export` writes it, with its embedding. Export again."
            ) from error
        if (len(analysis.logits), len(analysis.embedding)) != (len(card.labels), card.vector_width):
            raise LibraryError(
                f"{place}: record {number}: found {len(analysis.logits)} logits and {len(analysis.embedding)} columns, "
                f"expected {len(card.labels)} and {card.vector_width} of its model. Export again."
            )
        # A path that is known here is known better.
        unknown = [(path, UNKNOWN) for path in paths if database.known_path(path) is None]
        if database.model_of(analysis.identity) is None:
            database.add_track(analysis, model_id, unknown)
            new += 1
        elif unknown:
            database.add_paths((path, stamp, analysis.identity) for path, stamp in unknown)
    return new


def _records(
    database: Database, models: Mapping[int, Card], embeddings: bool, failed: Failed | None
) -> Iterator[Record]:
    for rows in database.store.stream("SELECT id FROM tracks ORDER BY id"):
        for (number,) in rows:
            try:
                with file_errors(f"track {number}"):
                    record = _record(database, models, number, embeddings)
            except FileError as error:
                if failed is None:
                    raise
                failed(error)
                continue
            if record is not None:
                yield record


def _record(database: Database, models: Mapping[int, Card], number: int, embeddings: bool) -> Record | None:
    """A track as a record; None where it was removed since."""
    track = database.track(number)
    if track is None:
        return None
    card = models[track.model_id]
    over_time = database.over_time(number)
    record: Record = {
        "identity": track.identity,
        "paths": list(track.paths),
        "duration_seconds": track.duration_seconds,
        "truncated": track.truncated,
        "short": list(track.short),
        "decoder": track.decoder,
        "version": track.version,
        "added": track.added,
        "model": track.model_id,
        "model_name": card.name,
        "extractor_hashes": [extractor.hash for extractor in card.extractors],
        "head_hash": card.head.hash,
        "labels": list(card.labels),
        "logits": track.logits.tolist(),
        "probabilities": probabilities(track.logits, card).tolist(),
    }
    if embeddings:
        record["embedding"] = database.embedding(number).tolist()
    if over_time is not None and over_time[0] == track.model_id:
        packed = over_time[1]
        record["over_time"] = {
            "window_seconds": packed.window_seconds,
            "hop_seconds": packed.hop_seconds,
            "windows": packed.windows,
            "packed": base64.b64encode(packed.scores).decode("ascii"),
        }
    return record


def _analysis(record: Record) -> Analysis:
    packed = record.get("over_time")
    over_time = None
    if packed is not None:
        over_time = PackedOverTime(
            float(packed["window_seconds"]),
            float(packed["hop_seconds"]),
            int(packed["windows"]),
            base64.b64decode(packed["packed"], validate=True),
        )
    return Analysis(
        str(record["identity"]),
        float(record["duration_seconds"]),
        bool(record["truncated"]),
        tuple(str(scale) for scale in record["short"]),
        str(record["decoder"]),
        str(record["version"]),
        np.array(_numbers(record, "logits"), np.float32),
        np.array(_numbers(record, "embedding"), np.float16),
        over_time,
    )


def _numbers(record: Record, key: str) -> list[float]:
    found = record[key]
    if not isinstance(found, list):
        raise TypeError(f"{type(found).__name__} for {key!r}")
    return found
