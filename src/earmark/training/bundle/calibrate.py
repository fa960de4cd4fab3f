"""A finished model calibrated on tracks that it was not trained on; the method itself is in `platt`."""

import dataclasses
from collections.abc import Callable

from earmark.errors import TrainingError
from earmark.tagging.bundle import Bundle
from earmark.tagging.card import TagCalibration
from earmark.tagging.tagger import Tagger
from earmark.training.bundle.platt import fit_calibration
from earmark.training.datasets.base import Dataset
from earmark.training.recipe.data import Side
from earmark.training.trials.track_logits import TrackLogits, track_logits


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
        TrainingError: the dataset's tags are not the model's, or none of its tracks can be decoded.
    """
    card = bundle.card
    if dataset.labels != card.labels:
        raise TrainingError(
            f"The dataset {dataset.name} has the tags {', '.join(dataset.labels[:5])} and others, expected the "
            f"model's, in order: {', '.join(card.labels[:5])} and others. Calibrate on the dataset that trained it."
        )
    tracks = dataset.select(dataset.split(split).side(side))
    heard = track_logits(Tagger(bundle), tracks, progress, threads=threads)
    calibration = fit_calibration(
        heard.logits[0],
        dataset.targets([track.identifier for track in heard.tracks]),
        card.labels,
        [track.group for track in heard.tracks],
        activation=card.activation,
        positive_threshold=dataset.positive_threshold,
    )
    return with_calibration(bundle, calibration), heard
