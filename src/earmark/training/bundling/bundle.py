"""Turns a finished experiment into the bundle that tags: networks, layout, head and provenance."""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from earmark.errors import TrainingError
from earmark.tagging.bundle.bundle import Bundle, seal
from earmark.tagging.bundle.calibration import probabilities
from earmark.tagging.bundle.card import (
    OTHER_SOUND,
    Card,
    Extractor,
    Provenance,
    TagCalibration,
    TagName,
    Truth,
    layout_of,
)
from earmark.tagging.bundle.coherence import restricted
from earmark.training.bundling.calibrate import shortage
from earmark.training.bundling.familiarity import with_familiarity
from earmark.training.bundling.platt import fit_calibration
from earmark.training.datasets.base import Dataset
from earmark.training.evaluation.metrics import measure
from earmark.training.evaluation.provenance import commit, versions
from earmark.training.evaluation.reliability import (
    FoldReliability,
    ScoreCalibration,
    ScoredTracks,
    measure_judgement,
    measure_reliability,
)
from earmark.training.networks.export import Arrays
from earmark.training.recipe.sections import BundleSection, Side
from earmark.training.steps.experiment import Experiment
from earmark.training.steps.features import with_levels

_REPORTED_SIDES: tuple[Side, ...] = ("valid", "test")
_FITTED_SIDES: tuple[Side, ...] = ("train", "valid")


def bundle_of(experiment: Experiment, split: str, seed: int, recipe_text: str, metrics: Mapping[str, float]) -> Bundle:
    """Gather the local CNNs of a recipe and its global classifier into a sealed bundle.

    `seed` is that of the classifier; `metrics` are measurements of exactly this model, by name.

    Choice: a calibration is fitted on the validation tracks of this split. For a split that is none of the recipe's
    (one to ship), it is fitted on those of all the recipe's splits. The model of its split scores each track, and was
    trained on neither it nor its artist; the model to ship is assumed to score alike.
    """
    recipe, dataset = experiment.recipe, experiment.data.dataset
    arrays: Arrays = {}
    if recipe.model == "joint":
        joint = experiment.joint(split, seed)
        extractors, head = joint.extractors, joint.head
        for local in joint.local_arrays:
            arrays |= local
        arrays |= joint.arrays
    else:
        selection = experiment.selection()
        trained = [experiment.local(split, scale) for scale in selection.scales]
        extractors = tuple(with_levels(local.extractor, selection.levels) for local in trained)
        classifier = experiment.classifier(split, selection, seed)
        head = classifier.head
        for local_network in trained:
            arrays |= local_network.arrays
        arrays |= classifier.arrays
    kept = kept_tags(dataset, recipe.bundle, recipe.data.splits)
    extractors = tuple(_with_outputs(extractor, arrays, kept) for extractor in extractors)
    last = f"head.layer.{len(head.hidden_units) + 1}"
    rows = [dataset.labels.index(tag.label) for tag in kept]
    arrays |= {f"{last}.{part}": arrays[f"{last}.{part}"][rows] for part in ("weight", "bias")}
    if recipe.bundle.half_precision:
        arrays = {name: array.astype(np.float16).astype(np.float32) for name, array in arrays.items()}
    card = Card(
        name=recipe.bundle.name or recipe.name,
        extractors=extractors,
        layout=layout_of(extractors),
        head=head,
        activation=experiment.activation,
        tags=kept,
        calibration=calibration_of(experiment, _calibration_splits(recipe.data.splits, split), seed, rows)
        if recipe.bundle.calibrate
        else (),
        provenance=Provenance(
            recipe=recipe_text,
            data_hash=experiment.data.hash,
            split_hash=dataset.split(split).hash,
            commit=commit(),
            versions=versions(),
            seeds=(recipe.seed, seed),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        ),
        metrics=metrics,
        licence=recipe.licence,
    )
    bundle = seal(card, arrays)
    return _familiar(experiment, split, seed, bundle) if recipe.bundle.familiarity else bundle


def _familiar(experiment: Experiment, split: str, seed: int, bundle: Bundle) -> Bundle:
    """Fit the familiarity of a model on the clips of its split that have any tag of music."""
    data = experiment.data
    dataset, vectors = data.dataset, experiment.model_vectors(split, seed)
    columns = [dataset.labels.index(tag.label) for tag in bundle.card.tags if tag.group != OTHER_SOUND]
    is_music = np.any(data.clips.targets[:, columns] >= dataset.positive_threshold, axis=1).tolist()
    training, validation = (
        vectors[[clip for clip in data.clips_of(split, side) if is_music[clip]]] for side in _FITTED_SIDES
    )
    return with_familiarity(bundle, training, validation)


def kept_tags(dataset: Dataset, section: BundleSection, splits: Sequence[str]) -> tuple[TagName, ...]:
    """Return the tags that a bundle keeps, in the dataset's order, related as they are among all.

    `splits`: those on whose validation sides `section.least_positives` tracks must have a tag.

    Raises TrainingError for unknown groups, and where no tag is left.
    """
    unknown = sorted(set(section.groups) - {tag.group for tag in dataset.tags})
    if unknown:
        known = ", ".join(dict.fromkeys(tag.group for tag in dataset.tags))
        raise TrainingError(f"bundle.groups names {', '.join(unknown)}; the groups of {dataset.name} are {known}.")
    places = [place for place, tag in enumerate(dataset.tags) if not section.groups or tag.group in section.groups]
    if section.least_positives:
        tracks = sorted({track for split in splits for track in dataset.split(split).valid})
        positives = (dataset.targets(tracks) >= dataset.positive_threshold).sum(axis=0)
        places = [place for place in places if positives[place] >= section.least_positives]
    if not places:
        raise TrainingError(
            f"No tag of {dataset.name} is left for the bundle: found none that {section.least_positives} tracks of the "
            "validation sides have. Lower bundle.least_positives."
        )
    return restricted(dataset.tags, places)


def _with_outputs(extractor: Extractor, arrays: Arrays, kept: tuple[TagName, ...]) -> Extractor:
    """Reduce an extractor's local output to the tags kept, where it knows all of them."""
    labels = tuple(tag.label for tag in kept)
    if not set(labels) <= set(extractor.output_tags):
        return extractor
    rows = [extractor.output_tags.index(label) for label in labels]
    for part in ("weight", "bias"):
        name = f"extractor.{extractor.name}.output.{part}"
        arrays[name] = arrays[name][rows]
    return dataclasses.replace(extractor, output_tags=labels)


def calibration_of(
    experiment: Experiment, splits: Sequence[str], seed: int, columns: Sequence[int]
) -> tuple[TagCalibration, ...]:
    """Calibrate some tags (columns) on the validation sides of splits, each scored by the model of its split."""
    data = experiment.data
    dataset = data.dataset
    group_of = {track.identifier: track.group for track in dataset.tracks}
    odds, targets, groups = [], [], []
    people: dict[Truth, list[npt.NDArray[np.float32]]] = {truth: [] for truth in dataset.people}
    for fold in splits:
        odds.append(log_odds_of(data.by_track(experiment.model_scores(fold, seed), fold, "valid")[:, columns]))
        targets.append(data.by_track(data.clips.targets, fold, "valid")[:, columns])
        tracks = data.tracks_of(fold, "valid")
        groups += [group_of[track] for track in tracks]
        for truth, said in people.items():
            said.append(dataset.said_by(truth, tracks)[:, columns])
    return fit_calibration(
        np.concatenate(odds),
        np.concatenate(targets),
        restricted(dataset.tags, columns),
        groups,
        positive_threshold=dataset.positive_threshold,
        truth=dataset.truth,
        people={truth: np.concatenate(said) for truth, said in people.items()},
    )


def calibration_shortage(experiment: Experiment, split: str) -> str:
    """Say what the calibration of the model of a split would lack, before anything is trained; empty for nothing.

    Raises:
        TrainingError: there is nothing to calibrate it on.
    """
    recipe, dataset = experiment.recipe, experiment.data.dataset
    if not recipe.bundle.calibrate:
        return ""
    folds = _calibration_splits(recipe.data.splits, split)
    tracks = [track for fold in folds for track in experiment.data.tracks_of(fold, "valid")]
    return shortage(dataset, tracks, [tag.label for tag in kept_tags(dataset, recipe.bundle, recipe.data.splits)])


def _calibration_splits(reported: tuple[str, ...], split: str) -> tuple[str, ...]:
    """Return the splits on whose validation sides the model of a split is calibrated."""
    # A reported split uses its own validation side only, since the other sides hold its test tracks.
    return (split,) if split in reported else reported


def log_odds_of(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Turn scores in 0..1 into log odds of the same shape; a score that rounding made 0 or 1 stays finite."""
    likely = scores.astype(np.float64).clip(float(np.finfo(np.float32).tiny), 1 - 2.0**-25)
    odds: npt.NDArray[np.float32] = np.log(likely / (1 - likely)).astype(np.float32)
    return odds


def model_metrics(experiment: Experiment, split: str, seed: int) -> dict[str, float]:
    """Measure the model that `bundle_of` makes on the validation and test sides of its split.

    A side without tracks, or on which no tag has both positives and negatives, has no metrics.
    """
    data = experiment.data
    dataset = data.dataset
    scores = experiment.model_scores(split, seed)
    metrics: dict[str, float] = {}
    for side in _REPORTED_SIDES:
        if not len(data.clips_of(split, side)):
            continue
        try:
            measured = measure(
                data.by_track(scores, split, side),
                data.by_track(data.clips.targets, split, side),
                dataset.labels,
                dataset.task,
                dataset.positive_threshold,
            )
        except TrainingError:
            # The command says which side has no figures.
            continue
        metrics |= {f"{side} ROC-AUC": measured.roc_auc, f"{side} PR-AUC": measured.pr_auc}
        if dataset.task == "one-label":
            metrics[f"{side} accuracy"] = measured.accuracy
    return metrics


def experiment_reliability(experiment: Experiment, seed: int) -> FoldReliability:
    """Measure the reliability of a recipe's models on the clips that they have scored already.

    Each model is judged on the test side of its split, for the tags that the recipe's bundle keeps. It is calibrated on
    the validation sides of all splits that share no group with this test side, as the model to ship is on all of them.
    """
    data, splits = experiment.data, experiment.recipe.data.splits
    dataset = data.dataset
    kept = kept_tags(dataset, experiment.recipe.bundle, splits)
    labels = [tag.label for tag in kept]
    columns = [dataset.labels.index(label) for label in labels]
    raw: list[ScoredTracks] = []
    calibrated: list[ScoredTracks] = []
    people: dict[Truth, list[ScoredTracks]] = {truth: [] for truth in dataset.people}
    for split in splits:
        scores = data.by_track(experiment.model_scores(split, seed), split, "test")[:, columns]
        targets = data.by_track(data.clips.targets, split, "test")[:, columns]
        # Log odds are logits of a sigmoid, whatever function made the scores.
        calibration = calibration_of(experiment, _splits_apart(dataset, splits, split), seed, columns)
        model = ScoreCalibration("sigmoid", calibration, kept)
        raw.append(ScoredTracks(scores, targets, ScoreCalibration("sigmoid")))
        calibrated.append(ScoredTracks(probabilities(log_odds_of(scores), model), targets, model))
        for truth, parts in people.items():
            said = dataset.said_by(truth, data.tracks_of(split, "test"))[:, columns]
            parts.append(dataclasses.replace(calibrated[-1], targets=said))
    return FoldReliability(
        splits,
        sum(len(part.targets) for part in raw),
        measure_reliability(raw, labels, dataset.positive_threshold),
        measure_reliability(calibrated, labels, dataset.positive_threshold),
        {truth: measure_judgement(parts, labels, dataset.positive_threshold) for truth, parts in people.items()},
    )


def _splits_apart(dataset: Dataset, splits: Sequence[str], split: str) -> tuple[str, ...]:
    """Return the splits whose validation sides share no group with the test side of one of them; it is among them."""
    group_of = {track.identifier: track.group for track in dataset.tracks}
    tested = {group_of[track] for track in dataset.split(split).test}
    return tuple(
        each
        for each in splits
        if each == split or tested.isdisjoint(group_of[track] for track in dataset.split(each).valid)
    )
