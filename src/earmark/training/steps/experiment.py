"""Run the steps of a recipe on its data; each step is stored and found again.

Step 1 trains a local CNN for every scale ([SPL] II-A). Step 2 computes every level of every clip (II-B). Step 3 trains
a classifier on the vectors of chosen scales and levels (II-C). An optional fourth step trains all networks together.

A step is identified by its inputs, such as the hash of its data, its section of the recipe, and its seed. So recipes
share the steps whose inputs are equal.
"""

import dataclasses
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lightning.fabric import Fabric

from earmark.tagging.bundle.calibration import activate
from earmark.tagging.bundle.card import Activation, Extractor
from earmark.tagging.bundle.json import to_plain
from earmark.tagging.bundle.tensors import extractor_hash
from earmark.tagging.engines.network import Classifier, LocalNetwork
from earmark.training.data.batches import Share
from earmark.training.data.clips import TrainingData
from earmark.training.datasets.base import Task
from earmark.training.extras.distillation import files_hash
from earmark.training.extras.joint import TrainedJoint, read_joint, train_joint
from earmark.training.extras.parts import extended_classifier_parts, extended_local_parts
from earmark.training.networks.export import Arrays
from earmark.training.networks.scales import is_raw, levels_of, log_mel_extractor, raw_extractor
from earmark.training.recipe.recipe import Recipe
from earmark.training.recipe.sections import GlobalSection, LocalSection
from earmark.training.steps.features import (
    ScaleFeatures,
    Selection,
    clip_vectors,
    extract_features,
    read_features,
    with_levels,
)
from earmark.training.steps.fit import write_history
from earmark.training.steps.global_step import (
    TrainedClassifier,
    classifier_parts,
    read_classifier,
    train_classifier,
    write_classifier,
)
from earmark.training.steps.local_step import (
    TrainedLocal,
    local_parts,
    read_local,
    read_standardisation,
    train_local,
    write_standardisation,
)
from earmark.training.steps.steps import Steps


class Experiment:
    """A recipe on its data.

    Args:
        recipe: the recipe.
        data: the prepared data of the recipe.
        steps: the folder of finished steps.
        fabric: device, precision and processes.
        say: told the progress of trainings, a line after every epoch.
        pretraining: the data of the local CNNs, where the recipe names another dataset for them.
    """

    def __init__(
        self,
        recipe: Recipe,
        data: TrainingData,
        steps: Steps,
        fabric: Fabric,
        say: Callable[[str], None],
        pretraining: TrainingData | None = None,
    ) -> None:
        self.recipe, self.data = recipe, data
        self.local_data = pretraining or data
        self._steps, self._fabric, self._say = steps, fabric, say

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes files and reports progress, where several train together."""
        return bool(self._fabric.is_global_zero)

    @property
    def _share(self) -> Share:
        return Share(self._fabric.global_rank, self._fabric.world_size)

    @property
    def activation(self) -> Activation:
        """The function that turns logits of the classifier into scores: "sigmoid" or "softmax"."""
        return activation_of(self.data.dataset.task)

    def levels(self, scale: int) -> tuple[int, ...]:
        """Return the levels of the local CNN of a scale that enter the vector."""
        return levels_of(scale, self.recipe.local.raw.shape)

    def selection(self) -> Selection:
        """Return the selection of all scales of the recipe and the levels that it names."""
        levels = self.recipe.global_.levels
        return Selection(self.recipe.local.scales, () if levels == "all" else levels)

    @lru_cache(maxsize=64)  # noqa: B019  an experiment lives as long as its command
    def local(self, split: str, scale: int) -> TrainedLocal:
        """Return the local CNN of a scale (step 1), trained on the training side of a split."""
        data, section = self.local_data, self.recipe.local.for_scale(scale)
        split = self._local_split(split)
        known = _data_inputs(data, split)
        extractor = self._untrained(split, scale)
        # The training does not depend on the levels that enter the vector.
        whole = dataclasses.replace(extractor, levels=tuple(range(1, len(extractor.convolutions) + 1)))
        inputs = {
            **known,
            "extractor": to_plain(whole, "extractor"),
            "local": _local_settings(section),
            "seed": self.recipe.seed,
        }

        def make(folder: Path) -> None:
            compose = local_parts if section.is_plain else extended_local_parts
            parts = compose(whole, data, split, section, self.recipe.seed, self._share)
            what = f"{split} local {whole.name}"
            train_local(
                parts,
                section.schedule,
                self.recipe.seed,
                self._fabric,
                folder,
                lambda epoch: self._say(f"{what}  {epoch.line}"),
            )

        folder = self._steps.done("local", inputs, make, together=True)
        pooling = self.recipe.pooling
        pooled = dataclasses.replace(extractor, segment_statistic=pooling.segment, track_statistic=pooling.track)
        trained = read_local(pooled, folder)
        described = dataclasses.replace(pooled, hash=extractor_hash(pooled, trained.arrays))
        return dataclasses.replace(trained, extractor=described)

    def _untrained(self, split: str, scale: int) -> Extractor:
        """Return the description of the local CNN of a scale before training; raw sound is not standardised."""
        data = self.local_data
        labels = data.dataset.labels
        if is_raw(scale):
            return raw_extractor(scale, labels, self.recipe.local.raw.shape)
        values = self._steps.done(
            "standardisation",
            _data_inputs(data, split),
            lambda folder: write_standardisation(data, split, folder),
        )
        return log_mel_extractor(scale, labels, *read_standardisation(values), self.recipe.front_end.settings)

    @lru_cache(maxsize=64)  # noqa: B019  an experiment lives as long as its command
    def features(self, split: str, scale: int, gain_decibels: float = 0.0) -> ScaleFeatures:
        """Return the features of every clip by the local CNN of a scale (step 2), with a gain applied to the clips."""
        trained = self.local(split, scale)
        return self._features(trained.extractor, trained.arrays, gain_decibels)

    def classifier(self, split: str, selection: Selection, seed: int) -> TrainedClassifier:
        """Return the global classifier on chosen scales and levels (step 3), stored with its weights."""

        def make(folder: Path) -> None:
            trained = self._train_classifier(split, selection, seed)
            if self.leads:
                write_classifier(trained, folder)

        inputs = self._global_inputs(split, selection, seed)
        return read_classifier(self.recipe.global_, self._steps.done("classifier", inputs, make, together=True))

    def global_scores(self, split: str, selection: Selection, seed: int) -> npt.NDArray[np.float32]:
        """Return the scores of every clip by the global classifier (step 3): (clips, tags) float32.

        Only the scores are stored. Where the recipe makes a bundle, classifiers on all its scales and levels are stored
        with their weights, because calibration needs them and other recipes may read their hidden layers.
        """
        if self.recipe.bundle.split is not None and selection == self.selection():
            return self._scores(self.classifier(split, selection, seed), self.vectors(split, selection))

        def make(folder: Path) -> None:
            trained = self._train_classifier(split, selection, seed)
            if self.leads:
                np.save(folder / "scores.npy", self._scores(trained, self.vectors(split, selection)))
                write_history(trained.history, folder)

        inputs = self._global_inputs(split, selection, seed)
        folder = self._steps.done("global", inputs, make, together=True)
        scores: npt.NDArray[np.float32] = np.load(folder / "scores.npy")
        return scores

    def model_scores(self, split: str, seed: int) -> npt.NDArray[np.float32]:
        """Return the scores of every clip by the model that the recipe bundles: (clips, tags) float32."""
        if self.recipe.model == "joint":
            return self.joint_scores(split, seed)
        selection = self.selection()
        return self._scores(self.classifier(split, selection, seed), self.vectors(split, selection))

    def model_vectors(self, split: str, seed: int) -> npt.NDArray[np.float32]:
        """Return the vectors of every clip by the model that the recipe makes a bundle of: (clips, columns) float32."""
        if self.recipe.model == "joint":
            return self._joint_vectors(self.joint(split, seed))
        return self.vectors(split, self.selection())

    def _train_classifier(self, split: str, selection: Selection, seed: int) -> TrainedClassifier:
        section, levels = self.recipe.global_, selection.levels
        features = [self.features(split, scale) for scale in selection.scales]
        if section.is_plain:
            parts = classifier_parts(self.data, split, features, levels, section, seed, self._share)
        else:
            gains = () if section.windows is None else section.windows.gains_decibels
            louder = [[self.features(split, scale, gain) for scale in selection.scales] for gain in gains]
            every = [features, *louder]
            parts = extended_classifier_parts(self.data, split, every, levels, section, seed, self._share)
        vectors, training = clip_vectors(features, levels), self.data.clips_of(split, "train")
        return train_classifier(parts, vectors, training, section.schedule, seed, self._fabric)

    def vectors(self, split: str, selection: Selection) -> npt.NDArray[np.float32]:
        """Return the vectors of every clip by the local CNNs of a split ([SPL] II-B): (clips, columns) float32."""
        return clip_vectors([self.features(split, scale) for scale in selection.scales], selection.levels)

    def hidden_vectors(self, split: str, seed: int) -> npt.NDArray[np.float32]:
        """Return the first hidden layer of a classifier for every clip: (clips, units) float32.

        The classifier is trained on the dataset of the local CNNs, with the recipe's section `global`.
        """
        selection = self.selection()
        trained = self._on_pretraining_data.classifier(self._local_split(split), selection, seed)
        return Classifier(trained.head, trained.arrays).hidden(self.vectors(split, selection))

    @cached_property
    def _on_pretraining_data(self) -> "Experiment":
        """The experiment with the same recipe on the dataset of the local CNNs."""
        recipe = self.recipe.model_copy(update={"local": self.recipe.local.model_copy(update={"data": None})})
        return Experiment(recipe, self.local_data, self._steps, self._fabric, self._say)

    def _global_inputs(self, split: str, selection: Selection, seed: int) -> Mapping[str, Any]:
        return {
            **_data_inputs(self.data, split),
            "extractors": [self.local(split, scale).extractor.hash for scale in selection.scales],
            "levels": selection.levels,
            "global": _global_settings(self.recipe.global_),
            "seed": seed,
        }

    def joint(self, split: str, seed: int) -> TrainedJoint:
        """Return all networks of the recipe after joint training (step 4), which starts from the three steps."""
        selection = self.selection()
        trained = [self.local(split, scale) for scale in selection.scales]
        used = [
            dataclasses.replace(local, extractor=with_levels(local.extractor, selection.levels)) for local in trained
        ]
        inputs = {
            **_data_inputs(self.data, split),
            "extractors": [local.extractor.hash for local in trained],
            "global": _global_settings(self.recipe.global_),
            "joint": self.recipe.joint.model_dump(mode="json"),
            "seed": seed,
        }

        def make(folder: Path) -> None:
            classifier = self.classifier(split, selection, seed)
            train_joint(self.recipe, self.data, split, used, classifier, seed, self._fabric, folder, self._say)

        folder = self._steps.done("joint", inputs, make, together=True)
        joint = read_joint([local.extractor for local in used], self.recipe.global_.hidden_units, folder)
        # Joint training changes the networks, so the mean vector is computed again.
        train = self.data.clips_of(split, "train")
        mean = self._joint_vectors(joint)[train].mean(axis=0)
        return dataclasses.replace(joint, arrays={**joint.arrays, "vector.mean": mean})

    def joint_scores(self, split: str, seed: int) -> npt.NDArray[np.float32]:
        """Return the scores of every clip after joint training: (clips, tags) float32."""
        joint = self.joint(split, seed)
        return self._scores(joint, self._joint_vectors(joint))

    def _joint_vectors(self, joint: TrainedJoint) -> npt.NDArray[np.float32]:
        features = [
            self._features(extractor, arrays)
            for extractor, arrays in zip(joint.extractors, joint.local_arrays, strict=True)
        ]
        return clip_vectors(features, ())

    def _features(self, extractor: Extractor, arrays: Arrays, gain_decibels: float = 0.0) -> ScaleFeatures:
        activation = activation_of(self.local_data.dataset.task)
        network = LocalNetwork(extractor, arrays)
        inputs = {
            "data": self.data.hash,
            "extractor": extractor.hash,
            "activation": activation,
            "gain_decibels": gain_decibels,
        }
        folder = self._steps.done(
            "features",
            inputs,
            lambda folder: extract_features(
                network,
                lambda logits: activate(logits, activation),
                self.data.clip_rows(extractor.family, 10 ** (gain_decibels / 20)),
                folder,
            ),
        )
        return read_features(extractor, folder)

    def _scores(
        self, trained: TrainedClassifier | TrainedJoint, vectors: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        return activate(Classifier(trained.head, trained.arrays)(vectors), self.activation)

    def _local_split(self, split: str) -> str:
        """Return the split that trains the local CNNs for one of the recipe's splits; it may be of another dataset."""
        pretraining = self.recipe.local.data
        if pretraining is None:
            return split
        if len(pretraining.splits) == 1:
            return pretraining.splits[0]
        # A split to ship is none of the reported ones; the other dataset has one of the same name.
        reported = self.recipe.data.splits
        return pretraining.splits[reported.index(split)] if split in reported else split


def activation_of(task: Task) -> Activation:
    """Return "softmax" for one-label tasks, and "sigmoid" for multi-label tasks."""
    return "softmax" if task == "one-label" else "sigmoid"


def _local_settings(section: LocalSection) -> Mapping[str, Any]:
    """Return a local section as inputs of a step; extractors describe the raw networks, so `raw` is left out."""
    settings = section.model_dump(mode="json", exclude={"scales", "data", "raw", "distillation"})
    return {**settings, "distillation": files_hash(section.distillation)}


def _global_settings(section: GlobalSection) -> Mapping[str, Any]:
    """Return the section of the classifier as inputs of a step."""
    settings = section.model_dump(mode="json", exclude={"distillation"})
    return {**settings, "distillation": files_hash(section.distillation)}


def _data_inputs(data: TrainingData, split: str) -> Mapping[str, Any]:
    """Return the inputs of a step that describe its data."""
    return {
        "data": data.hash,
        "train": data.dataset.split(split).hash,
        "task": data.dataset.task,
        "tags": data.dataset.labels,
    }
