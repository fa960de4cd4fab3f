"""Export predictions as Parquet, NumPy or JAMS files, with the model, its version and the decoder."""

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
"""The longest name of a JAMS file, without number and ending; file systems allow 255 bytes in total."""


class Export(Protocol):
    """A file or a folder to which predictions are exported."""

    def write(self, prediction: "Prediction") -> None:
        """Add one track."""

    def close(self) -> None:
        """Complete the file."""


class NumpyExport:
    """Exports vectors and probabilities as one .npz file, which `numpy.load` opens without pickle."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._predictions: list[Prediction] = []

    def write(self, prediction: "Prediction") -> None:
        """Keep one track until `close`."""
        self._predictions.append(prediction)

    def close(self) -> None:
        """Write embeddings (tracks, columns), probabilities (tracks, tags), both float32, and the model's names."""
        import numpy as np

        kept = self._predictions
        model = kept[0].model if kept else None
        arrays: dict[str, Any] = {
            "sources": np.array([each.source for each in kept], dtype=np.str_),
            "embeddings": np.array([each.embedding for each in kept], np.float32),
            "probabilities": np.array([each.probabilities for each in kept], np.float32),
            "withheld": np.array([each.withheld.sentence if each.withheld else "" for each in kept], dtype=np.str_),
            "labels": np.array(kept[0].labels if kept else (), dtype=np.str_),
            "decoders": np.array([each.decoder for each in kept], dtype=np.str_),
            "model": np.array("" if model is None else model.name),
            "version": np.array("" if model is None else model.version),
            "head_hash": np.array("" if model is None else model.head_hash),
            "extractor_hashes": np.array(() if model is None else model.extractor_hashes, dtype=np.str_),
        }
        with _write_errors(self._file), self._file.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)


class ParquetExport:
    """Exports each track as a row with all its results and its vector (extra `export`)."""

    def __init__(self, file: Path) -> None:
        try:
            self._pyarrow = importlib.import_module("pyarrow")
            parquet = importlib.import_module("pyarrow.parquet")
        except ImportError as error:
            raise MissingExtraError("ParquetExport", "export", "pyarrow") from error
        self._file = file
        self._rows: list[dict[str, Any]] = []
        self._schema = _schema(self._pyarrow)
        with _write_errors(file):
            self._writer = parquet.ParquetWriter(str(file), self._schema, compression="zstd")

    def write(self, prediction: "Prediction") -> None:
        """Add one track. Rows are written in groups of `ROWS_TOGETHER`."""
        self._rows.append(_row(prediction))
        if len(self._rows) >= ROWS_TOGETHER:
            self._write_rows()

    def close(self) -> None:
        """Write the remaining rows and the end of the file."""
        self._write_rows()
        with _write_errors(self._file):
            self._writer.close()

    def _write_rows(self) -> None:
        if self._rows:
            with _write_errors(self._file):
                self._writer.write_table(self._pyarrow.Table.from_pylist(self._rows, schema=self._schema))
            self._rows.clear()


class JamsExport:
    """Exports each track as a JAMS file in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names: set[str] = set()
        with _write_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def write(self, prediction: "Prediction") -> None:
        """Write one track's file. A name that is taken gets a number, and a name that is too long is shortened."""
        from earmark.tagging.jams import jams_text

        stem = Path(prediction.source).stem
        while len(os.fsencode(stem)) > LONGEST_NAME_BYTES:
            stem = stem[:-1]
        name, number = stem, 2
        while folded(name) in self._names:  # Many file systems ignore case.
            name, number = f"{stem} {number}", number + 1
        self._names.add(folded(name))
        file = self._folder / f"{name}.jams"
        with _write_errors(file):
            file.write_text(jams_text(prediction), encoding="utf-8")

    def close(self) -> None:
        """Do nothing; every file is complete."""


def exports_of(files: Sequence[Path], jams: Path | None) -> list[Export]:
    """Return the exports for files, whose endings name their format, and for a folder of JAMS files."""
    exports: list[Export] = []
    for file in files:
        ending = file.suffix.lower()
        if ending not in (".parquet", ".npz"):
            raise typer.BadParameter(f"--export {file}: expected a name that ends in .parquet or .npz")
        exports.append(ParquetExport(file) if ending == ".parquet" else NumpyExport(file))
    return [*exports, *([JamsExport(jams)] if jams is not None else [])]


@contextmanager
def _write_errors(file: Path) -> Iterator[None]:
    """Raise a TagError that names the file where writing to it fails."""
    try:
        yield
    except OSError as error:
        raise TagError(
            f"{file}: it cannot be written ({error.strerror or error}). Choose another file or folder."
        ) from error


def _row(prediction: "Prediction") -> dict[str, Any]:
    over_time = prediction.over_time
    return {
        "source": text_of(prediction.source),
        "duration_seconds": prediction.duration_seconds,
        "truncated": prediction.truncated,
        "silent": prediction.silent,
        "withheld": None if prediction.withheld is None else prediction.withheld.sentence,
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
            ("withheld", text),
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
