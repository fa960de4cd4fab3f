"""A list of track names: the authors' pickle, or plain text with a name a line."""

from __future__ import annotations

import re
from pathlib import Path

from earmark.errors import DatasetError
from earmark.training.datasets.nearest import listed
from earmark.training.datasets.restricted_pickle import PickledArray, read_pickle

SUFFIXES = (".cP", ".pkl", ".txt")
MSD_IDENTIFIER = re.compile(r"TR[A-Z]{5}[0-9A-F]{11}")
"""How the Million Song Dataset names its tracks."""


def find_list(folder: Path, stem: str) -> Path | None:
    """Return the list of this name, pickled or as text; None where there is none."""
    return next((path for path in (folder / (stem + suffix) for suffix in SUFFIXES) if path.is_file()), None)


def read_lines(path: Path) -> tuple[str, ...]:
    """Return the lines of a UTF-8 text that hold something, without surrounding space; DatasetError otherwise."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DatasetError(f"Cannot read {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not UTF-8 text; expected a name a line.") from error
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def read_msd_list(path: Path) -> tuple[str, ...]:
    """Return the Million Song identifiers that a list holds, in its order.

    Raises DatasetError for a file that is no list, is empty, or holds anything but such identifiers.
    """
    content = read_lines(path) if path.suffix == ".txt" else read_pickle(path)
    if isinstance(content, PickledArray):
        content = [name.decode("latin1") if isinstance(name, bytes) else name for name in content.values.tolist()]
    if not isinstance(content, list | tuple) or not content:
        raise DatasetError(f"{path} holds {type(content).__name__}; expected a list of Million Song identifiers.")
    strange = [name for name in content if not (isinstance(name, str) and MSD_IDENTIFIER.fullmatch(name))]
    if strange:
        raise DatasetError(
            f"{path} holds {len(strange)} names that are no Million Song identifiers, such as 'TRAAAAW128F429D538': "
            f"{listed(map(str, strange))}."
        )
    return tuple(content)
