"""Load and check datasets by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from earmark.errors import DatasetError
from earmark.training.datasets import (
    annotated,
    consensus_dataset,
    debian,
    emotify,
    fma,
    gtzan,
    jamendo,
    magnatagatune,
    million_song,
    rendered,
    table,
    tagtraum,
    taught,
    teacher,
)
from earmark.training.datasets.base import Dataset, Report
from earmark.training.datasets.options import did_you_mean, listed


@dataclass(frozen=True)
class RegisteredDataset:
    """A dataset's loader and check, and its licence, citation and layout."""

    load: Callable[..., Dataset]
    check: Callable[..., Report]
    licence: str
    citation: str
    layout: str

    @property
    def options(self) -> tuple[str, ...]:
        """The names of the loader's options."""
        return _options_of(self.load)

    @property
    def check_options(self) -> tuple[str, ...]:
        """The names of the options that the check takes too."""
        return _options_of(self.check)


def _options_of(function: Callable[..., object]) -> tuple[str, ...]:
    return tuple(name for name in inspect.signature(function).parameters if name != "root")


DATASETS: Mapping[str, RegisteredDataset] = MappingProxyType(
    {
        module.NAME: RegisteredDataset(module.load, module.check, module.LICENCE, module.CITATION, module.LAYOUT)
        for module in (
            annotated,
            consensus_dataset,
            debian,
            emotify,
            fma,
            gtzan,
            jamendo,
            magnatagatune,
            million_song,
            rendered,
            table,
            tagtraum,
            taught,
            teacher,
        )
    }
)


def load_dataset(name: str, root: Path, options: Mapping[str, object] | None = None) -> Dataset:
    """Load a dataset by its name from a root, with options of its loader.

    Raises:
        DatasetError: the name or an option is unknown, or the loader finds a fault in the files.
    """
    entry, checked = _entry(name, options)
    return entry.load(Path(root), **checked)


def check_dataset(name: str, root: Path, options: Mapping[str, object] | None = None) -> Report:
    """Check the files of a dataset under a root.

    `options` are those of the loader; options that the check does not have are ignored.

    Raises:
        DatasetError: the name or an option is unknown, or the list of files cannot be read.
    """
    entry, checked = _entry(name, options)
    return entry.check(
        Path(root), **{option: value for option, value in checked.items() if option in entry.check_options}
    )


def _entry(name: str, options: Mapping[str, object] | None) -> tuple[RegisteredDataset, Mapping[str, object]]:
    """Return the registered dataset of a name, and the options after checking their names."""
    if name not in DATASETS:
        raise DatasetError(
            f"There is no dataset {name!r}; there are "
            f"{listed(sorted(DATASETS), most=20)}.{did_you_mean(name, DATASETS)}"
        )
    entry = DATASETS[name]
    unknown = [option for option in options or {} if option not in entry.options]
    if unknown:
        raise DatasetError(
            f"Dataset {name!r} has no option {unknown[0]!r}; its options are "
            f"{listed(entry.options, most=20)}."
            f"{did_you_mean(unknown[0], entry.options)}"
        )
    return entry, options or {}
