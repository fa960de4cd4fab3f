"""The reliability of a recipe's models over its splits: each calibrated on its validation side, judged on its test."""

import dataclasses
from collections.abc import Callable, Mapping

from earmark.tagging.bundle.bundle import Bundle
from earmark.tagging.bundle.calibration import activate, probabilities
from earmark.tagging.bundle.card import Activation, TagCalibration
from earmark.tagging.tagger import Tagger
from earmark.training.bundle.bundling import calibration_of, kept_tags, log_odds_of
from earmark.training.bundle.calibrate import calibrate_bundle
from earmark.training.datasets.base import Dataset
from earmark.training.steps.experiment import Experiment
from earmark.training.trials.reliability import Reliability, Said, measure_reliability
from earmark.training.trials.track_logits import track_logits


@dataclasses.dataclass(frozen=True)
class Curves:
    """What of a card is said of probabilities; without its calibration, unless one is given."""

    activation: Activation
    calibration: tuple[TagCalibration, ...] = ()


@dataclasses.dataclass(frozen=True)
class FoldReliability:
    """Reliability on the test tracks of all splits together, before (`raw`) and after calibration."""

    splits: tuple[str, ...]
    tracks: int
    raw: Reliability
    calibrated: Reliability


def measure_fold_reliability(
    models: Mapping[str, Bundle], dataset: Dataset, progress: Callable[[int, int], None], threads: int = 1
) -> FoldReliability:
    """Calibrate and judge one model a split, by the split's name; no model is judged on a track that it knows.

    Raises:
        TrainingError: a model has other tags than the dataset, or the tracks of a side cannot be decoded.
    """
    raw: list[Said] = []
    calibrated: list[Said] = []
    for split, bundle in models.items():
        model, _ = calibrate_bundle(bundle, dataset, split, "valid", progress, threads)
        test = dataset.select(dataset.split(split).side("test"))
        heard = track_logits(Tagger(model), test, progress, threads=threads)
        targets = dataset.targets([track.identifier for track in heard.tracks])
        activation = model.card.activation
        raw.append(Said(activate(heard.logits[0], activation), targets, Curves(activation)))
        calibrated.append(Said(probabilities(heard.logits[0], model.card), targets, model.card))
    return FoldReliability(
        tuple(models),
        sum(len(part.targets) for part in raw),
        measure_reliability(raw, dataset.labels, dataset.positive_threshold),
        measure_reliability(calibrated, dataset.labels, dataset.positive_threshold),
    )


def experiment_reliability(experiment: Experiment, seed: int) -> FoldReliability:
    """The same for a recipe's models on the clips that they have scored already, of the tags that its bundle keeps."""
    material, splits = experiment.material, experiment.recipe.data.splits
    dataset = material.dataset
    labels = [tag.label for tag in kept_tags(dataset, experiment.recipe.bundle.groups)]
    columns = [dataset.labels.index(label) for label in labels]
    raw: list[Said] = []
    calibrated: list[Said] = []
    for split in splits:
        scores = material.by_track(experiment.model_scores(split, seed), split, "test")[:, columns]
        targets = material.by_track(material.clips.targets, split, "test")[:, columns]
        # Log odds are logits of tags by themselves, whatever made the scores.
        model = Curves("sigmoid", calibration_of(experiment, split, seed, columns))
        raw.append(Said(scores, targets, Curves("sigmoid")))
        calibrated.append(Said(probabilities(log_odds_of(scores), model), targets, model))
    return FoldReliability(
        splits,
        sum(len(part.targets) for part in raw),
        measure_reliability(raw, labels, dataset.positive_threshold),
        measure_reliability(calibrated, labels, dataset.positive_threshold),
    )


def fold_reliability_text(measured: FoldReliability) -> str:
    """The measurement as Markdown, to stand below an evaluation."""
    raw, calibrated = measured.raw, measured.calibrated
    lines = [
        f"Probabilities, calibrated on the validation side and judged on the test side of "
        f"{', '.join(measured.splits)}: {measured.tracks} tracks. "
        f"Expected calibration error by tag {calibrated.error:.3f} (scores {raw.error:.3f}), "
        f"all tags together {calibrated.pooled_error:.3f} (scores {raw.pooled_error:.3f}).",
    ]
    made = [promise for promise in calibrated.promises if promise.kept]
    if not made:
        return "\n".join([*lines, "", "No tag was promised at any precision."])
    return "\n".join(
        [
            *lines,
            "",
            "| promised precision | achieved, with its 95 % interval | promises made | of the positives | tags |",
            "|---|---|---|---|---|",
            *(
                f"| {promise.precision:g} | {promise.achieved:.3f} [{promise.low:.3f}, {promise.high:.3f}] "
                f"| {promise.kept} | {promise.recall:.0%} | {promise.tags} |"
                for promise in made
            ),
        ]
    )
