"""The models that come with earmark: folders beside the code, found wherever it is installed."""

import importlib.resources
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources.abc import Traversable
from pathlib import Path

from earmark.errors import BundleError
from earmark.tagging.bundle import CARD_FILE, Bundle, read_bundle

MODELS_FOLDER = "models"


def models() -> list[str]:
    """The names of the models that come with earmark, in alphabetical order; the first is the default."""
    folder = _folder()
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if entry.joinpath(CARD_FILE).is_file())


def read_bundled(name: str) -> Bundle:
    """Read one of `models()`; raises BundleError for another name and for a model that is not whole."""
    with bundled_folder(name) as folder:
        return read_bundle(folder)


@contextmanager
def bundled_folder(name: str) -> Iterator[Path]:
    """The folder of one of `models()`, for as long as it is read; raises BundleError for another name."""
    if name not in models():
        known = ", ".join(models()) or "none"
        raise BundleError(f"No model {name!r} comes with earmark: found {known}. Choose one of those, or a folder.")
    with importlib.resources.as_file(_folder().joinpath(name)) as folder:
        yield folder


def _folder() -> Traversable:
    return importlib.resources.files("earmark.tagging").joinpath(MODELS_FOLDER)
