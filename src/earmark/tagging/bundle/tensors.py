"""The tensors of a bundle: their names, their shapes, and the hashes over them."""

import hashlib
import json
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from earmark.errors import BundleError
from earmark.tagging.bundle.card import Card, Convolution, Extractor, Weights
from earmark.tagging.bundle.check import layer_lengths
from earmark.tagging.bundle.json import to_plain


def expected_shapes(card: Card) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of every tensor that a bundle with this card holds.

    Convolutions are (out channels, in channels, filter), dense layers (out, in), biases (out,). Where a dense layer
    follows a convolution with more than one row left, its inputs are (channels, rows) flattened, as in torch. A
    residual block may have a `second` convolution, and has a `shortcut` (1 × 1) where its channels differ from its
    input's; a block that scales its channels has the dense layers `squeeze` and `excite`.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for extractor in card.extractors:
        shapes.update(_extractor_shapes(extractor))
    width = card.vector_width
    shapes["vector.mean"] = shapes["head.mean"] = shapes["head.deviation"] = (width,)
    for number, units in enumerate((*card.head.hidden_units, len(card.tags)), start=1):
        shapes[f"head.layer.{number}.weight"] = (units, width)
        shapes[f"head.layer.{number}.bias"] = (units,)
        width = units
    return shapes | _familiarity_shapes(card)


def extractor_hash(extractor: Extractor, weights: Weights) -> str:
    """Return the SHA-256, in hexadecimal, of an extractor's description without its hash, and of its weights.

    The weights are hashed as float32, little-endian, in the order of their names, so that how they are stored does not
    matter. Weights of other names are ignored; raises BundleError for one that is missing.
    """
    description = to_plain(extractor, f"extractor {extractor.name!r}")
    del description["hash"]
    return _hash(description, {name: _of(weights, name) for name in _extractor_shapes(extractor)})


def head_hash(card: Card, weights: Weights) -> str:
    """Return the SHA-256, in hexadecimal, of the classifier: its layers, tags, activation and weights.

    Extractors, calibration, relations of tags and familiarity are not part of it: a new head does not change vectors,
    and the others do not change logits.
    """
    description = {
        "hidden_units": list(card.head.hidden_units),
        "activation": card.activation,
        "tags": [{"label": tag.label, "group": tag.group} for tag in card.tags],
    }
    names = [name for name in expected_shapes(card) if not name.startswith(("extractor.", "familiarity."))]
    return _hash(description, {name: _of(weights, name) for name in names})


def familiarity_hash(card: Card, weights: Weights) -> str:
    """Return sha256, in hex, of a card's familiarity (its hash left out) and its tensors; empty where it has none."""
    if card.familiarity is None:
        return ""
    description = to_plain(card.familiarity, "familiarity")
    del description["hash"]
    return _hash(description, {name: _of(weights, name) for name in _familiarity_shapes(card)})


def _familiarity_shapes(card: Card) -> dict[str, tuple[int, ...]]:
    if card.familiarity is None:
        return {}
    width = card.vector_width
    return {
        "familiarity.mean": (width,),
        "familiarity.axes": (card.familiarity.axes, width),
        "familiarity.scale": (1,),
    }


def _extractor_shapes(extractor: Extractor) -> dict[str, tuple[int, ...]]:
    prefix = f"extractor.{extractor.name}"
    shapes: dict[str, tuple[int, ...]] = {}
    columns = extractor.input_columns
    for number, convolution in enumerate(extractor.convolutions, start=1):
        shapes.update(_block_shapes(convolution, columns, f"{prefix}.convolution.{number}"))
        columns = convolution.channels
    columns *= layer_lengths(extractor)[-1]
    if extractor.hidden_units:
        shapes[f"{prefix}.hidden.weight"] = (extractor.hidden_units, columns)
        shapes[f"{prefix}.hidden.bias"] = (extractor.hidden_units,)
        columns = extractor.hidden_units
    if extractor.output_tags:
        shapes[f"{prefix}.output.weight"] = (len(extractor.output_tags), columns)
        shapes[f"{prefix}.output.bias"] = (len(extractor.output_tags),)
    return shapes


def _block_shapes(convolution: Convolution, columns: int, name: str) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a block's tensors: its convolutions, its shortcut and its channel scaling."""
    channels, units = convolution.channels, convolution.squeeze_units
    shapes: dict[str, tuple[int, ...]] = {
        f"{name}.weight": (channels, columns, convolution.filter_length),
        f"{name}.bias": (channels,),
    }
    if convolution.residual_convolutions == 2:
        shapes[f"{name}.second.weight"] = (channels, channels, convolution.filter_length)
        shapes[f"{name}.second.bias"] = (channels,)
    if convolution.residual_convolutions and columns != channels:
        shapes[f"{name}.shortcut.weight"] = (channels, columns, 1)
        shapes[f"{name}.shortcut.bias"] = (channels,)
    if units:
        shapes[f"{name}.squeeze.weight"], shapes[f"{name}.squeeze.bias"] = (units, channels), (units,)
        shapes[f"{name}.excite.weight"], shapes[f"{name}.excite.bias"] = (channels, units), (channels,)
    return shapes


def _of(weights: Weights, name: str) -> npt.NDArray[np.float32]:
    if name not in weights:
        raise BundleError(f"the weights: {name} is missing, expected it from the card. Export the model again.")
    return weights[name]


def _hash(description: Mapping[str, object], weights: Weights) -> str:
    digest = hashlib.sha256(json.dumps(description, sort_keys=True, allow_nan=False).encode("ascii"))
    for name in sorted(weights):
        digest.update(f"\n{name} {list(weights[name].shape)}\n".encode("ascii"))
        digest.update(np.ascontiguousarray(weights[name], dtype="<f4").tobytes())
    return digest.hexdigest()
