"""A model on disk: a folder of card.json and weights.safetensors, loaded strictly and verified by hash.

The models that come with earmark are such folders in the installed package.
"""

import dataclasses
import importlib.resources
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from earmark.errors import BundleError
from earmark.tagging.bundle.card import Card, Head, Weights
from earmark.tagging.bundle.check import check_card
from earmark.tagging.bundle.json import card_from_json, card_to_json
from earmark.tagging.bundle.tensors import expected_shapes, extractor_hash, familiarity_hash, head_hash

CARD_FILE = "card.json"
WEIGHTS_FILE = "weights.safetensors"
STORED_TYPES = ("F16", "F32")


@dataclass(frozen=True)
class Bundle:
    """A model: its card, and its weights by name, all float32 in memory."""

    card: Card
    weights: Weights


def seal(card: Card, weights: Weights) -> Bundle:
    """Return a bundle of a card and weights, with the hashes of the extractors and of the head filled in.

    Exporters make bundles with it; earlier values of the hash fields are replaced. Raises BundleError where the card
    and the weights do not fit each other.
    """
    extractors = tuple(
        dataclasses.replace(extractor, hash=extractor_hash(extractor, weights)) for extractor in card.extractors
    )
    card = dataclasses.replace(card, extractors=extractors)
    card = dataclasses.replace(card, head=Head(card.head.hidden_units, head_hash(card, weights)))
    if card.familiarity is not None:
        familiarity = dataclasses.replace(card.familiarity, hash=familiarity_hash(card, weights))
        card = dataclasses.replace(card, familiarity=familiarity)
    bundle = Bundle(card, weights)
    _verify(bundle, "the card", "the weights")
    return bundle


def write_bundle(bundle: Bundle, folder: str | os.PathLike[str]) -> None:
    """Write a verified bundle into a folder, which is created if it does not exist.

    A tensor is stored as float16 where that loses nothing (round it before `seal` to get that) and as float32
    otherwise, so that reading gives back what was written. Raises BundleError where the bundle could not be loaded
    again.
    """
    folder = Path(folder)
    _verify(bundle, f"{folder / CARD_FILE} (not written)", f"{folder / WEIGHTS_FILE} (not written)")
    text = card_to_json(bundle.card)
    tensors = {name: _smallest(weight) for name, weight in bundle.weights.items()}
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / WEIGHTS_FILE, safetensors.numpy.save(tensors))
    _replace(folder / CARD_FILE, text.encode("utf-8"))


def read_bundle(folder: str | os.PathLike[str]) -> Bundle:
    """Read a bundle from its folder and verify all of it: keys, layout, names, shapes, types, values, hashes.

    Raises BundleError that names the file, what was found, what was expected and what to do. Weights that are missing,
    incomplete or changed are never used.
    """
    folder = Path(folder)
    card_file, weights_file = folder / CARD_FILE, folder / WEIGHTS_FILE
    for file in (card_file, weights_file):
        if not file.is_file():
            found = "no such folder" if not folder.is_dir() else "no such file"
            raise BundleError(
                f"{file}: found {found}, expected a model: a folder of {CARD_FILE} and {WEIGHTS_FILE}. "
                "Give the folder that `earmark train RECIPE` has written."
            )
    try:
        text = card_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{card_file}: found {error}, expected UTF-8 text. Export the model again.") from error
    card = card_from_json(text, str(card_file))
    check_card(card, str(card_file))
    bundle = Bundle(card, _read_weights(weights_file))
    _verify(bundle, str(card_file), str(weights_file))
    return bundle


def _verify(bundle: Bundle, card_place: str, weights_place: str) -> None:
    card, weights = bundle.card, bundle.weights
    check_card(card, card_place)
    expected = expected_shapes(card)
    again = "Export the model again, or fetch the file again if it was copied."
    missing = sorted(expected.keys() - weights.keys())
    if missing:
        raise BundleError(f"{weights_place}: {len(missing)} missing, expected {', '.join(missing)}. {again}")
    extra = sorted(weights.keys() - expected.keys())
    if extra:
        raise BundleError(f"{weights_place}: found {', '.join(extra)}, which the card does not name. {again}")
    for name, shape in expected.items():
        weight = weights[name]
        if weight.dtype != np.float32:
            raise BundleError(f"{weights_place}: {name}: found {weight.dtype}, expected float32. {again}")
        if weight.shape != shape:
            raise BundleError(f"{weights_place}: {name}: found shape {weight.shape}, expected {shape}. {again}")
        if not np.isfinite(weight).all():
            raise BundleError(f"{weights_place}: {name}: found NaN or infinity, expected finite numbers. {again}")
    if not (weights["head.deviation"] > 0).all():
        raise BundleError(f"{weights_place}: head.deviation: found zero or less, expected above 0. {again}")
    for extractor in card.extractors:
        _compare_hash(f"extractor {extractor.name!r}", extractor.hash, extractor_hash(extractor, weights), card_place)
    _compare_hash("the head", card.head.hash, head_hash(card, weights), card_place)
    if card.familiarity is not None:
        if not (weights["familiarity.scale"] > 0).all():
            raise BundleError(f"{weights_place}: familiarity.scale: found zero or less, expected above 0. {again}")
        _compare_hash("familiarity", card.familiarity.hash, familiarity_hash(card, weights), card_place)


def _compare_hash(what: str, found: str, expected: str, place: str) -> None:
    if found != expected:
        raise BundleError(
            f"{place}: found the hash {found or '(none)'} for {what}, expected {expected} from its description and "
            f"weights: {CARD_FILE} or {WEIGHTS_FILE} was changed or damaged. Export the model again, or fetch both."
        )


def _read_weights(file: Path) -> dict[str, npt.NDArray[np.float32]]:
    weights: dict[str, npt.NDArray[np.float32]] = {}
    try:
        with safetensors.safe_open(file, framework="numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118 (not a dictionary)
                stored = tensors.get_slice(name).get_dtype()
                if stored not in STORED_TYPES:
                    raise BundleError(
                        f"{file}: {name}: found the type {stored}, expected {' or '.join(STORED_TYPES)}. "
                        "Export the model again."
                    )
                weights[name] = tensors.get_tensor(name).astype(np.float32)
    except (safetensors.SafetensorError, OSError) as error:
        raise BundleError(
            f"{file}: found a file that cannot be read ({error}), expected safetensors. "
            "Export the model again, or fetch the file again if it was copied."
        ) from error
    return weights


def _smallest(weight: npt.NDArray[np.float32]) -> npt.NDArray[np.float16] | npt.NDArray[np.float32]:
    # Values beyond float16 become infinite here and differ from the original, so such a tensor stays float32.
    with np.errstate(over="ignore"):
        half = weight.astype(np.float16)
    if np.array_equal(half.astype(np.float32), weight):
        return np.ascontiguousarray(half)
    return np.ascontiguousarray(weight)


def _replace(file: Path, content: bytes) -> None:
    part = file.with_name(f"{file.name}.part")
    part.write_bytes(content)
    part.replace(file)


MODELS_FOLDER = "models"


def models() -> list[str]:
    """Return the names of the models that come with earmark, in alphabetical order; the first is the default."""
    folder = _folder()
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if entry.joinpath(CARD_FILE).is_file())


def read_bundled(name: str) -> Bundle:
    """Read one of `models()`; raises BundleError for another name and for a model that is incomplete."""
    with bundled_folder(name) as folder:
        return read_bundle(folder)


@contextmanager
def bundled_folder(name: str) -> Iterator[Path]:
    """Give the folder of one of `models()` while it is read; raises BundleError for another name."""
    if name not in models():
        known = ", ".join(models()) or "none"
        raise BundleError(f"No model {name!r} comes with earmark: found {known}. Choose one of those, or a folder.")
    with importlib.resources.as_file(_folder().joinpath(name)) as folder:
        yield folder


def _folder() -> Traversable:
    return importlib.resources.files("earmark.tagging").joinpath(MODELS_FOLDER)
