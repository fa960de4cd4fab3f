"""The datasets by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from earmark.errors import DatasetError
from earmark.training.datasets import emotify, rendered, table
from earmark.training.datasets.base import Dataset, Report
from earmark.training.datasets.nearest import did_you_mean, listed


@dataclass(frozen=True)
class Entry:
    """What a dataset's module offers: its loader, its check, and what it says of itself."""

    load: Callable[..., Dataset]
    check: Callable[[Path], Report]
    licence: str
    citation: str
    layout: str

    @property
    def options(self) -> tuple[str, ...]:
        """The names of the loader's options."""
        return tuple(name for name in inspect.signature(self.load).parameters if name != "root")


DATASETS: Mapping[str, Entry] = MappingProxyType(
    {
        module.NAME: Entry(module.load, module.check, module.LICENCE, module.CITATION, module.LAYOUT)
        for module in (emotify, rendered, table)
    }
)


def load_dataset(name: str, root: Path, options: Mapping[str, object] | None = None) -> Dataset:
    """Return the dataset of this name under a root, loaded with these options.

    Raises DatasetError for an unknown name or option, with the nearest known one, and whatever the loader
    refuses.
    """
    entry = _entry(name)
    options = options or {}
    unknown = [option for option in options if option not in entry.options]
    if unknown:
        raise DatasetError(
            f"Dataset {name!r} has no option {unknown[0]!r}; its options are "
            f"{listed(entry.options, most=20)}."
            f"{did_you_mean(unknown[0], entry.options)}"
        )
    return entry.load(Path(root), **options)


def check_dataset(name: str, root: Path) -> Report:
    """Return what was found of the files of the dataset of this name under a root."""
    return _entry(name).check(Path(root))


def _entry(name: str) -> Entry:
    if name not in DATASETS:
        raise DatasetError(
            f"There is no dataset {name!r}; there are "
            f"{listed(sorted(DATASETS), most=20)}.{did_you_mean(name, DATASETS)}"
        )
    return DATASETS[name]
