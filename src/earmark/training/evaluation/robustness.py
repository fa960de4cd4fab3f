"""Measure the robustness of a finished model: the loss under perturbed sound, on a dataset that shares tags with it."""

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark import __version__
from earmark.errors import TrainingError
from earmark.tagging.bundle.calibration import activate, probabilities, ranks
from earmark.tagging.tagger import Tagger
from earmark.training.datasets.base import Dataset
from earmark.training.evaluation.metrics import Difference, TaggingMetrics, measure, paired_bootstrap, quick_value
from earmark.training.evaluation.perturbation import PERTURBATIONS, UNCHANGED, Logits, Perturbation, track_logits
from earmark.training.evaluation.provenance import commit, machine, versions
from earmark.training.evaluation.reliability import Reliability, ScoreCalibration, ScoredTracks, measure_reliability
from earmark.training.recipe.sections import Side

TOP = 3
RESAMPLES = 200


@dataclasses.dataclass(frozen=True)
class RobustnessRow:
    """The values of a model under one perturbation.

    Attributes:
        perturbation: the name of the perturbation.
        metrics: the metrics of the model's scores, on the tags shared with the dataset.
        fall: the fall of the task's metric (ROC-AUC, or accuracy) from the unchanged sound, with an interval over
            tracks.
        top_changed: the share of tracks whose set of the three most probable tags changes, of all tags of the model.
        first_changed: the share of tracks whose most probable tag changes.
        reliability: the reliability of the probabilities that the model shows.
        raw: the reliability of the scores before calibration.
    """

    perturbation: str
    metrics: TaggingMetrics
    fall: Difference
    top_changed: float
    first_changed: float
    reliability: Reliability
    raw: Reliability


@dataclasses.dataclass(frozen=True)
class Robustness:
    """The values of a model on one side of a split.

    Attributes:
        calibrated: whether the model has a calibration.
        tags: the labels that model and dataset share.
        tracks: the number of tracks that could be decoded.
        unreadable: the reason for every track that could not be decoded.
        rows: the unchanged sound first, then every perturbation.
    """

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
    """Tag every track of one side, unchanged and under every perturbation, and measure the loss.

    Tags are matched by label. `progress` is called with the number of tracks done and the number of all tracks.

    Raises:
        TrainingError: model and dataset share no tag, no track can be decoded, or no tag has both positives and
            negatives.
    """
    shared = tuple(label for label in dataset.labels if label in tagger.labels)
    if not shared:
        raise TrainingError(
            f"The model {tagger.card.name!r} and the dataset {dataset.name} share no tag: the one has "
            f"{', '.join(tagger.labels[:5])} and others, the other {', '.join(dataset.labels[:5])} and others. "
            "Measure on a dataset with the model's own tags."
        )
    tracks = dataset.select(dataset.split(split).side(side))
    tagged = track_logits(tagger, tracks, progress, (UNCHANGED, *perturbations), threads)
    columns = [dataset.labels.index(label) for label in shared]
    targets = dataset.targets([track.identifier for track in tagged.tracks])[:, columns]
    rows = tuple(
        _row(tagger, dataset, shared, targets, change.name, tagged.logits[0], logits)
        for change, logits in zip((UNCHANGED, *perturbations), tagged.logits, strict=True)
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
        len(tagged.tracks),
        tagged.unreadable,
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
    shown = ScoreCalibration(card.activation, calibration)
    uncalibrated = ScoreCalibration(card.activation, ())
    return RobustnessRow(
        name,
        measure(scores_after, targets, shared, task, threshold),
        paired_bootstrap(value, len(targets), RESAMPLES),
        _changed(ranks(before, card), ranks(after, card), TOP),
        _changed(ranks(before, card), ranks(after, card), 1),
        measure_reliability([ScoredTracks(probabilities(after, card)[:, places], targets, shown)], shared, threshold),
        measure_reliability([ScoredTracks(scores_after, targets, uncalibrated)], shared, threshold),
    )


def _changed(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64], top: int) -> float:
    """Compute the share of tracks whose set of `top` strongest tags differs; both arrays are (tracks, tags)."""
    strongest = [np.sort(np.argsort(-values, axis=1, kind="stable")[:, :top], axis=1) for values in (before, after)]
    return float((strongest[0] != strongest[1]).any(axis=1).mean())


def robustness_text(robustness: Robustness) -> str:
    """Return the measurement as Markdown: its origin, a row for each perturbation, and the promises."""
    dataset = robustness.dataset
    number = "accuracy" if dataset.task == "one-label" else "ROC-AUC"
    lines = [
        f"Model {robustness.model} (head {robustness.head_hash[:12]}), dataset {dataset.name} ({dataset.hash[:12]}), "
        f"split {dataset.split(robustness.split).text()}, side {robustness.side}, {robustness.tracks} tracks, "
        f"{len(robustness.tags)} tags shared.",
        f"earmark {__version__}, commit {commit()}, {machine()}.",
        "",
        "Falls are of the unchanged sound, with their 95 % interval (paired bootstrap over tracks). Calibration error: "
        "the mean over tags of the expected calibration error (bins of equal mass) of "
        + ("calibrated probabilities." if robustness.calibrated else "scores: the model is not calibrated."),
        "",
        f"| perturbation | {number} | fall of {number} | PR-AUC | fall of PR-AUC | top three tags changed "
        "| first tag changed | calibration error |",
        "|---|---|---|---|---|---|---|---|",
    ]
    first = robustness.rows[0]
    for row in robustness.rows:
        lost = first.metrics.pr_auc - row.metrics.pr_auc
        fall = "" if row is first else row.fall.text
        pr_fall = "" if row is first else f"{lost:+.3f}"
        lines.append(
            f"| {row.perturbation} | {row.metrics.value(dataset.task):.3f} | {fall} | {row.metrics.pr_auc:.3f} "
            f"| {pr_fall} | {row.top_changed:.1%} | {row.first_changed:.1%} | {row.reliability.error:.3f} |"
        )
    lines += ["", *_promise_lines(robustness)]
    if first.metrics.left_out:
        lines += ["", f"Without positives or negatives, and in no mean: {', '.join(first.metrics.left_out)}."]
    if robustness.unreadable:
        lines += ["", "Left out, as they could not be read:", *robustness.unreadable]
    return "\n".join(lines)


def robustness_json(robustness: Robustness) -> str:
    """Return the measurement as strict JSON, with reliability curves and the metrics of every tag."""
    dataset = robustness.dataset
    document = {
        "model": robustness.model,
        "head_hash": robustness.head_hash,
        "calibrated": robustness.calibrated,
        "dataset": {"name": dataset.name, "hash": dataset.hash, "task": dataset.task},
        "split": {"name": robustness.split, "hash": dataset.split(robustness.split).hash},
        "side": robustness.side,
        "tracks": robustness.tracks,
        "tags": list(robustness.tags),
        "unreadable": list(robustness.unreadable),
        "provenance": {"earmark": __version__, "commit": commit(), "versions": versions(), "machine": machine()},
        "rows": [_row_json(row) for row in robustness.rows],
    }
    return json.dumps(_without_nan(document), indent=1, allow_nan=False)


def _promise_lines(robustness: Robustness) -> list[str]:
    """Return the table of promised and achieved precision, a row for each perturbation."""
    first = robustness.rows[0].reliability
    raw = robustness.rows[0].raw
    lines = [
        f"Expected calibration error on unchanged sound: by tag {first.error:.3f} (scores {raw.error:.3f}), all tags "
        f"together {first.pooled_error:.3f} (scores {raw.pooled_error:.3f})."
    ]
    if not first.promises:
        return [*lines, "", "No tag promises any precision."]
    heads = [f"promised {promise.precision:g} ({promise.tags} tags)" for promise in first.promises]
    lines += [
        "",
        "Achieved precision, with its 95 % interval over resampled tracks, of as many promises, which found this share "
        "of the positives:",
        "",
        f"| perturbation | {' | '.join(heads)} |",
        "|---|" + "---|" * len(heads),
    ]
    for row in robustness.rows:
        cells = [
            f"{promise.achieved:.3f} [{promise.low:.3f}, {promise.high:.3f}] of {promise.kept}, {promise.recall:.0%}"
            if promise.kept
            else "none made"
            for promise in row.reliability.promises
        ]
        lines.append(f"| {row.perturbation} | {' | '.join(cells)} |")
    return lines


def _row_json(row: RobustnessRow) -> dict[str, Any]:
    metrics = row.metrics
    return {
        "perturbation": row.perturbation,
        "roc_auc": metrics.roc_auc,
        "pr_auc": metrics.pr_auc,
        "accuracy": metrics.accuracy,
        "fall": dataclasses.asdict(row.fall),
        "top_changed": row.top_changed,
        "first_changed": row.first_changed,
        "tags": [vars(tag) for tag in metrics.tags],
        "left_out": list(metrics.left_out),
        "reliability": _reliability(row.reliability),
        "raw": _reliability(row.raw),
    }


def _reliability(reliability: Reliability) -> dict[str, Any]:
    return dataclasses.asdict(reliability)


def _without_nan(value: Any) -> Any:
    """Replace numbers that are not finite by None, in nested dictionaries and lists."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
