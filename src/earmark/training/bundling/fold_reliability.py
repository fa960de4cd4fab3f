"""Measures the reliability of a recipe's models over its splits: calibrated on validation, judged on test sides."""

import dataclasses

from earmark.tagging.bundle.calibration import probabilities
from earmark.training.bundling.bundle import calibration_of, kept_tags, log_odds_of
from earmark.training.evaluation.reliability import Reliability, ScoreCalibration, ScoredTracks, measure_reliability
from earmark.training.steps.experiment import Experiment


@dataclasses.dataclass(frozen=True)
class FoldReliability:
    """The reliability on the test tracks of all splits together, before (`raw`) and after calibration."""

    splits: tuple[str, ...]
    tracks: int
    raw: Reliability
    calibrated: Reliability


def experiment_reliability(experiment: Experiment, seed: int) -> FoldReliability:
    """Measure the reliability of a recipe's models on the clips that they have scored already.

    Each model is calibrated on the validation side of its split and judged on the test side, for the tags that the
    recipe's bundle keeps.
    """
    data, splits = experiment.data, experiment.recipe.data.splits
    dataset = data.dataset
    kept = kept_tags(dataset, experiment.recipe.bundle.groups)
    labels = [tag.label for tag in kept]
    columns = [dataset.labels.index(label) for label in labels]
    raw: list[ScoredTracks] = []
    calibrated: list[ScoredTracks] = []
    for split in splits:
        scores = data.by_track(experiment.model_scores(split, seed), split, "test")[:, columns]
        targets = data.by_track(data.clips.targets, split, "test")[:, columns]
        # Log odds are logits of a sigmoid, whatever function made the scores.
        model = ScoreCalibration("sigmoid", calibration_of(experiment, split, seed, columns), kept)
        raw.append(ScoredTracks(scores, targets, ScoreCalibration("sigmoid")))
        calibrated.append(ScoredTracks(probabilities(log_odds_of(scores), model), targets, model))
    return FoldReliability(
        splits,
        sum(len(part.targets) for part in raw),
        measure_reliability(raw, labels, dataset.positive_threshold),
        measure_reliability(calibrated, labels, dataset.positive_threshold),
    )


def fold_reliability_text(measured: FoldReliability) -> str:
    """Write the measurement as Markdown, to stand below an evaluation."""
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
