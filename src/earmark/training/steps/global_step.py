"""Train the global classifier (step 3) on the vectors of clips ([SPL] II-C)."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from lightning.fabric import Fabric
from safetensors.numpy import load_file, save_file
from torch import Tensor

from earmark.tagging.bundle.card import Head
from earmark.training.data.batches import Share, VectorBatches
from earmark.training.data.clips import TrainingData
from earmark.training.networks.export import Arrays, check_classifier, classifier_arrays
from earmark.training.networks.networks import GlobalClassifier
from earmark.training.recipe.sections import GlobalSection, Schedule
from earmark.training.steps.features import ScaleFeatures, clip_vectors
from earmark.training.steps.fit import FitParts, History, fit, read_history, tag_loss, write_history


@dataclasses.dataclass(frozen=True)
class TrainedClassifier:
    """A trained global classifier.

    Attributes:
        network: the network in torch.
        head: its description in a bundle, whose hash is not yet set.
        arrays: its weights as arrays of a bundle.
        history: its training.
    """

    network: GlobalClassifier
    head: Head
    arrays: Arrays
    history: History


def classifier_parts(
    data: TrainingData,
    split: str,
    features: Sequence[ScaleFeatures],
    levels: tuple[int, ...],
    section: GlobalSection,
    seed: int,
    share: Share,
) -> FitParts[GlobalClassifier]:
    """Put together the training of the global classifier as in the letter.

    Args:
        data: the dataset. Where its targets have more columns than it has tags (`extras.distillation`), the classifier
            has outputs for these too.
        split: the name of the split.
        features: the features of the chosen scales.
        levels: the chosen levels (empty: all).
        section: the recipe's section `global`.
        seed: the seed of weights and order.
        share: the part of every batch that this process takes.
    """
    vectors = torch.from_numpy(clip_vectors(features, levels))
    targets = torch.from_numpy(data.clips.targets)
    train, valid = (torch.from_numpy(data.clips_of(split, side)) for side in ("train", "valid"))
    torch.manual_seed(seed)
    tags = len(data.dataset.tags)
    further_outputs = targets.shape[1] - tags
    network = GlobalClassifier(vectors.shape[1], tags, section.hidden_units, section.dropout, further_outputs)
    _standardise(network, vectors[train], section)
    training = VectorBatches(vectors[train], targets[train], section.batch_clips, shuffle=True, seed=seed, share=share)
    validation = VectorBatches(vectors[valid], targets[valid], 1024, shuffle=False)
    return FitParts(network, training, validation, tag_loss(data.dataset.task))


def train_classifier(
    parts: FitParts[GlobalClassifier],
    vectors: npt.NDArray[np.float32],
    training: npt.NDArray[np.int64],
    schedule: Schedule,
    seed: int,
    fabric: Fabric,
) -> TrainedClassifier:
    """Train the classifier, and compare its export with torch.

    `vectors` are those of all clips, (clips, columns) float32; `training` are the positions of the training clips,
    (n,) int64.

    Raises:
        TrainingError: the training fails (see `fit`), or the export differs from torch.
    """
    history = fit(parts.network, parts.training, parts.validation, schedule, parts.loss, seed, fabric)
    parts.network.drop_further_outputs()
    mean = torch.from_numpy(vectors)[torch.from_numpy(training)].mean(dim=0).numpy()
    return finished_classifier(parts.network, history, vectors[:64], mean)


def write_classifier(trained: TrainedClassifier, folder: Path) -> None:
    """Store a trained classifier in a folder."""
    save_file(trained.arrays, folder / "weights.safetensors")
    torch.save(trained.network.state_dict(), folder / "network.pt")
    write_history(trained.history, folder)


def read_classifier(section: GlobalSection, folder: Path) -> TrainedClassifier:
    """Read the classifier that `write_classifier` stored."""
    arrays = load_file(folder / "weights.safetensors")
    tags = len(arrays[f"head.layer.{len(section.hidden_units) + 1}.bias"])
    network = GlobalClassifier(len(arrays["head.mean"]), tags, section.hidden_units, section.dropout)
    network.load_state_dict(torch.load(folder / "network.pt", weights_only=True))
    return TrainedClassifier(network.eval(), Head(section.hidden_units, ""), arrays, read_history(folder))


def finished_classifier(
    network: GlobalClassifier,
    history: History,
    some_vectors: npt.NDArray[np.float32],
    vector_mean: npt.NDArray[np.float32],
) -> TrainedClassifier:
    """Export a trained classifier, and compare the export with torch on some vectors (n, columns).

    `vector_mean` is the mean vector of the training clips, (columns,) float32.

    Raises:
        TrainingError: the export differs from torch.
    """
    arrays = classifier_arrays(network)
    head = Head(tuple(int(block.dense.out_features) for block in network.hidden), "")  # type: ignore[union-attr,arg-type]
    check_classifier(network, head, arrays, some_vectors)
    arrays["vector.mean"] = vector_mean
    return TrainedClassifier(network, head, arrays, history)


def _standardise(network: GlobalClassifier, training_vectors: Tensor, section: GlobalSection) -> None:
    """Set the standardisation from the training vectors: a scalar mean and deviation (authors' code), or by column."""
    if section.standardise == "column":
        # A deviation of 1 keeps constant columns at 0.
        deviation = training_vectors.std(dim=0)
        network.mean.copy_(training_vectors.mean(dim=0))
        network.deviation.copy_(torch.where(deviation > 1e-6, deviation, 1.0))
    else:
        network.mean.fill_(float(training_vectors.mean()))
        network.deviation.fill_(float(training_vectors.std()))
