"""Evaluate an experiment: measure every method of a recipe over its splits and seeds.

The score of a track is the mean over its clips. With several splits (folds) every track is tested once, by a model that
was trained without it and without its artist; the pooled value ranks the scores of all tracks together.
"""

import dataclasses
from collections.abc import Callable, Iterator
from itertools import chain, combinations
from typing import Literal

import numpy as np
import numpy.typing as npt

from earmark.errors import TrainingError
from earmark.training.evaluation.baselines import BASELINES, Machine, baseline_scores, machine_scores, peer_vectors
from earmark.training.evaluation.metrics import Difference, TaggingMetrics, measure, paired_bootstrap, quick_value
from earmark.training.recipe.sections import Side
from earmark.training.steps.experiment import Experiment
from earmark.training.steps.features import Selection

Scores = npt.NDArray[np.float32]
Kind = Literal["baseline", "local", "global", "vectors", "hidden", "joint", "peer"]

NONE = Selection(())
"""The selection of a method that uses no local CNN."""


@dataclasses.dataclass(frozen=True)
class Method:
    """A method to compare, such as "local 27" or "global 18+27+54".

    Attributes:
        selection: the scales and levels that it uses; none for baselines and for vectors of other systems.
        clip_scores: takes a split and a seed, and returns the scores of all clips, (clips, tags) float32.
        seeds: the seeds of its training; methods without randomness have one.
    """

    name: str
    kind: Kind
    selection: Selection
    clip_scores: Callable[[str, int], Scores]
    seeds: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Result:
    """The measured values of one method.

    Attributes:
        name, kind, selection: those of the method.
        values: the metric of the task (accuracy, or mean ROC-AUC) by seed and split, (seeds, splits) float64.
        pooled: metrics over the tracks of all splits together, with scores averaged over seeds.
        scores: these averaged scores, (tracks, tags) float32.
    """

    name: str
    kind: Kind
    selection: Selection
    values: npt.NDArray[np.float64]
    pooled: TaggingMetrics
    scores: Scores

    @property
    def mean(self) -> float:
        """The mean over seeds and splits."""
        return float(self.values.mean())

    @property
    def split_deviation(self) -> float:
        """The standard deviation over splits of the mean over seeds."""
        return float(self.values.mean(axis=0).std())

    @property
    def seed_deviation(self) -> float:
        """The standard deviation over seeds of the mean over splits."""
        return float(self.values.mean(axis=1).std())


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """All methods of a recipe on the same tracks.

    Attributes:
        experiment: the experiment that was evaluated.
        side: the side of its splits, such as "test".
        targets: (tracks, tags) float32 in 0..1, NaN where unknown, split after split.
        results: the values of every method, simplest first.
    """

    experiment: Experiment
    side: Side
    targets: Scores
    results: tuple[Result, ...]

    def find(self, kind: Kind, scales: tuple[int, ...], levels: tuple[int, ...] = ()) -> Result | None:
        """Return the result of a method by its kind, scales and levels (empty: all); None where it was not measured."""
        wanted = (kind, Selection(scales, levels))
        return next((result for result in self.results if (result.kind, result.selection) == wanted), None)

    def of_kind(self, kind: Kind) -> tuple[Result, ...]:
        """Return the results of all methods of a kind, in order."""
        return tuple(result for result in self.results if result.kind == kind)

    def compare(self, first: Result, second: Result, resamples: int = 500) -> Difference:
        """Return the difference of two methods' pooled values, with an interval over resampled tracks."""
        dataset = self.experiment.data.dataset

        def value(chosen: npt.NDArray[np.int64], is_first: bool) -> float:
            scores = (first if is_first else second).scores[chosen]
            return quick_value(scores, self.targets[chosen], dataset.task, dataset.positive_threshold)

        return paired_bootstrap(value, len(self.targets), resamples)


def evaluate(experiment: Experiment, side: Side, say: Callable[[str], None]) -> Evaluation:
    """Measure every method of the recipe on one side of its splits, and train what is not trained yet.

    `say` is told the name of each method before it is measured.

    Raises:
        TrainingError: a method cannot be trained or measured on this data.
    """
    recipe, data = experiment.recipe, experiment.data
    dataset = data.dataset
    splits = recipe.data.splits
    targets = np.concatenate([data.by_track(data.clips.targets, split, side) for split in splits])
    results = []
    for method in methods(experiment):
        say(method.name)
        values, pooled = [], []
        for seed in method.seeds:
            by_split = [data.by_track(method.clip_scores(split, seed), split, side) for split in splits]
            truths = [data.by_track(data.clips.targets, split, side) for split in splits]
            values.append(
                [
                    measure(scores, truth, dataset.labels, dataset.task, dataset.positive_threshold).value(dataset.task)
                    for scores, truth in zip(by_split, truths, strict=True)
                ]
            )
            pooled.append(np.concatenate(by_split))
        scores: Scores = np.stack(pooled).mean(axis=0, dtype=np.float64).astype(np.float32)
        results.append(
            Result(
                method.name,
                method.kind,
                method.selection,
                np.array(values),
                measure(scores, targets, dataset.labels, dataset.task, dataset.positive_threshold),
                scores,
            )
        )
    return Evaluation(experiment, side, targets, tuple(results))


def methods(experiment: Experiment) -> Iterator[Method]:
    """Yield the methods that a recipe compares, simplest first."""
    recipe, data = experiment.recipe, experiment.data
    wanted, scales, seeds = recipe.evaluation.compare, recipe.local.scales, recipe.evaluation.seeds
    if "baselines" in wanted:
        for baseline in BASELINES:
            yield Method(
                baseline,
                "baseline",
                NONE,
                lambda split, _, baseline=baseline: baseline_scores(baseline, data, split),  # type: ignore[misc]
                seeds[:1],
            )
    if "local" in wanted:
        for chosen in [*((scale,) for scale in scales), *([scales] if len(scales) > 1 else [])]:
            yield Method(
                f"local {Selection(chosen).label}",
                "local",
                Selection(chosen),
                lambda split, _, chosen=chosen: _local_scores(experiment, split, chosen),  # type: ignore[misc]
                seeds[:1],
            )
    for selection in dict.fromkeys(chain.from_iterable(_selections(experiment, kind) for kind in wanted)):
        yield Method(
            f"global {selection.label}",
            "global",
            selection,
            lambda split, seed, selection=selection: experiment.global_scores(split, selection, seed),  # type: ignore[misc]
            seeds,
        )
    if "vectors" in wanted:
        yield from _machines(experiment)
    if "hidden" in wanted:
        machine = _machine(experiment)
        yield Method(
            f"hidden layer + {machine}",
            "hidden",
            experiment.selection(),
            lambda split, seed: machine_scores(
                machine, experiment.hidden_vectors(split, seed), data, split, compressed=True
            ),
            seeds,
        )
    if "joint" in wanted:
        selection = experiment.selection()
        yield Method(f"joint {selection.label}", "joint", selection, experiment.joint_scores, seeds)


def _machine(experiment: Experiment) -> Machine:
    return "svm" if experiment.data.dataset.task == "one-label" else "logistic"


def _machines(experiment: Experiment) -> Iterator[Method]:
    """Yield a plain classifier on the vectors of all scales, of each scale, of each level, and of other systems."""
    recipe, data = experiment.recipe, experiment.data
    machine = _machine(experiment)
    scales, seeds = recipe.local.scales, recipe.evaluation.seeds[:1]
    levels = experiment.selection().levels
    wanted = [Selection(scales, levels), *(Selection((scale,), levels) for scale in scales)]
    wanted += [Selection((scale,), (level,)) for scale in scales for level in experiment.levels(scale)]
    for selection in dict.fromkeys(wanted):
        yield Method(
            f"vectors {selection.label} + {machine}",
            "vectors",
            selection,
            lambda split, _, selection=selection: machine_scores(  # type: ignore[misc]
                machine, experiment.vectors(split, selection), data, split, compressed=True
            ),
            seeds,
        )
    for name, path in recipe.evaluation.peers.items():
        vectors = peer_vectors(path, data.clips.tracks)
        yield Method(
            f"{name} + {machine}",
            "peer",
            NONE,
            lambda split, _, vectors=vectors: machine_scores(machine, vectors, data, split, compressed=True),  # type: ignore[misc]
            seeds,
        )


def _local_scores(experiment: Experiment, split: str, scales: tuple[int, ...]) -> Scores:
    """Average local scores over the segments of a clip, then over scales ([SPL] II-A): (clips, tags) float32.

    Tags are matched by name, because the local CNNs may have been trained on another dataset.
    """
    labels = experiment.data.dataset.labels
    scores = []
    for scale in scales:
        features = experiment.features(split, scale)
        known = features.extractor.output_tags
        missing = [label for label in labels if label not in known]
        if missing:
            raise TrainingError(
                f"The local CNNs were trained on other tags: they lack {', '.join(missing)}. "
                'Leave "local" out of evaluation.compare.'
            )
        scores.append(features.local_scores[:, [known.index(label) for label in labels]])
    averaged: Scores = np.stack(scores).mean(axis=0, dtype=np.float64).astype(np.float32)
    return averaged


def _selections(experiment: Experiment, kind: str) -> list[Selection]:
    recipe = experiment.recipe
    scales = recipe.local.scales
    chosen = () if recipe.global_.levels == "all" else recipe.global_.levels
    levels_of = {scale: experiment.levels(scale) for scale in scales}
    if kind == "single-levels":
        return [Selection((scale,), (level,)) for scale in scales for level in levels_of[scale]]
    if kind == "level-subsets":
        wanted = recipe.evaluation.level_subset_scales or scales
        return [Selection((scale,), levels) for scale in wanted for levels in _subsets(levels_of[scale])]
    if kind == "multi-level":
        return [Selection((scale,), chosen) for scale in scales]
    if kind == "scale-subsets":
        return [Selection(subset, chosen) for subset in _subsets(scales)]
    if kind == "multi-scale":
        return [Selection(scales, chosen)]
    return []


def _subsets(items: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return all subsets except the empty one, in order of their size."""
    return [subset for size in range(1, len(items) + 1) for subset in combinations(items, size)]
