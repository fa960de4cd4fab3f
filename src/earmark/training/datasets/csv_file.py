"""Read tables and lists strictly: the message of every fault names the file and the line."""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from earmark.errors import DatasetError
from earmark.training.datasets.options import did_you_mean, listed

_WIDE_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


@dataclass(frozen=True)
class CsvRow:
    """A row of a table: the number of its last line, and its cells by column, without surrounding space."""

    line: int
    cells: Mapping[str, str]


@dataclass(frozen=True)
class CsvFile:
    """A table with a header; every row has a cell for every column."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[CsvRow, ...]


def read_csv(path: Path, required: Sequence[str]) -> CsvFile:
    """Read a comma-separated UTF-8 file with a header; a byte order mark is allowed.

    Raises:
        DatasetError: the file cannot be read, is empty or not UTF-8, lacks a required column, names a column twice, or
            has a row with more or fewer cells than the header.
    """
    lines = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    rows: list[CsvRow] = []
    columns: tuple[str, ...] | None = None
    try:
        for cells in lines:
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = checked_header(path, cells, required)
                continue
            if len(cells) != len(columns):
                raise DatasetError(
                    f"Line {lines.line_num} of {path} has {len(cells)} cells; "
                    f"the header has {len(columns)} columns ({listed(columns, most=20)}). "
                    "Put a cell that holds a comma in double quotes."
                )
            stripped = (cell.strip() for cell in cells)
            rows.append(CsvRow(lines.line_num, dict(zip(columns, stripped, strict=True))))
    except csv.Error as error:
        raise DatasetError(f"Line {lines.line_num} of {path} is not CSV: {error}.") from error
    if columns is None or not rows:
        raise DatasetError(f"{path} holds no rows; expected a header with {listed(required)}, then rows.")
    return CsvFile(path, columns, tuple(rows))


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"Cannot read {path}: {error.strerror}.") from error
    for mark, encoding in _WIDE_MARKS:
        if data.startswith(mark):
            raise DatasetError(f"{path} is {encoding} text; expected UTF-8. Save it as 'CSV UTF-8'.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DatasetError(
            f"Line {line} of {path} is not UTF-8 (byte 0x{data[error.start]:02x}). Save it as 'CSV UTF-8'."
        ) from error


def checked_header(path: Path, cells: Sequence[str], required: Sequence[str]) -> tuple[str, ...]:
    """Return the column names of a header.

    Raises:
        DatasetError: a required column is missing, or a column is named twice.
    """
    columns = tuple(cell.strip() for cell in cells)
    missing = [name for name in required if name not in columns]
    if missing:
        separators = [name for mark, name in (("\t", "tabs"), (";", "semicolons")) if mark in columns[0]]
        hint = did_you_mean(missing[0], [name for name in columns if name not in required]).replace(
            "Did you mean", "Is it"
        )
        if len(columns) == 1 and separators:
            hint = f" It looks separated by {separators[0]}; separate columns by commas."
        raise DatasetError(
            f"{path} has the columns {listed(columns, most=20)}; it lacks {listed(missing, most=20)}.{hint}"
        )
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise DatasetError(f"{path} has more than one column named {listed(twice)}; rename one.")
    return columns


def stream_rows(path: Path, columns: Sequence[str], delimiter: str = "\t") -> Iterator[CsvRow]:
    """Yield the rows of a UTF-8 table with a header, each with the cells of some columns.

    Raises:
        DatasetError: the file cannot be read, is empty or not UTF-8, lacks one of the columns, or has a row with more
            or fewer cells than the header.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, delimiter=delimiter)
            header = next(lines, None)
            if header is None:
                raise DatasetError(f"{path} is empty; expected a table with a header.")
            names = checked_header(path, header, columns)
            places = {name: names.index(name) for name in columns}
            for cells in lines:
                if not cells:
                    continue
                if len(cells) != len(names):
                    raise DatasetError(
                        f"Line {lines.line_num} of {path} has {len(cells)} cells; the header has {len(names)} columns. "
                        "The file is cut or was changed: bring the original."
                    )
                yield CsvRow(lines.line_num, {name: cells[place].strip() for name, place in places.items()})
    except OSError as error:
        raise DatasetError(f"Cannot read {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 text ({error.reason}); bring the original.") from error
    except csv.Error as error:
        raise DatasetError(f"{path} is not a table: {error}.") from error


def read_lines(path: Path) -> tuple[str, ...]:
    """Return the non-empty lines of a UTF-8 text, without surrounding space.

    Raises:
        DatasetError: the file cannot be read or is not UTF-8.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(f"Cannot read {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 text; expected a name a line.") from error
    return tuple(line.strip() for line in text.splitlines() if line.strip())
