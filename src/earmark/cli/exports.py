"""Predictions into files for other programs: Parquet, NumPy and JAMS, each with model, version and decoder."""

import importlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import typer

from earmark.errors import MissingExtraError, TagError
from earmark.file_name import folded, text_of

if TYPE_CHECKING:
    from earmark.tagging.prediction import Prediction

ROWS_TOGETHER = 200
LONGEST_NAME_BYTES = 240
"""Of a JAMS file without its ending and number: systems take 255 in all."""


class Export(Protocol):
    """A file, or a folder of files, that predictions go to."""

    def write(self, prediction: "Prediction") -> None:
        """Take one track."""

    def close(self) -> None:
        """Finish the file."""


class Numpy:
    """Vectors and probabilities as one .npz: arrays that `numpy.load` opens without pickle."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._predictions: list[Prediction] = []

    def write(self, prediction: "Prediction") -> None:
        """Keep one track's numbers."""
        self._predictions.append(prediction)

    def close(self) -> None:
        """Write the arrays: embeddings (tracks, columns) and probabilities (tracks, tags), float32; who made them."""
        import numpy as np

        kept = self._predictions
        model = kept[0].model if kept else None
        arrays: dict[str, Any] = {
            "sources": np.array([each.source for each in kept], dtype=np.str_),
            "embeddings": np.array([each.embedding for each in kept], np.float32),
            "probabilities": np.array([each.probabilities for each in kept], np.float32),
            "labels": np.array(kept[0].labels if kept else (), dtype=np.str_),
            "decoders": np.array([each.decoder for each in kept], dtype=np.str_),
            "model": np.array("" if model is None else model.name),
            "version": np.array("" if model is None else model.version),
            "head_hash": np.array("" if model is None else model.head_hash),
            "extractor_hashes": np.array(() if model is None else model.extractor_hashes, dtype=np.str_),
        }
        with _told(self._file), self._file.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)


class Parquet:
    """Everything known of each track, its vector included, as a row (extra: export)."""

    def __init__(self, file: Path) -> None:
        try:
            self._pyarrow = importlib.import_module("pyarrow")
            parquet = importlib.import_module("pyarrow.parquet")
        except ImportError as error:
            raise MissingExtraError("Parquet", "export", "pyarrow") from error
        self._file = file
        self._rows: list[dict[str, Any]] = []
        self._schema = _schema(self._pyarrow)
        with _told(file):
            self._writer = parquet.ParquetWriter(str(file), self._schema, compression="zstd")

    def write(self, prediction: "Prediction") -> None:
        """Take one track; some hundred are written together."""
        self._rows.append(_row(prediction))
        if len(self._rows) >= ROWS_TOGETHER:
            self._write_rows()

    def close(self) -> None:
        """Write what is still held, and the end of the file."""
        self._write_rows()
        with _told(self._file):
            self._writer.close()

    def _write_rows(self) -> None:
        if self._rows:
            with _told(self._file):
                self._writer.write_table(self._pyarrow.Table.from_pylist(self._rows, schema=self._schema))
            self._rows.clear()


class Jams:
    """A JAMS file a track, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: set[str] = set()
        with _told(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def write(self, prediction: "Prediction") -> None:
        """Write one track's file; of two of one name the second gets a number, and a name too long is cut."""
        from earmark.tagging.jams import jams_text

        stem = Path(prediction.source).stem
        while len(os.fsencode(stem)) > LONGEST_NAME_BYTES:
            stem = stem[:-1]
        name, number = stem, 2
        while folded(name) in self._names:  # many systems take names for one that differ in case alone
            name, number = f"{stem} {number}", number + 1
        self._names.add(folded(name))
        file = self._folder / f"{name}.jams"
        with _told(file):
            file.write_text(jams_text(prediction), encoding="utf-8")

    def close(self) -> None:
        """Nothing is left to write."""


def exports_of(files: Sequence[Path], jams: Path | None) -> list[Export]:
    """What predictions go to: files by their endings, and a folder of JAMS files."""
    exports: list[Export] = []
    for file in files:
        ending = file.suffix.lower()
        if ending not in (".parquet", ".npz"):
            raise typer.BadParameter(f"--export {file}: expected a name that ends in .parquet or .npz")
        exports.append(Parquet(file) if ending == ".parquet" else Numpy(file))
    return [*exports, *([Jams(jams)] if jams is not None else [])]


@contextmanager
def _told(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TagError(f"{file}: it cannot be written ({error.strerror or error}). Name another place.") from error


def _row(prediction: "Prediction") -> dict[str, Any]:
    over_time = prediction.over_time
    return {
        "source": text_of(prediction.source),
        "duration_seconds": prediction.duration_seconds,
        "truncated": prediction.truncated,
        "silent": prediction.silent,
        "short": list(prediction.short),
        "decoder": prediction.decoder,
        "model": prediction.model.name,
        "version": prediction.model.version,
        "extractor_hashes": list(prediction.model.extractor_hashes),
        "head_hash": prediction.model.head_hash,
        "calibrated": prediction.calibrated,
        "labels": list(prediction.labels),
        "probabilities": prediction.probabilities.tolist(),
        "scores": prediction.scores.tolist(),
        "logits": prediction.logits.tolist(),
        "embedding": prediction.embedding.tolist(),
        "over_time": None
        if over_time is None
        else {
            "window_seconds": over_time.window_seconds,
            "hop_seconds": over_time.hop_seconds,
            "seconds": over_time.seconds.tolist(),
            "probabilities": over_time.probabilities.tolist(),
        },
    }


def _schema(pyarrow: Any) -> Any:
    text, floats = pyarrow.string(), pyarrow.list_(pyarrow.float32())
    over_time = pyarrow.struct(
        [
            ("window_seconds", pyarrow.float64()),
            ("hop_seconds", pyarrow.float64()),
            ("seconds", pyarrow.list_(pyarrow.float64())),
            ("probabilities", pyarrow.list_(floats)),
        ]
    )
    return pyarrow.schema(
        [
            ("source", text),
            ("duration_seconds", pyarrow.float64()),
            ("truncated", pyarrow.bool_()),
            ("silent", pyarrow.bool_()),
            ("short", pyarrow.list_(text)),
            ("decoder", text),
            ("model", text),
            ("version", text),
            ("extractor_hashes", pyarrow.list_(text)),
            ("head_hash", text),
            ("calibrated", pyarrow.bool_()),
            ("labels", pyarrow.list_(text)),
            ("probabilities", floats),
            ("scores", floats),
            ("logits", floats),
            ("embedding", floats),
            ("over_time", over_time),
        ]
    )
