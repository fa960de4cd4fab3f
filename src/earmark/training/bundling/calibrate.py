"""A finished model calibrated on tracks that it was not trained on; the method itself is in `platt`."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from earmark.errors import TrainingError
from earmark.tagging.bundle.bundle import Bundle
from earmark.tagging.bundle.card import TagCalibration
from earmark.tagging.tagger import Tagger
from earmark.training.bundling.platt import CalibrationRule, fit_calibration
from earmark.training.datasets.base import Dataset
from earmark.training.evaluation.perturbation import TrackLogits, track_logits
from earmark.training.recipe.sections import Side


def shortage(dataset: Dataset, tracks: Sequence[str], labels: Sequence[str]) -> str:
    """What tracks lack for a calibration of some tags, in words; empty where every tag could be promised.

    `tracks`: the identifiers of those to calibrate on.

    Raises:
        TrainingError: no tag is known to be in one of the tracks and absent from another: there is nothing to fit.
    """
    rule = CalibrationRule()
    targets = dataset.targets(tracks)[:, [dataset.labels.index(label) for label in labels]]
    positives = (targets >= dataset.positive_threshold).sum(axis=0)
    negatives = (~np.isnan(targets)).sum(axis=0) - positives
    needed = (
        "a tag is calibrated from at least one track with it and one without, and promised from "
        f"{rule.least_positives} with it and {rule.least_negatives} without"
    )
    if not ((positives > 0) & (negatives > 0)).any():
        raise TrainingError(
            f"Nothing can be calibrated on {dataset.name}: found {len(tracks)} validation tracks, and no tag that is "
            f"in one of them and absent from another; {needed}. Add tracks to the validation side, or do not calibrate."
        )
    few = [
        f"{label} {have}/{lack}"
        for label, have, lack in zip(labels, positives.tolist(), negatives.tolist(), strict=True)
        if have < rule.least_positives or lack < rule.least_negatives
    ]
    if not few:
        return ""
    return (
        f"calibration: too few of the {len(tracks)} validation tracks for {len(few)} of {len(labels)} tags, which will "
        f"promise no precision ({needed}). Tracks with/without: {', '.join(few)}"
    )


def with_calibration(bundle: Bundle, calibration: tuple[TagCalibration, ...]) -> Bundle:
    """The same model with another calibration; its hashes stay, since its vectors and logits do."""
    return dataclasses.replace(bundle, card=dataclasses.replace(bundle.card, calibration=calibration))


def calibrate_bundle(
    bundle: Bundle,
    dataset: Dataset,
    split: str,
    side: Side,
    progress: Callable[[int, int], None],
    threads: int = 1,
) -> tuple[Bundle, TrackLogits]:
    """Calibrate a model on one side of a split that did not train it; also what it said of those tracks.

    It tags them as `earmark tag` would, so that the probabilities are of what is shown.

    Raises:
        TrainingError: the dataset's tags are not the model's, no tag is both in tracks of the side and absent from
            some, or none of its tracks can be decoded.
    """
    card = bundle.card
    if dataset.labels != card.labels:
        raise TrainingError(
            f"The dataset {dataset.name} has the tags {', '.join(dataset.labels[:5])} and others, expected the "
            f"model's, in order: {', '.join(card.labels[:5])} and others. Calibrate on the dataset that trained it."
        )
    identifiers = dataset.split(split).side(side)
    shortage(dataset, identifiers, dataset.labels)  # refuses what could not be calibrated, before any work
    tracks = dataset.select(identifiers)
    heard = track_logits(Tagger(bundle), tracks, progress, threads=threads)
    names = [track.identifier for track in heard.tracks]
    calibration = fit_calibration(
        heard.logits[0],
        dataset.targets(names),
        card.tags,
        [track.group for track in heard.tracks],
        activation=card.activation,
        positive_threshold=dataset.positive_threshold,
        truth=dataset.truth,
        people={truth: dataset.said_by(truth, names) for truth in dataset.people},
    )
    return with_calibration(bundle, calibration), heard
