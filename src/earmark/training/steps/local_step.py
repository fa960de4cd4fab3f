"""Train the local CNN of a scale (step 1) on segments ([SPL] II-A)."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from lightning.fabric import Fabric
from safetensors.numpy import load_file, save_file

from earmark.audio.segments import SegmentRule
from earmark.errors import TrainingError
from earmark.tagging.bundle.card import Extractor
from earmark.training.data.batches import SegmentBatches, Share, WaveformBatches
from earmark.training.data.clips import TrainingData
from earmark.training.networks.export import Arrays, check_local, local_arrays
from earmark.training.networks.networks import LocalCNN
from earmark.training.recipe.sections import LocalSection, Schedule, Side
from earmark.training.steps.fit import Epoch, FitParts, History, fit, read_history, tag_loss, write_history


@dataclasses.dataclass(frozen=True)
class TrainedLocal:
    """A trained local CNN.

    Attributes:
        extractor: its description in a bundle.
        arrays: its weights as arrays of a bundle.
        history: its training.
        folder: the folder of its step, which also holds the network in torch.
    """

    extractor: Extractor
    arrays: Arrays
    history: History
    folder: Path


def local_parts(
    extractor: Extractor, data: TrainingData, split: str, section: LocalSection, seed: int, share: Share
) -> FitParts[LocalCNN]:
    """Put together the training of a local CNN as in the letter: every segment has the tags of its clip.

    Args:
        extractor: the description of the network.
        data: the dataset. Where its targets have more columns than the network has tags (`extras.distillation`), the
            network has outputs for these too.
        split: the name of the split.
        section: the recipe's section `local`.
        seed: the seed of weights and order.
        share: the part of every batch that this process takes.
    """
    training, validation = (
        segment_batches(extractor, data, split, side, section, seed, share) for side in ("train", "valid")
    )
    torch.manual_seed(seed)
    further_outputs = data.clips.targets.shape[1] - len(extractor.output_tags)
    network = LocalCNN(extractor, section.dropout, further_outputs)
    return FitParts(network, training, validation, tag_loss(data.dataset.task))


def segment_batches(
    extractor: Extractor,
    data: TrainingData,
    split: str,
    side: Side,
    section: LocalSection,
    seed: int,
    share: Share,
    gain_deviation: float = 0.0,
) -> SegmentBatches | WaveformBatches:
    """Return the batches of segments of one side, log-mel or raw as the network needs; the training side is shuffled.

    `gain_deviation` varies the gain of raw segments; `extras.augmentation` varies log-mel segments.
    """
    rule = SegmentRule(extractor.segment_length, extractor.segment_hop)
    chosen = data.clips_of(split, side)
    if extractor.log_mel is None:
        return WaveformBatches(
            data.sound,
            data.clips,
            chosen,
            rule,
            section.batch_segments,
            shuffle=side == "train",
            seed=seed,
            gain_deviation=gain_deviation,
            share=share,
        )
    return SegmentBatches(
        data.frames,
        data.clips,
        chosen,
        rule,
        section.batch_segments,
        shuffle=side == "train",
        seed=seed,
        row_seconds=extractor.row_seconds,
        share=share,
    )


def train_local(
    parts: FitParts[LocalCNN],
    schedule: Schedule,
    seed: int,
    fabric: Fabric,
    folder: Path,
    report: Callable[[Epoch], object],
) -> None:
    """Train a local CNN, compare its export with torch, and store it in a folder; `report` gets every epoch.

    Raises:
        TrainingError: the training fails (see `fit`), or the export differs from torch.
    """
    network = parts.network
    history = fit(
        network, parts.training, parts.validation, schedule, parts.loss, seed, fabric, folder / "checkpoint.pt", report
    )
    network.drop_further_outputs()
    arrays = local_arrays(network)
    check_local(network, arrays, next(iter(parts.validation.epoch(0)))[0].numpy())
    if fabric.is_global_zero:
        save_file(arrays, folder / "weights.safetensors")
        torch.save(network.state_dict(), folder / "network.pt")
        write_history(history, folder)
        (folder / "checkpoint.pt").unlink(missing_ok=True)


def read_local(extractor: Extractor, folder: Path) -> TrainedLocal:
    """Read the local CNN that `train_local` stored."""
    return TrainedLocal(extractor, load_file(folder / "weights.safetensors"), read_history(folder), folder)


def read_local_network(trained: TrainedLocal, dropout: float) -> LocalCNN:
    """Read the network of step 1 with its batch norms, to continue its training."""
    network = LocalCNN(trained.extractor, dropout)
    network.load_state_dict(torch.load(trained.folder / "network.pt", weights_only=True))
    return network


def write_standardisation(data: TrainingData, split: str, folder: Path) -> None:
    """Store the scalar mean and deviation of all training frames of a split (method section 2).

    Raises:
        TrainingError: the split has no training clips, or all frames are equal.
    """
    total, squares, count = 0.0, 0.0, 0
    for clip in data.clips_of(split, "train"):
        first, rows = data.clips.first_row[clip], data.clips.rows[clip]
        frames = np.asarray(data.frames[first : first + rows], np.float64)
        total, squares, count = total + frames.sum(), squares + np.square(frames).sum(), count + frames.size
    if not count:
        raise TrainingError(f"Split {split} has no clips to train on; expected at least one. Check data.splits.")
    mean = total / count
    deviation = max(squares / count - mean**2, 0.0) ** 0.5
    if not deviation:
        raise TrainingError(f"All training frames of split {split} are equal; expected sound, found silence.")
    (folder / "values.json").write_text(json.dumps([mean, deviation]), encoding="utf-8")


def read_standardisation(folder: Path) -> tuple[float, float]:
    """Read the mean and deviation that `write_standardisation` stored."""
    mean, deviation = json.loads((folder / "values.json").read_text(encoding="utf-8"))
    return mean, deviation
