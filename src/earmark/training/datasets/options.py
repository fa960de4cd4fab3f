"""Check options that several loaders share, and write names in messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from earmark.errors import DatasetError


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `" Did you mean 'known'?"` for the nearest known name, or an empty text where none is similar."""
    matches = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {matches[0]!r}?" if matches else ""


def listed(names: Iterable[str], most: int = 5) -> str:
    """Return up to `most` names, quoted and separated by commas, and the number of further names."""
    every = list(names)
    text = ", ".join(repr(name) for name in every[:most])
    return f"{text} and {len(every) - most} more" if len(every) > most else text


def check_switches(**switches: object) -> None:
    """Raise DatasetError where an option is neither true nor false."""
    for name, value in switches.items():
        if not isinstance(value, bool):
            raise DatasetError(f"The option {name} is {value!r}; expected true or false.")


def check_counts(**counts: object) -> None:
    """Raise DatasetError where an option is not a whole number of at least 0."""
    for name, value in counts.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise DatasetError(f"The option {name} is {value!r}; expected a whole number from 0 on.")


def folder_below(root: Path, name: str, value: object) -> Path:
    """Return the folder that an option names, absolute or relative to the root.

    Raises:
        DatasetError: the option is not a path.
    """
    if not isinstance(value, str | Path):
        raise DatasetError(f"The option {name} is {value!r}; expected a path.")
    return root / value


def check_root(root: Path, dataset: str, layout: str, needed: str) -> None:
    """Raise DatasetError, with the expected layout, where a root is not a folder or lacks the file `needed`."""
    if (root / needed).exists():
        return
    found = f"holds no {needed}" if root.is_dir() else "is not a folder"
    raise DatasetError(f"{root} {found}; the root of {dataset} holds:\n{layout}")
