"""An experiment: the steps of the letter, each done once and found again.

    local        a CNN a scale, on segments                          -> weights
    features     every clip through it, every level                  -> vectors
    global       two dense layers on the vectors of chosen scales and levels
    joint        all of them together, from where they ended (the letter's future work)

Everything about data that a step uses stands in its inputs, so that a recipe with other scales, levels or seeds shares
whatever is the same.
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
from earmark.training.datasets.base import Task
from earmark.training.material.hints import hints_hash
from earmark.training.material.material import Material
from earmark.training.networks.export import Arrays
from earmark.training.networks.sample_level import is_raw, raw_extractor
from earmark.training.networks.scales import levels_of, log_mel_extractor
from earmark.training.recipe.augmentation import AugmentationSection
from earmark.training.recipe.classifier import GlobalSection
from earmark.training.recipe.local import LocalSection
from earmark.training.recipe.recipe import Recipe
from earmark.training.steps.features import (
    ScaleFeatures,
    Selection,
    clip_vectors,
    extract_features,
    read_features,
    with_levels,
)
from earmark.training.steps.global_step import TrainedClassifier, read_classifier, train_classifier, write_classifier
from earmark.training.steps.history import write_history
from earmark.training.steps.joint_step import TrainedJoint, read_joint, train_joint
from earmark.training.steps.local_step import (
    TrainedLocal,
    read_local,
    read_standardisation,
    train_local,
    write_standardisation,
)
from earmark.training.steps.steps import Steps


class Experiment:
    """A recipe on its material, with finished steps kept in a folder.

    `pretraining` is the material of the local CNNs where the recipe names another dataset for them.
    """

    def __init__(
        self,
        recipe: Recipe,
        material: Material,
        steps: Steps,
        fabric: Fabric,
        say: Callable[[str], None],
        pretraining: Material | None = None,
    ) -> None:
        self.recipe, self.material = recipe, material
        self.local_material = pretraining or material
        self._steps, self._fabric, self._say = steps, fabric, say

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes and speaks, where several train together."""
        return bool(self._fabric.is_global_zero)

    @property
    def activation(self) -> Activation:
        """What turns the classifier's logits into scores."""
        return activation_of(self.material.dataset.task)

    def levels(self, scale: int) -> tuple[int, ...]:
        """The levels that the local CNN of a scale gives."""
        return levels_of(scale, self.recipe.local.raw.shape)

    def selection(self) -> Selection:
        """All scales of the recipe, with the levels that it names."""
        levels = self.recipe.global_.levels
        return Selection(self.recipe.local.scales, () if levels == "all" else levels)

    @lru_cache(maxsize=64)  # noqa: B019  an experiment lives as long as its command
    def local(self, split: str, scale: int) -> TrainedLocal:
        """Step 1: the local CNN of a scale, trained on one side of a split and chosen on another."""
        material, section = self.local_material, self.recipe.local.for_scale(scale)
        split = self._local_split(split)
        data = _data_inputs(material, split)
        extractor = self._untrained(split, scale)
        # Which of its levels enter a vector is no matter of its training.
        whole = dataclasses.replace(extractor, levels=tuple(range(1, len(extractor.convolutions) + 1)))
        inputs = {
            **data,
            "extractor": to_plain(whole, "extractor"),
            "local": _settings(section, exclude={"scales", "data"}),
            "seed": self.recipe.seed,
        }
        folder = self._steps.done(
            "local",
            inputs,
            lambda folder: train_local(
                whole, material, split, section, self.recipe.seed, self._fabric, folder, self._say
            ),
            together=True,
        )
        pooling = self.recipe.pooling
        pooled = dataclasses.replace(extractor, segment_statistic=pooling.segment, track_statistic=pooling.track)
        trained = read_local(pooled, folder)
        described = dataclasses.replace(pooled, hash=extractor_hash(pooled, trained.arrays))
        return dataclasses.replace(trained, extractor=described)

    def _untrained(self, split: str, scale: int) -> Extractor:
        """What the local CNN of a scale is before it is trained; raw sound is not standardised (authors' code)."""
        material = self.local_material
        labels = material.dataset.labels
        if is_raw(scale):
            return raw_extractor(scale, labels, self.recipe.local.raw.shape)
        values = self._steps.done(
            "standardisation",
            _data_inputs(material, split),
            lambda folder: write_standardisation(material, split, folder),
        )
        return log_mel_extractor(scale, labels, *read_standardisation(values), self.recipe.front_end.settings)

    @lru_cache(maxsize=64)  # noqa: B019  an experiment lives as long as its command
    def features(self, split: str, scale: int, gain_decibels: float = 0.0) -> ScaleFeatures:
        """Step 2: every clip of the dataset through the local CNN of a scale."""
        trained = self.local(split, scale)
        return self._features(trained.extractor, trained.arrays, gain_decibels)

    def classifier(self, split: str, selection: Selection, seed: int) -> TrainedClassifier:
        """Step 3: the global classifier on chosen scales and levels, kept whole, to tag with or to train on."""

        def make(folder: Path) -> None:
            trained = self._train_classifier(split, selection, seed)
            if self.leads:
                write_classifier(trained, folder)

        inputs = self._global_inputs(split, selection, seed)
        return read_classifier(self.recipe.global_, self._steps.done("classifier", inputs, make, together=True))

    def global_scores(self, split: str, selection: Selection, seed: int) -> npt.NDArray[np.float32]:
        """Step 3 where only its scores are wanted, as in comparisons: of every clip of the dataset, (clips, tags).

        Where the recipe makes a bundle, the classifiers of its own selection are kept whole all the same:
        probabilities are fitted on them, and other recipes may read their hidden layers.
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
        """The scores of every clip by the very model that the recipe makes a bundle of: (clips, tags)."""
        if self.recipe.model == "joint":
            return self.joint_scores(split, seed)
        selection = self.selection()
        return self._scores(self.classifier(split, selection, seed), self.vectors(split, selection))

    def _train_classifier(self, split: str, selection: Selection, seed: int) -> TrainedClassifier:
        section = self.recipe.global_
        gains = (0.0, *(() if section.windows is None else section.windows.gains_decibels))
        features = [[self.features(split, scale, gain) for scale in selection.scales] for gain in gains]
        return train_classifier(self.material, split, features, selection.levels, section, seed, self._fabric)

    def vectors(self, split: str, selection: Selection) -> npt.NDArray[np.float32]:
        """The letter's vectors of every clip, by the local CNNs of a split: (clips, columns) float32."""
        return clip_vectors([self.features(split, scale) for scale in selection.scales], selection.levels)

    def hidden_vectors(self, split: str, seed: int) -> npt.NDArray[np.float32]:
        """What the first hidden layer makes of the vectors of every clip: (clips, units) float32.

        Of a classifier that was trained where the local CNNs were, as the recipe's section `global` says.
        """
        selection = self.selection()
        trained = self._where_local_cnns_trained.classifier(self._local_split(split), selection, seed)
        return Classifier(trained.head, trained.arrays).hidden(self.vectors(split, selection))

    @cached_property
    def _where_local_cnns_trained(self) -> "Experiment":
        """This experiment on the dataset of its local CNNs."""
        recipe = self.recipe.model_copy(update={"local": self.recipe.local.model_copy(update={"data": None})})
        return Experiment(recipe, self.local_material, self._steps, self._fabric, self._say)

    def _global_inputs(self, split: str, selection: Selection, seed: int) -> Mapping[str, Any]:
        return {
            **_data_inputs(self.material, split),
            "extractors": [self.local(split, scale).extractor.hash for scale in selection.scales],
            "levels": selection.levels,
            "global": _global_settings(self.recipe.global_),
            "seed": seed,
        }

    def joint(self, split: str, seed: int) -> TrainedJoint:
        """Step 4: all networks of the recipe together, from where the three steps ended; trained once."""
        selection = self.selection()
        trained = [self.local(split, scale) for scale in selection.scales]
        used = [
            dataclasses.replace(local, extractor=with_levels(local.extractor, selection.levels)) for local in trained
        ]
        inputs = {
            **_data_inputs(self.material, split),
            "extractors": [local.extractor.hash for local in trained],
            "global": _global_settings(self.recipe.global_),
            "joint": self.recipe.joint.model_dump(mode="json"),
            "seed": seed,
        }

        def make(folder: Path) -> None:
            classifier = self.classifier(split, selection, seed)
            train_joint(self.recipe, self.material, split, used, classifier, seed, self._fabric, folder, self._say)

        folder = self._steps.done("joint", inputs, make, together=True)
        joint = read_joint([local.extractor for local in used], self.recipe.global_.hidden_units, folder)
        # The networks moved, and with them the mean of every column.
        train = self.material.clips_of(split, "train")
        mean = self._joint_vectors(joint)[train].mean(axis=0)
        return dataclasses.replace(joint, arrays={**joint.arrays, "vector.mean": mean})

    def joint_scores(self, split: str, seed: int) -> npt.NDArray[np.float32]:
        """The scores of every clip after joint training: (clips, tags)."""
        joint = self.joint(split, seed)
        return self._scores(joint, self._joint_vectors(joint))

    def _joint_vectors(self, joint: TrainedJoint) -> npt.NDArray[np.float32]:
        features = [
            self._features(extractor, arrays)
            for extractor, arrays in zip(joint.extractors, joint.local_arrays, strict=True)
        ]
        return clip_vectors(features, ())

    def _features(self, extractor: Extractor, arrays: Arrays, gain_decibels: float = 0.0) -> ScaleFeatures:
        activation = activation_of(self.local_material.dataset.task)
        network = LocalNetwork(extractor, arrays)
        inputs = {"material": self.material.hash, "extractor": extractor.hash, "activation": activation}
        folder = self._steps.done(
            "features",
            {**inputs, "gain_decibels": gain_decibels} if gain_decibels else inputs,
            lambda folder: extract_features(
                network,
                lambda logits: activate(logits, activation),
                self.material.clip_rows(extractor.family, 10 ** (gain_decibels / 20)),
                folder,
            ),
        )
        return read_features(extractor, folder)

    def _scores(
        self, trained: TrainedClassifier | TrainedJoint, vectors: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        return activate(Classifier(trained.head, trained.arrays)(vectors), self.activation)

    def _local_split(self, split: str) -> str:
        """Which split of their own dataset the local CNNs of one of the recipe's splits are trained on."""
        pretraining = self.recipe.local.data
        if pretraining is None:
            return split
        place = self.recipe.data.splits.index(split) if len(pretraining.splits) > 1 else 0
        return pretraining.splits[place]


def activation_of(task: Task) -> Activation:
    """Softmax where a track has one label, sigmoid elsewhere."""
    return "softmax" if task == "one-label" else "sigmoid"


def _settings(section: LocalSection, exclude: set[str]) -> Mapping[str, Any]:
    """A section as an input of a step: what came to recipes later is left out where it is off.

    So steps that were done before it came are found again. The shape of raw networks is in their extractors.
    """
    off = {"augmentation"} if section.augmentation == AugmentationSection() else set()
    off |= {"raw", "hints"}
    settings = _with_loss(section.model_dump(mode="json", exclude=exclude | off))
    return {**settings, "hints": hints_hash(section.hints)} if section.hints else settings


def _global_settings(section: GlobalSection) -> Mapping[str, Any]:
    """The same of the classifier's section."""
    settings = _with_loss(section.model_dump(mode="json", exclude={"hints"}))
    return {**settings, "hints": hints_hash(section.hints)} if section.hints else settings


def _with_loss(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings with the name of the loss where it is not the papers'."""
    return settings | {"loss": "smooth, of standardised log odds"} if settings.pop("balance_tags") else settings


def _data_inputs(material: Material, split: str) -> Mapping[str, Any]:
    """What a step knows of its data."""
    return {
        "material": material.hash,
        "train": material.dataset.split(split).hash,
        "task": material.dataset.task,
        "tags": material.dataset.labels,
    }
