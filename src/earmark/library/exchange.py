"""Export a library's tracks as JSONL or Parquet (extra `export`), and import them.

JSONL starts with a line that names the format and the models, followed by a line for each track. Parquet has a row for
each track and the models in the file's metadata.
"""

import base64
import importlib
import itertools
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from earmark.audio.identity import packets_of
from earmark.errors import FileError, LibraryError, MissingExtraError
from earmark.file_errors import file_errors
from earmark.file_name import from_percent_encoded, is_text, percent_encoded, text_of
from earmark.library.analysis import Analysis, PackedOverTime
from earmark.library.database import Database
from earmark.library.jobs import Stamp
from earmark.tagging.bundle.calibration import probabilities
from earmark.tagging.bundle.card import Card
from earmark.tagging.bundle.json import card_from_json, card_to_json

FORMAT = "earmark-library"
VERSION = 1
UNKNOWN = Stamp(-1, -1)
"""The stamp of an imported path. When the file is added next, it is identified, but not analysed again."""

ROWS_TOGETHER = 1_000
METADATA_KEY = b"earmark"

Record = dict[str, Any]


@dataclass(frozen=True)
class Content:
    """The content of an export.

    cards: the models' cards as JSON, by number. records: a record for each track.
    """

    cards: Mapping[int, str]
    records: Iterator[Record]


Failed = Callable[[FileError], None]


def export_records(database: Database, *, embeddings: bool = True, failed: Failed | None = None) -> Content:
    """Return a library's tracks in the order in which they were added.

    embeddings: include the vectors, which an import needs. failed: called with the error of each track that cannot be
    exported; without it, the first such error is raised.
    """
    models = database.models()
    return Content(
        {number: card_to_json(card) for number, card in models.items()},
        _records(database, models, embeddings, failed),
    )


def import_records(database: Database, cards: Mapping[int, str], records: Iterable[Record], place: str) -> int:
    """Add the tracks that the library does not have, and the paths of all; return the number of new recordings.

    Recordings that the library has do not change.

    Raises:
        LibraryError: a record is incomplete. The message names it.
    """
    known_cards = {number: card_from_json(text, f"{place}: model {number}") for number, text in cards.items()}
    # The library's own card of a model may be newer, and its recordings do not change.
    models = {number: database.model_id(card, update=False) for number, card in known_cards.items()}
    if models and database.current_model() is None:
        database.make_current(max(models.values()))
    new = 0
    added: set[str] = set()
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
        # What the library knows about a path is more recent than the import.
        unknown = [(path, UNKNOWN) for path in paths if database.known_path(path) is None]
        known = database.stored_analysis(analysis.identity)
        # The other library may have had the same packets twice, once as an older version identified them.
        if known is None or (not known.own and packets_of(analysis.identity) in added):
            added.add(analysis.identity)
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
    """Return a track as a record, or None if it has been removed meanwhile."""
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
        "silent": track.silent,
        "distance": None if math.isnan(track.distance) else track.distance,
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
        bool(record.get("silent", False)),
        math.nan if record.get("distance") is None else float(record["distance"]),
    )


def _numbers(record: Record, key: str) -> list[float]:
    found = record[key]
    if not isinstance(found, list):
        raise TypeError(f"{type(found).__name__} for {key!r}")
    return found


def jsonl_lines(content: Content) -> Iterator[str]:
    """Yield the lines of the JSONL format, in ASCII and without line breaks.

    If a name is not valid text, `paths` has U+FFFD in its place, and `path_bytes` has all names percent-encoded.
    """
    cards = {str(number): json.loads(text) for number, text in content.cards.items()}
    yield json.dumps({"format": FORMAT, "version": VERSION, "models": cards})
    for record in content.records:
        names: list[str] = record["paths"]
        exact = {} if all(map(is_text, names)) else {"path_bytes": [percent_encoded(name) for name in names]}
        yield json.dumps({**record, "paths": [text_of(name) for name in names], **exact}, allow_nan=False)


def write_jsonl(file: Path, content: Content) -> int:
    """Write all records as JSONL and return their number.

    Raises:
        LibraryError: the file cannot be written.
    """
    lines = 0
    try:
        with file.open("w", encoding="ascii", newline="\n") as written:
            for line in jsonl_lines(content):
                written.write(line + "\n")
                lines += 1
    except OSError as error:
        raise LibraryError(
            f"{file}: it cannot be written ({error.strerror or error}); choose another place."
        ) from error
    return lines - 1


def read_jsonl(file: Path) -> Content:
    """Open a file of `write_jsonl`. Records are read when they are requested.

    Raises:
        LibraryError: the file cannot be read or has another format.
    """
    lines = _jsonl_objects(file)
    head = next(lines, {})
    if head.get("format") != FORMAT or head.get("version") != VERSION:
        raise LibraryError(
            f"{file}: found {head.get('format')!r} of version {head.get('version')!r} in the first line, expected "
            f"{FORMAT!r} of version {VERSION}. Choose a file that `earmark library export` wrote."
        )
    models = head.get("models")
    if not isinstance(models, dict) or not all(number.isdecimal() for number in models):
        raise LibraryError(f"{file}: found no models by their numbers in the first line, expected them. Export again.")
    return Content({int(number): json.dumps(card) for number, card in models.items()}, lines)


def _jsonl_objects(file: Path) -> Iterator[Record]:
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                found = json.loads(line)
                if not isinstance(found, dict):
                    raise LibraryError(f"{file}: line {number}: found {type(found).__name__}, expected a JSON object.")
                yield found
    except (OSError, ValueError) as error:
        raise LibraryError(f"{file}: it cannot be read ({error}); expected one JSON object in each line.") from error


def write_parquet(file: Path, content: Content) -> int:
    """Write all records as Parquet and return their number.

    The columns are those of JSONL, except that `path_bytes` has the names as bytes, and `paths` has replacement
    characters in names that are not valid text.

    Raises:
        LibraryError: the file cannot be written.
        MissingExtraError: pyarrow is not installed.
    """
    pyarrow, parquet = _pyarrow()
    head = json.dumps({"format": FORMAT, "version": VERSION, "models": dict(content.cards)})
    schema = _parquet_schema(pyarrow).with_metadata({METADATA_KEY: head.encode("utf-8")})
    count = 0
    try:
        with parquet.ParquetWriter(str(file), schema, compression="zstd") as writer:
            while rows := [_parquet_row(record) for record in itertools.islice(content.records, ROWS_TOGETHER)]:
                writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))
                count += len(rows)
    except OSError as error:
        raise LibraryError(f"{file}: it cannot be written ({error}); choose another place.") from error
    return count


def read_parquet(file: Path) -> Content:
    """Open a file of `write_parquet`. Records are read when they are requested.

    Raises:
        LibraryError: the file cannot be read or has another format.
        MissingExtraError: pyarrow is not installed.
    """
    pyarrow, parquet = _pyarrow()
    try:
        opened = parquet.ParquetFile(str(file))
    except (OSError, pyarrow.ArrowInvalid) as error:
        raise LibraryError(f"{file}: it cannot be read ({error}); expected a Parquet file.") from error
    head = json.loads((opened.schema_arrow.metadata or {}).get(METADATA_KEY, b"{}"))
    if head.get("format") != FORMAT or head.get("version") != VERSION:
        opened.close()
        raise LibraryError(
            f"{file}: found Parquet without the models of a library, expected {FORMAT!r} of version {VERSION} in its "
            "metadata. Choose a file that `earmark library export` wrote."
        )
    return Content({int(number): text for number, text in head["models"].items()}, _parquet_records(opened))


def _parquet_records(opened: Any) -> Iterator[Record]:
    with opened:
        for batch in opened.iter_batches(ROWS_TOGETHER):
            for row in batch.to_pylist():
                yield row | {"paths": [os.fsdecode(path) for path in row.pop("path_bytes")]}


def _parquet_row(record: Record) -> Record:
    encoded = [os.fsencode(path) for path in record["paths"]]
    return record | {"paths": [path.decode("utf-8", "replace") for path in encoded], "path_bytes": encoded}


def _parquet_schema(pyarrow: Any) -> Any:
    text, floats = pyarrow.string(), pyarrow.list_(pyarrow.float32())
    packed = pyarrow.struct(
        [
            ("window_seconds", pyarrow.float64()),
            ("hop_seconds", pyarrow.float64()),
            ("windows", pyarrow.int64()),
            ("packed", text),
        ]
    )
    return pyarrow.schema(
        [
            ("identity", text),
            ("paths", pyarrow.list_(text)),
            ("path_bytes", pyarrow.list_(pyarrow.binary())),
            ("duration_seconds", pyarrow.float64()),
            ("truncated", pyarrow.bool_()),
            ("short", pyarrow.list_(text)),
            ("decoder", text),
            ("version", text),
            ("added", text),
            ("model", pyarrow.int64()),
            ("model_name", text),
            ("extractor_hashes", pyarrow.list_(text)),
            ("head_hash", text),
            ("labels", pyarrow.list_(text)),
            ("logits", floats),
            ("probabilities", floats),
            ("silent", pyarrow.bool_()),
            ("distance", pyarrow.float64()),
            ("embedding", floats),
            ("over_time", packed),
        ]
    )


def _pyarrow() -> tuple[Any, Any]:
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingExtraError("Parquet", "export", "pyarrow") from error
