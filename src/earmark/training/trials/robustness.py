"""Robustness: what a finished model loses when the sound is perturbed, on any dataset that shares tags with it."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from earmark.errors import TrainingError
from earmark.tagging.bundle.calibration import activate, probabilities, ranks
from earmark.tagging.bundle.card import Activation, TagCalibration
from earmark.tagging.tagger import Tagger
from earmark.training.datasets.base import Dataset
from earmark.training.evaluation.bootstrap import Difference, paired_bootstrap
from earmark.training.evaluation.metrics import Metrics, measure, quick_value
from earmark.training.recipe.data import Side
from earmark.training.trials.perturbation import PERTURBATIONS, UNCHANGED, Perturbation
from earmark.training.trials.reliability import Reliability, Said, measure_reliability
from earmark.training.trials.track_logits import Logits, track_logits

TOP = 3
RESAMPLES = 200


@dataclasses.dataclass(frozen=True)
class Shared:
    """The calibration of the tags that model and dataset share, in the dataset's order; a card to `calibration`."""

    activation: Activation
    calibration: tuple[TagCalibration, ...]


@dataclasses.dataclass(frozen=True)
class RobustnessRow:
    """A model under one perturbation.

    Attributes:
        metrics: on the tags shared with the dataset, from the model's scores, as in every evaluation.
        fall: of the task's number (ROC-AUC, or accuracy) from the unchanged sound, with its interval over tracks.
        top_changed: the share of tracks whose three most probable tags, of all that the model knows, are not the same
            three any more, in whatever order.
        first_changed: the same of the most probable tag.
        reliability: of the probabilities that a person is shown.
        raw: of the scores, which a calibrated model does not show.
    """

    perturbation: str
    metrics: Metrics
    fall: Difference
    top_changed: float
    first_changed: float
    reliability: Reliability
    raw: Reliability


@dataclasses.dataclass(frozen=True)
class Robustness:
    """A model on one side of a split, unchanged first, then perturbation by perturbation."""

    model: str
    head_hash: str
    calibrated: bool
    dataset: Dataset
    split: str
    side: Side
    tags: tuple[str, ...]
    tracks: int
    unreadable: tuple[str, ...]
    rows: tuple[RobustnessRow, ...]


def measure_robustness(
    tagger: Tagger,
    dataset: Dataset,
    split: str,
    side: Side,
    progress: Callable[[int, int], None],
    perturbations: Sequence[Perturbation] = PERTURBATIONS,
    threads: int = 1,
) -> Robustness:
    """Tag every track of one side unchanged and under every perturbation, and say what is lost.

    Tags are matched by label; those that only one of the two knows are left out, and `Robustness.tags` names the rest.

    Raises:
        TrainingError: model and dataset share no tag, no track can be decoded, or no tag has both positives and
            negatives there.
    """
    shared = tuple(label for label in dataset.labels if label in tagger.labels)
    if not shared:
        raise TrainingError(
            f"The model {tagger.card.name!r} and the dataset {dataset.name} share no tag: the one has "
            f"{', '.join(tagger.labels[:5])} and others, the other {', '.join(dataset.labels[:5])} and others. "
            "Measure on a dataset with the model's own tags."
        )
    tracks = dataset.select(dataset.split(split).side(side))
    heard = track_logits(tagger, tracks, progress, (UNCHANGED, *perturbations), threads)
    columns = [dataset.labels.index(label) for label in shared]
    targets = dataset.targets([track.identifier for track in heard.tracks])[:, columns]
    rows = tuple(
        _row(tagger, dataset, shared, targets, change.name, heard.logits[0], logits)
        for change, logits in zip((UNCHANGED, *perturbations), heard.logits, strict=True)
    )
    card = tagger.card
    return Robustness(
        card.name,
        card.head.hash,
        bool(card.calibration),
        dataset,
        split,
        side,
        shared,
        len(heard.tracks),
        heard.unreadable,
        rows,
    )


def _row(
    tagger: Tagger,
    dataset: Dataset,
    shared: tuple[str, ...],
    targets: Logits,
    name: str,
    before: Logits,
    after: Logits,
) -> RobustnessRow:
    card, task, threshold = tagger.card, dataset.task, dataset.positive_threshold
    places = [card.labels.index(label) for label in shared]
    scores_before, scores_after = (activate(logits, card.activation)[:, places] for logits in (before, after))

    def value(chosen: npt.NDArray[np.int64], is_first: bool) -> float:
        return quick_value((scores_before if is_first else scores_after)[chosen], targets[chosen], task, threshold)

    calibration = tuple(card.calibration[place] for place in places) if card.calibration else ()
    shown = Shared(card.activation, calibration)
    uncalibrated = Shared(card.activation, ())
    return RobustnessRow(
        name,
        measure(scores_after, targets, shared, task, threshold),
        paired_bootstrap(value, len(targets), RESAMPLES),
        _changed(ranks(before, card), ranks(after, card), TOP),
        _changed(ranks(before, card), ranks(after, card), 1),
        measure_reliability([Said(probabilities(after, card)[:, places], targets, shown)], shared, threshold),
        measure_reliability([Said(scores_after, targets, uncalibrated)], shared, threshold),
    )


def _changed(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64], top: int) -> float:
    """The share of tracks whose strongest tags are others now: (tracks, tags) each."""
    strongest = [np.sort(np.argsort(-values, axis=1, kind="stable")[:, :top], axis=1) for values in (before, after)]
    return float((strongest[0] != strongest[1]).any(axis=1).mean())
