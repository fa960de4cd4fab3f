"""A large table read row by row: only the columns wanted, found by name."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from earmark.errors import DatasetError
from earmark.training.datasets.csv_file import CsvRow, checked_header


def stream_rows(path: Path, columns: Sequence[str], delimiter: str = "\t") -> Iterator[CsvRow]:
    """Yield the rows of a UTF-8 table with a header, each with the wanted columns only.

    Raises DatasetError for a file that is absent, empty or not UTF-8, a wanted column that is missing, and a row with
    more or fewer cells than the header.
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
