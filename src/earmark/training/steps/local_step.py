"""Step 1: the local CNN of a scale, on segments."""

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
from earmark.training.material.augmentation import Augmentation
from earmark.training.material.batches import SegmentBatches, Share
from earmark.training.material.hints import with_hints
from earmark.training.material.material import Material
from earmark.training.material.waveform_batches import WaveformBatches
from earmark.training.networks.export import Arrays, check_local, local_arrays
from earmark.training.networks.local_cnn import LocalCNN
from earmark.training.recipe.data import Side
from earmark.training.recipe.local import LocalSection
from earmark.training.steps.balanced import BalancedLoss
from earmark.training.steps.fit import Batches, Epoch, History, fit, tag_loss
from earmark.training.steps.history import read_history, write_history


@dataclasses.dataclass(frozen=True)
class TrainedLocal:
    """A local CNN as a bundle will hold it, how it was trained, and the folder of its step."""

    extractor: Extractor
    arrays: Arrays
    history: History
    folder: Path


def train_local(
    extractor: Extractor,
    material: Material,
    split: str,
    section: LocalSection,
    seed: int,
    fabric: Fabric,
    folder: Path,
    say: Callable[[str], None],
) -> None:
    """Train a local CNN on one side of a split, choose its weights on another, and keep it in a folder."""
    share = Share(fabric.global_rank, fabric.world_size)
    material = with_hints(material, section.hints, split)
    training = _batches(extractor, material, split, "train", section, seed, share)
    validation = _batches(extractor, material, split, "valid", section, seed, share)
    hints = material.clips.targets.shape[1] - len(extractor.output_tags)
    torch.manual_seed(seed)
    network = LocalCNN(extractor, section.dropout, hints)
    loss = tag_loss(material.dataset.task)
    if section.balance_tags:
        balanced = BalancedLoss(torch.from_numpy(material.clips.targets[material.clips_of(split, "train")]))
        network.start_at(balanced.mean)
        loss = balanced
    history = fit(
        network,
        training,
        validation,
        section.schedule,
        loss,
        seed,
        fabric,
        folder / "checkpoint.pt",
        lambda epoch: say(_epoch_line(f"{split} local {extractor.name}", epoch)),
    )
    network.drop_hints()
    arrays = local_arrays(network)
    check_local(network, arrays, next(iter(validation.epoch(0)))[0].numpy())
    if fabric.is_global_zero:
        save_file(arrays, folder / "weights.safetensors")
        torch.save(network.state_dict(), folder / "network.pt")
        write_history(history, folder)
        (folder / "checkpoint.pt").unlink(missing_ok=True)


def _batches(
    extractor: Extractor, material: Material, split: str, side: Side, section: LocalSection, seed: int, share: Share
) -> Batches:
    """The segments of one side, shuffled where they train, of the family that the network takes."""
    rule = SegmentRule(extractor.segment_length, extractor.segment_hop)
    chosen = material.clips_of(split, side)
    if extractor.log_mel is None:
        return WaveformBatches(
            material.sound,
            material.clips,
            chosen,
            rule,
            section.batch_segments,
            shuffle=side == "train",
            seed=seed,
            gain_deviation=section.gain_deviation,
            share=share,
        )
    return SegmentBatches(
        material.frames,
        material.clips,
        chosen,
        rule,
        section.batch_segments,
        shuffle=side == "train",
        seed=seed,
        augmentation=Augmentation(section.augmentation, section.gain_deviation, extractor.log_mel),
        row_seconds=extractor.row_seconds,
        share=share,
    )


def read_local(extractor: Extractor, folder: Path) -> TrainedLocal:
    """What `train_local` kept."""
    return TrainedLocal(extractor, load_file(folder / "weights.safetensors"), read_history(folder), folder)


def read_local_network(trained: TrainedLocal, dropout: float) -> LocalCNN:
    """The network itself, with its batch norms, to train on from where step 1 ended."""
    network = LocalCNN(trained.extractor, dropout)
    network.load_state_dict(torch.load(trained.folder / "network.pt", weights_only=True))
    return network


def write_standardisation(material: Material, split: str, folder: Path) -> None:
    """Keep one scalar mean and deviation of all training frames of a split (method section 2)."""
    total, squares, count = 0.0, 0.0, 0
    for clip in material.clips_of(split, "train"):
        first, rows = material.clips.first_row[clip], material.clips.rows[clip]
        frames = np.asarray(material.frames[first : first + rows], np.float64)
        total, squares, count = total + frames.sum(), squares + np.square(frames).sum(), count + frames.size
    if not count:
        raise TrainingError(f"Split {split} has no clips to train on; expected at least one. Check data.splits.")
    mean = total / count
    deviation = max(squares / count - mean**2, 0.0) ** 0.5
    if not deviation:
        raise TrainingError(f"All training frames of split {split} are equal; expected sound, found silence.")
    (folder / "values.json").write_text(json.dumps([mean, deviation]), encoding="utf-8")


def read_standardisation(folder: Path) -> tuple[float, float]:
    """The mean and deviation that `write_standardisation` kept."""
    mean, deviation = json.loads((folder / "values.json").read_text(encoding="utf-8"))
    return mean, deviation


def _epoch_line(what: str, epoch: Epoch) -> str:
    return (
        f"{what}  epoch {epoch.number:3d}  rate {epoch.learning_rate:.2e}  "
        f"loss {epoch.training_loss:.4f} training, {epoch.validation_loss:.4f} validation"
    )
