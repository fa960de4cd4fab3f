"""A library as Parquet: a row a track, the models in the file's metadata; through pyarrow (extra: export)."""

import importlib
import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from earmark.errors import LibraryError, MissingExtraError
from earmark.library.exchange import FORMAT, VERSION, Content, Record

ROWS_TOGETHER = 1_000
METADATA_KEY = b"earmark"


def write_parquet(file: Path, content: Content) -> int:
    """Write all records and return how many.

    Columns as in JSONL, but that `paths` are text with a replacement where a name is none, and `path_bytes` are the
    names as they are. Raises LibraryError where the file cannot be written, MissingExtraError without pyarrow.
    """
    pyarrow, parquet = _pyarrow()
    head = json.dumps({"format": FORMAT, "version": VERSION, "models": dict(content.cards)})
    schema = _schema(pyarrow).with_metadata({METADATA_KEY: head.encode("utf-8")})
    count = 0
    try:
        with parquet.ParquetWriter(str(file), schema, compression="zstd") as writer:
            while rows := [_row(record) for record in itertools.islice(content.records, ROWS_TOGETHER)]:
                writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))
                count += len(rows)
    except OSError as error:
        raise LibraryError(f"{file}: it cannot be written ({error}); name another place.") from error
    return count


def read_parquet(file: Path) -> Content:
    """Read what `write_parquet` wrote, the records as they are asked for.

    Raises LibraryError for anything else, MissingExtraError without pyarrow.
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
            "metadata. Give a file that `earmark library export` wrote."
        )
    return Content({int(number): text for number, text in head["models"].items()}, _records(opened))


def _records(opened: Any) -> Iterator[Record]:
    with opened:
        for batch in opened.iter_batches(ROWS_TOGETHER):
            for row in batch.to_pylist():
                yield row | {"paths": [os.fsdecode(path) for path in row.pop("path_bytes")]}


def _row(record: Record) -> Record:
    encoded = [os.fsencode(path) for path in record["paths"]]
    return record | {"paths": [path.decode("utf-8", "replace") for path in encoded], "path_bytes": encoded}


def _schema(pyarrow: Any) -> Any:
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
            ("embedding", floats),
            ("over_time", packed),
        ]
    )


def _pyarrow() -> tuple[Any, Any]:
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingExtraError("Parquet", "export", "pyarrow") from error
