"""Step 3: the global classifier, on the vectors of clips or of random windows."""

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
from earmark.training.material.batches import Share, VectorBatches
from earmark.training.material.hints import with_hints
from earmark.training.material.material import Material
from earmark.training.networks.classifier import GlobalClassifier
from earmark.training.networks.export import Arrays, check_classifier, classifier_arrays
from earmark.training.recipe.classifier import GlobalSection
from earmark.training.steps.balanced import BalancedLoss
from earmark.training.steps.features import ScaleFeatures, clip_vectors
from earmark.training.steps.fit import Batches, History, fit, tag_loss
from earmark.training.steps.history import read_history, write_history
from earmark.training.steps.window_batches import WindowBatches


@dataclasses.dataclass(frozen=True)
class TrainedClassifier:
    """A global classifier, the same as a bundle will hold it (not sealed yet), and how it was trained."""

    network: GlobalClassifier
    head: Head
    arrays: Arrays
    history: History


def train_classifier(
    material: Material,
    split: str,
    features: Sequence[Sequence[ScaleFeatures]],
    levels: tuple[int, ...],
    section: GlobalSection,
    seed: int,
    fabric: Fabric,
) -> TrainedClassifier:
    """Train the classifier on chosen scales and levels (empty: all) of one side, choose its weights on another.

    `features` are those of all scales, first as the clips are, then as they would be at other loudnesses.
    """
    material = with_hints(material, section.hints, split)
    vectors = torch.from_numpy(clip_vectors(features[0], levels))
    targets = torch.from_numpy(material.clips.targets)
    train, valid = (material.clips_of(split, side) for side in ("train", "valid"))
    chosen = vectors[torch.from_numpy(train)]
    torch.manual_seed(seed)
    tags = len(material.dataset.tags)
    hints = targets.shape[1] - tags
    network = GlobalClassifier(vectors.shape[1], tags, section.hidden_units, section.dropout, hints)
    _standardise(network, chosen, section)
    share = Share(fabric.global_rank, fabric.world_size)
    training: Batches
    if section.windows is None:
        training = VectorBatches(
            chosen, targets[torch.from_numpy(train)], section.batch_clips, shuffle=True, seed=seed, share=share
        )
    else:
        training = WindowBatches(
            features,
            levels,
            train,
            material.clips,
            section.windows,
            section.batch_clips,
            seed,
            share,
        )
    validation = VectorBatches(vectors[torch.from_numpy(valid)], targets[torch.from_numpy(valid)], 1024, shuffle=False)
    loss = tag_loss(material.dataset.task)
    if section.balance_tags:
        balanced = BalancedLoss(targets[torch.from_numpy(train)])
        network.start_at(balanced.mean)
        loss = balanced
    history = fit(network, training, validation, section.schedule, loss, seed, fabric)
    network.drop_hints()
    return finished_classifier(network, history, vectors[:64].numpy(), chosen.mean(dim=0).numpy())


def write_classifier(trained: TrainedClassifier, folder: Path) -> None:
    """Keep a trained classifier in a folder."""
    save_file(trained.arrays, folder / "weights.safetensors")
    torch.save(trained.network.state_dict(), folder / "network.pt")
    write_history(trained.history, folder)


def read_classifier(section: GlobalSection, folder: Path) -> TrainedClassifier:
    """The classifier that `write_classifier` kept, to tag with or to train on."""
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
    """Export a trained classifier and check the export on some vectors."""
    arrays = classifier_arrays(network)
    head = Head(tuple(int(block.dense.out_features) for block in network.hidden), "")  # type: ignore[union-attr,arg-type]
    check_classifier(network, head, arrays, some_vectors)
    arrays["vector.mean"] = vector_mean
    return TrainedClassifier(network, head, arrays, history)


def _standardise(network: GlobalClassifier, training_vectors: Tensor, section: GlobalSection) -> None:
    """Set the classifier's standardisation from its training vectors: one scalar (authors' code), or by column."""
    if section.standardise == "column":
        # A column that never changes says nothing; a deviation of 1 keeps it at 0.
        deviation = training_vectors.std(dim=0)
        network.mean.copy_(training_vectors.mean(dim=0))
        network.deviation.copy_(torch.where(deviation > 1e-6, deviation, 1.0))
    else:
        network.mean.fill_(float(training_vectors.mean()))
        network.deviation.fill_(float(training_vectors.std()))
