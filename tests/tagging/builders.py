"""Random bundles, small or of the letter's size, for tests of the tagger and of all that stands on it.

Use it from any test folder: `from tagging.builders import make_bundle`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from earmark.audio.logmel import LogMelSettings
from earmark.tagging.bundle.bundle import Bundle, seal, write_bundle
from earmark.tagging.bundle.card import (
    Activation,
    Card,
    Convolution,
    Extractor,
    Familiarity,
    Head,
    Provenance,
    TagCalibration,
    TagName,
    layout_of,
)
from earmark.tagging.bundle.tensors import expected_shapes

BLOCKS: Mapping[int, tuple[Convolution, ...]] = {
    18: (Convolution(3, 128, 3), Convolution(3, 128, 3), Convolution(2, 256, 2)),
    27: (Convolution(3, 128, 3), Convolution(3, 128, 3), Convolution(3, 256, 3)),
    54: (Convolution(3, 128, 3), Convolution(3, 128, 3), Convolution(3, 256, 3), Convolution(2, 256, 2)),
}
"""The letter's networks by their number of frames (method section 3)."""


def log_mel_extractor(frames: int, labels: Sequence[str], channels_divisor: int = 1) -> Extractor:
    """The letter's extractor of 18, 27 or 54 frames; a divisor makes it thinner and faster."""
    blocks = tuple(dataclasses.replace(block, channels=block.channels // channels_divisor) for block in BLOCKS[frames])
    return Extractor(
        name=str(frames),
        family="log-mel",
        rate_hz=22_050,
        log_mel=LogMelSettings(),
        segment_length=frames,
        segment_hop=frames,
        input_mean=0.226,
        input_deviation=0.258,
        convolutions=blocks,
        levels=tuple(range(1, len(blocks) + 1)),
        segment_statistic="max",
        track_statistic="mean",
        hidden_units=256 // channels_divisor,
        output_tags=tuple(labels),
        hash="",
    )


def raw_extractor(labels: Sequence[str], samples: int = 2187, channels: int = 8) -> Extractor:
    """A thin sample-level extractor of 3^n samples: a strided convolution, blocks of 3, a 1x1 convolution."""
    blocks = [Convolution(3, channels, 1, stride=3)]
    length = samples // 3
    while length > 1:
        blocks.append(Convolution(3, channels, 3))
        length //= 3
    blocks.append(Convolution(1, channels, 1))
    return Extractor(
        name=str(samples),
        family="raw",
        rate_hz=22_050,
        log_mel=None,
        segment_length=samples,
        segment_hop=samples,
        input_mean=0.0,
        input_deviation=1.0,
        convolutions=tuple(blocks),
        levels=tuple(range(len(blocks) - 2, len(blocks) + 1)),
        segment_statistic="max",
        track_statistic="mean",
        hidden_units=0,
        output_tags=tuple(labels),
        hash="",
    )


def make_weights(card: Card, seed: int) -> dict[str, np.ndarray]:
    """He-like random weights of the card's shapes, so that activations keep their size through the layers."""
    generator = np.random.default_rng(seed)
    weights: dict[str, np.ndarray] = {}
    for name, shape in expected_shapes(card).items():
        if name.endswith(("deviation",)):
            values = generator.uniform(0.5, 1.5, shape)
        elif len(shape) == 1:
            values = generator.normal(0.0, 0.1, shape)
        else:
            values = generator.normal(0.0, np.sqrt(2.0 / np.prod(shape[1:])), shape)
        weights[name] = values.astype(np.float32)
    return weights


def make_bundle_of(
    extractors: Sequence[Extractor],
    labels: Sequence[str],
    *,
    seed: int = 0,
    activation: Activation = "sigmoid",
    hidden_units: tuple[int, ...] = (32,),
    calibrated: bool = False,
) -> Bundle:
    """A sealed bundle of these extractors with random weights."""
    calibration = tuple(TagCalibration(label, 1.1, -0.2, {"0.5": 0.4, "0.9": 0.8}) for label in labels)
    card = Card(
        name="random",
        extractors=tuple(extractors),
        layout=layout_of(extractors),
        head=Head(hidden_units, ""),
        activation=activation,
        tags=tuple(TagName(label, "group of tests") for label in labels),
        calibration=calibration if calibrated else (),
        provenance=Provenance(
            recipe='name = "random"\n',
            data_hash="none",
            split_hash="none",
            commit="none",
            versions={"numpy": np.__version__},
            seeds=(seed,),
            created="2000-01-01T00:00:00Z",
        ),
        metrics={"roc_auc": 0.5},
        licence="CC0-1.0",
    )
    return seal(card, make_weights(card, seed))


def make_bundle(
    scales: Sequence[int] = (18, 27, 54),
    tags: int = 5,
    seed: int = 0,
    *,
    channels_divisor: int = 16,
    activation: Activation = "sigmoid",
    calibrated: bool = False,
) -> Bundle:
    """A sealed bundle of the letter's scales, thin unless `channels_divisor` is 1; tags are "tag 1", …."""
    labels = [f"tag {number}" for number in range(1, tags + 1)]
    extractors = [log_mel_extractor(frames, labels, channels_divisor) for frames in scales]
    return make_bundle_of(extractors, labels, seed=seed, activation=activation, calibrated=calibrated)


def constant_bundle(
    odds: Sequence[float], tags: Sequence[TagName], familiarity: Familiarity | None = None, scale: float = 1.0
) -> Bundle:
    """A thin bundle that says the same log odds of any sound, and promises every tag at 0.9 from one half on.

    `scale`: of its distance, where it has a familiarity: small for a model to which everything is far.
    """
    made = make_bundle(scales=(18,), tags=len(tags))
    weights = dict(made.weights)
    weights["head.layer.2.weight"] = np.zeros_like(weights["head.layer.2.weight"])
    weights["head.layer.2.bias"] = np.array(odds, np.float32)
    if familiarity is not None:
        width = made.card.vector_width
        weights["familiarity.mean"] = np.zeros(width, np.float32)
        weights["familiarity.axes"] = np.zeros((familiarity.axes, width), np.float32)
        weights["familiarity.scale"] = np.array([scale], np.float32)
    calibration = tuple(TagCalibration(tag.label, 1.0, 0.0, {"0.9": 0.5}) for tag in tags)
    card = dataclasses.replace(made.card, tags=tuple(tags), calibration=calibration, familiarity=familiarity)
    return seal(card, weights)


def write_random_bundle(folder: Path, seed: int = 0, tags: int = 5) -> Path:
    """Write a thin random bundle into a folder and return the folder, to be given as a model."""
    write_bundle(make_bundle(tags=tags, seed=seed), folder)
    return folder
