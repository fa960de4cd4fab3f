"""What a robustness measurement says: tables for a person, and JSON for a program."""

import dataclasses
import json
import math
from typing import Any

from earmark import __version__
from earmark.training.evaluation.commit import commit
from earmark.training.evaluation.provenance import machine, versions
from earmark.training.trials.reliability import Reliability
from earmark.training.trials.robustness import Robustness, RobustnessRow


def robustness_text(robustness: Robustness) -> str:
    """The measurement as Markdown: what was measured on what, then a row a perturbation, then the promises."""
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
    """The measurement as strict JSON, with reliability curves and every tag."""
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
        "rows": [_row(row) for row in robustness.rows],
    }
    return json.dumps(_without_nan(document), indent=1, allow_nan=False)


def _promise_lines(robustness: Robustness) -> list[str]:
    """Promised against achieved precision, a row a perturbation."""
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


def _row(row: RobustnessRow) -> dict[str, Any]:
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
    """The same with null for what could not be measured."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
