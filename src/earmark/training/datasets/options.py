"""The options that several loaders share, checked before anything is read."""

from __future__ import annotations

from pathlib import Path

from earmark.errors import DatasetError


def check_switches(**switches: object) -> None:
    """Raise DatasetError for an option that is neither true nor false."""
    for name, value in switches.items():
        if not isinstance(value, bool):
            raise DatasetError(f"The option {name} is {value!r}; expected true or false.")


def check_counts(**counts: object) -> None:
    """Raise DatasetError for an option that is no whole number from 0 on."""
    for name, value in counts.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise DatasetError(f"The option {name} is {value!r}; expected a whole number from 0 on.")


def folder_below(root: Path, name: str, value: object) -> Path:
    """Return the folder that an option names, absolute or relative to the root; DatasetError for what is no path."""
    if not isinstance(value, str | Path):
        raise DatasetError(f"The option {name} is {value!r}; expected a path.")
    return root / value


def check_root(root: Path, dataset: str, layout: str, needed: str) -> None:
    """Raise DatasetError, with the layout expected, for a root that is no folder or lacks a file."""
    if (root / needed).exists():
        return
    found = f"holds no {needed}" if root.is_dir() else "is not a folder"
    raise DatasetError(f"{root} {found}; the root of {dataset} holds:\n{layout}")
