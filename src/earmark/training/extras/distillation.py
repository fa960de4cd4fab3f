"""Distil another tagger (a teacher): learn from its scores and from its last hidden layer.

The last hidden layer of a teacher holds more than its scores. During training a local CNN or the classifier has further
outputs that predict this layer, and they are removed afterwards (Romero et al. 2015, "FitNets: Hints for Thin Deep
Nets").

A teacher gives rare tags scores such as .002 to .02, whose order hardly changes a binary cross-entropy, so that rare
tags are learned last. `BalancedLoss` weighs all tags alike. Choice: this loss is ours; the papers have targets of 0
and 1.
"""

import dataclasses
import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from earmark.errors import TrainingError
from earmark.training.data.clips import Clips, TrainingData

LEAST = 1e-3
"""Choice: the smallest distance of targets from 0 and 1, which keeps log odds finite."""


class BalancedLoss:
    """The Huber loss of standardised log odds, which weighs all tags alike.

    The log odds of targets and outputs are standardised with the mean and deviation of the training targets of each
    tag. The outputs of the network stay plain log odds.
    """

    def __init__(self, targets: Tensor) -> None:
        """Compute the mean and deviation of the log odds of training targets: (n, tags) in 0..1, NaN where unknown."""
        odds = torch.logit(targets.double(), LEAST)
        known = ~torch.isnan(odds)
        count = known.sum(dim=0).clamp(min=1)
        filled = torch.where(known, odds, 0.0)
        self.mean = (filled.sum(dim=0) / count).float()
        squares = torch.where(known, (odds - self.mean) ** 2, 0.0).sum(dim=0) / count
        # A deviation of 1 keeps the values of a tag finite whose targets are all equal.
        self.deviation = torch.where(squares > 1e-6, squares.sqrt(), 1.0).float()

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss over known targets, of logits (n, tags) and targets (n, tags) in 0..1 or NaN."""
        mean, deviation = self.mean.to(logits.device), self.deviation.to(logits.device)
        known = ~torch.isnan(targets)
        wanted = (torch.logit(torch.nan_to_num(targets, nan=0.5), LEAST) - mean) / deviation
        losses = functional.smooth_l1_loss((logits - mean) / deviation, wanted, reduction="none")
        return (losses * known).sum() / known.sum().clamp(min=1)

    def start(self, output: nn.Linear) -> None:
        """Set the biases of an untrained output layer to the mean log odds of the targets."""
        with torch.no_grad():
            output.bias.copy_(self.mean)


def with_distillation(data: TrainingData, files: Sequence[Path], split: str) -> TrainingData:
    """Return the data with `distillation_targets`, standardised by the training side of a split.

    Without files the data is returned unchanged.

    Raises:
        TrainingError: a file does not fit (see `distillation_targets`), or the task has one label per track, where a
            softmax would also cover the further outputs.
    """
    if not files:
        return data
    if data.dataset.task == "one-label":
        raise TrainingError(
            f"Tracks of {data.dataset.name} have one label each; expected tags of which a track may have several. "
            "Leave distillation out of the recipe."
        )
    return dataclasses.replace(data, clips=distillation_targets(data.clips, files, data.clips_of(split, "train")))


def distillation_targets(clips: Clips, files: Sequence[Path], training: npt.NDArray[np.int64]) -> Clips:
    """Append the activations of other networks to the targets of clips.

    Activations are standardised by column, and their sigmoids become targets in 0..1.

    Args:
        clips: the clips with their targets.
        files: .npz archives with an array (windows, columns) for each track, whose windows are those of the targets. A
            track that a file lacks gets unknown targets.
        training: the positions of the clips that the standardisation is computed from, (n,) int64.

    Raises:
        TrainingError: a file cannot be read, holds no training track, or has other windows than the targets.
    """
    tables, targets = [clips.table], [clips.targets]
    for file in files:
        activations = _read(file)
        tracks = dict.fromkeys(clips.tracks[clip] for clip in training)
        known = [activations[track] for track in tracks if track in activations]
        if not known:
            raise TrainingError(f"{file} holds none of the training tracks; expected an array under the name of each.")
        values = np.concatenate(known)
        mean, deviation = values.mean(axis=0), values.std(axis=0)
        deviation = np.where(deviation > 1e-6, deviation, 1)
        table = np.full((len(clips.table), len(mean)), np.nan, np.float32)
        target = np.full((len(clips), len(mean)), np.nan, np.float32)
        for clip, track in enumerate(clips.tracks):
            if track not in activations:
                continue
            first, entries = clips.first_entry[clip], clips.entries[clip]
            if len(activations[track]) != entries:
                raise TrainingError(
                    f"{file} has {len(activations[track])} windows of {track}; expected {entries}, as its targets "
                    "have. Make it with windows of the same length."
                )
            of_track = 1 / (1 + np.exp(-(activations[track] - mean) / deviation))
            table[first : first + entries] = of_track
            target[clip] = of_track.mean(axis=0)
        tables.append(table)
        targets.append(target)
    return dataclasses.replace(clips, table=np.concatenate(tables, axis=1), targets=np.concatenate(targets, axis=1))


def files_hash(files: Sequence[Path]) -> str:
    """Return the SHA-256 of the contents of files, in order.

    Raises:
        TrainingError: a file is absent.
    """
    digest = hashlib.sha256()
    for file in files:
        if not file.is_file():
            raise TrainingError(
                f"There is no {file}, which the recipe names as distillation. Make it with make bench-peers."
            )
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _read(file: Path) -> dict[str, npt.NDArray[np.float32]]:
    try:
        with np.load(file, allow_pickle=False) as archive:
            activations = {track: np.asarray(archive[track], np.float32) for track in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise TrainingError(f"{file} cannot be read for distillation ({error}); expected an .npz file.") from error
    arrays = activations.values()
    if len({array.shape[1:] for array in arrays}) != 1 or any(array.ndim != 2 for array in arrays):
        raise TrainingError(f"The arrays in {file} differ in shape; expected (windows, columns), all of one width.")
    return activations
