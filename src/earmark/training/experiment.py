"""An experiment: the three steps of the letter, each done once and found again.

    local        a CNN a scale, on segments                          -> weights
    features     every clip through it, every level                  -> vectors
    classifier   two dense layers on the vectors of chosen scales and levels

Everything about data that a step uses stands in its inputs, so that a recipe with other scales, levels or seeds shares
whatever is the same.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from lightning.fabric import Fabric
from safetensors.numpy import load_file, save_file

from earmark.audio.segments import SegmentRule
from earmark.errors import TrainingError
from earmark.tagging.card import Activation, Extractor, Head
from earmark.tagging.network import Classifier, LocalNetwork
from earmark.tagging.prediction import activate
from earmark.tagging.tensors import extractor_hash
from earmark.training.batches import SegmentBatches, Share, VectorBatches
from earmark.training.export import (
    Arrays,
    check_classifier,
    check_local,
    classifier_arrays,
    local_arrays,
)
from earmark.training.features import ScaleFeatures, Selection, clip_vectors, extract_features, read_features
from earmark.training.fit import Batches, Epoch, History, fit, tag_loss
from earmark.training.material import Material
from earmark.training.networks import GlobalClassifier, LocalCNN
from earmark.training.recipe import Recipe
from earmark.training.scales import log_mel_extractor
from earmark.training.steps import Steps
from earmark.training.window_batches import WindowBatches


@dataclasses.dataclass(frozen=True)
class TrainedLocal:
    """A local CNN as a bundle will hold it, and how it was trained."""

    extractor: Extractor
    arrays: Arrays
    history: History


@dataclasses.dataclass(frozen=True)
class TrainedClassifier:
    """A global classifier as a bundle will hold it (not sealed yet), and how it was trained."""

    head: Head
    arrays: Arrays
    history: History


class Experiment:
    """A recipe on its material, with finished steps kept in a folder."""

    def __init__(
        self, recipe: Recipe, material: Material, steps: Steps, fabric: Fabric, say: Callable[[str], None]
    ) -> None:
        self.recipe, self.material = recipe, material
        self._steps, self._fabric, self._say = steps, fabric, say
        self._share = Share(fabric.global_rank, fabric.world_size)

    @cached_property
    def activation(self) -> Activation:
        """What turns logits into scores: softmax where a track has one label, sigmoid elsewhere."""
        return "softmax" if self.material.dataset.task == "one-label" else "sigmoid"

    @property
    def labels(self) -> tuple[str, ...]:
        """The tags, in the order of the dataset."""
        return tuple(tag.label for tag in self.material.dataset.tags)

    def depth(self, scale: int) -> int:
        """How many levels the local CNN of a scale has."""
        return len(log_mel_extractor(scale, self.labels).convolutions)

    @lru_cache(maxsize=32)  # noqa: B019  an experiment lives as long as its command
    def local(self, split: str, scale: int) -> TrainedLocal:
        """Step 1: the local CNN of a scale, trained on one side of a split and chosen on another."""
        section = self.recipe.local
        mean, deviation = self._standardisation(split)
        extractor = log_mel_extractor(scale, self.labels, mean, deviation)
        inputs = {
            **self._data_inputs(split),
            "extractor": dataclasses.asdict(extractor),
            "local": section.model_dump(mode="json", exclude={"scales"}),
            "seed": self.recipe.seed,
        }
        folder = self._steps.done("local", inputs, lambda folder: self._train_local(split, extractor, folder))
        arrays = load_file(folder / "weights.safetensors")
        described = dataclasses.replace(extractor, hash=extractor_hash(extractor, arrays))
        return TrainedLocal(described, arrays, _read_history(folder))

    @lru_cache(maxsize=32)  # noqa: B019  an experiment lives as long as its command
    def features(self, split: str, scale: int) -> ScaleFeatures:
        """Step 2: every clip of the dataset through the local CNN of a scale."""
        trained = self.local(split, scale)
        inputs = {"material": self.material.hash, "extractor": trained.extractor.hash}
        network = LocalNetwork(trained.extractor, trained.arrays)
        folder = self._steps.done(
            "features",
            inputs,
            lambda folder: extract_features(
                network,
                lambda logits: activate(logits, self.activation),
                self.material.frames,
                self.material.clips,
                folder,
            ),
        )
        return read_features(trained.extractor, folder)

    def classifier(self, split: str, selection: Selection, seed: int) -> TrainedClassifier:
        """Step 3: the global classifier on chosen scales and levels."""
        section = self.recipe.global_
        features = [self.features(split, scale) for scale in selection.scales]
        vectors = torch.from_numpy(clip_vectors(features, selection.levels))
        targets = torch.from_numpy(self.material.clips.targets)
        train, valid = (self.material.clips_of(split, side) for side in ("train", "valid"))
        torch.manual_seed(seed)
        network = GlobalClassifier(vectors.shape[1], len(self.labels), section.hidden_units, section.dropout)
        chosen = vectors[torch.from_numpy(train)]
        if section.standardise == "column":
            # A column that never changes says nothing; a deviation of 1 keeps it at 0.
            deviation = chosen.std(dim=0)
            network.mean.copy_(chosen.mean(dim=0))
            network.deviation.copy_(torch.where(deviation > 1e-6, deviation, 1.0))
        else:
            network.mean.fill_(float(chosen.mean()))
            network.deviation.fill_(float(chosen.std()))
        training: Batches
        if section.windows is None:
            training = VectorBatches(
                chosen,
                targets[torch.from_numpy(train)],
                section.batch_clips,
                shuffle=True,
                seed=seed,
                share=self._share,
            )
        else:
            training = WindowBatches(
                features,
                selection.levels,
                train,
                targets[torch.from_numpy(train)],
                section.windows,
                section.batch_clips,
                seed,
                self._share,
            )
        validation = VectorBatches(
            vectors[torch.from_numpy(valid)], targets[torch.from_numpy(valid)], 1024, shuffle=False
        )
        loss = tag_loss(self.material.dataset.task)
        history = fit(network, training, validation, section.schedule, loss, seed, self._fabric)
        arrays = classifier_arrays(network)
        head = Head(section.hidden_units, "")
        check_classifier(network, head, arrays, vectors[:64].numpy())
        arrays["vector.mean"] = chosen.mean(dim=0).numpy()
        return TrainedClassifier(head, arrays, history)

    def global_scores(self, split: str, selection: Selection, seed: int) -> npt.NDArray[np.float32]:
        """The global scores of every clip of the dataset: (clips, tags); trained once, then found again."""
        inputs = {
            **self._data_inputs(split),
            "extractors": [self.local(split, scale).extractor.hash for scale in selection.scales],
            "levels": selection.levels,
            "global": self.recipe.global_.model_dump(mode="json"),
            "seed": seed,
        }

        def make(folder: Path) -> None:
            trained = self.classifier(split, selection, seed)
            features = [self.features(split, scale) for scale in selection.scales]
            logits = Classifier(trained.head, trained.arrays)(clip_vectors(features, selection.levels))
            np.save(folder / "scores.npy", activate(logits, self.activation))
            _write_history(trained.history, folder)

        scores: npt.NDArray[np.float32] = np.load(self._steps.done("global", inputs, make) / "scores.npy")
        return scores

    def _train_local(self, split: str, extractor: Extractor, folder: Path) -> None:
        section, material = self.recipe.local, self.material
        rule = SegmentRule(extractor.segment_length, extractor.segment_hop)
        training, validation = (
            SegmentBatches(
                material.frames,
                material.clips,
                material.clips_of(split, side),
                rule,
                section.batch_segments,
                shuffle=side == "train",
                seed=self.recipe.seed,
                gain_deviation=section.gain_deviation,
                share=self._share,
            )
            for side in ("train", "valid")
        )
        torch.manual_seed(self.recipe.seed)
        network = LocalCNN(extractor, section.dropout)
        history = fit(
            network,
            training,
            validation,
            section.schedule,
            tag_loss(material.dataset.task),
            self.recipe.seed,
            self._fabric,
            folder / "checkpoint.pt",
            lambda epoch: self._say(_epoch_line(f"{split} local {extractor.name}", epoch)),
        )
        arrays = local_arrays(network)
        some = next(iter(validation.epoch(0)))[0]
        check_local(network, arrays, some.numpy())
        save_file(arrays, folder / "weights.safetensors")
        _write_history(history, folder)
        (folder / "checkpoint.pt").unlink(missing_ok=True)

    def _standardisation(self, split: str) -> tuple[float, float]:
        """One scalar mean and deviation of all training frames of a split (method section 2)."""

        def make(folder: Path) -> None:
            total, squares, count = 0.0, 0.0, 0
            for clip in self.material.clips_of(split, "train"):
                first, rows = self.material.clips.first_row[clip], self.material.clips.rows[clip]
                frames = np.asarray(self.material.frames[first : first + rows], np.float64)
                total, squares, count = total + frames.sum(), squares + np.square(frames).sum(), count + frames.size
            if not count:
                raise TrainingError(f"Split {split} has no clips to train on.")
            mean = total / count
            deviation = max(squares / count - mean**2, 0.0) ** 0.5
            if not deviation:
                raise TrainingError(f"All training frames of split {split} are equal; expected sound, found silence.")
            (folder / "values.json").write_text(json.dumps([mean, deviation]), encoding="utf-8")

        folder = self._steps.done("standardisation", self._data_inputs(split), make)
        mean, deviation = json.loads((folder / "values.json").read_text(encoding="utf-8"))
        return mean, deviation

    def _data_inputs(self, split: str) -> Mapping[str, Any]:
        return {
            "material": self.material.hash,
            "train": self.material.dataset.split(split).hash,
            "task": self.material.dataset.task,
            "tags": self.labels,
        }


def _epoch_line(what: str, epoch: Epoch) -> str:
    return (
        f"{what}  epoch {epoch.number:3d}  rate {epoch.learning_rate:.2e}  "
        f"loss {epoch.training_loss:.4f} training, {epoch.validation_loss:.4f} validation"
    )


def _write_history(history: History, folder: Path) -> None:
    rows = [dataclasses.asdict(epoch) for epoch in history.epochs]
    (folder / "history.json").write_text(json.dumps(rows, indent=1), encoding="utf-8")


def _read_history(folder: Path) -> History:
    return History(tuple(Epoch(**row) for row in json.loads((folder / "history.json").read_text("utf-8"))))
