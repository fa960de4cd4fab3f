"""What an evaluation says: a table for a person, and JSON for a program."""

import json
from typing import Any

from earmark import __version__
from earmark.training.evaluate import Evaluation, Result
from earmark.training.provenance import commit, machine, versions


def evaluation_text(evaluation: Evaluation) -> str:
    """The evaluation as Markdown: what was measured on what, a row a method, and the differences that matter."""
    experiment = evaluation.experiment
    dataset, recipe = experiment.material.dataset, experiment.recipe
    number = "accuracy" if dataset.task == "one-label" else "ROC-AUC"
    lines = [
        f"Recipe {recipe.name}, dataset {dataset.name} ({dataset.hash[:12]}), side {evaluation.side}, "
        f"{len(evaluation.targets)} tracks; seeds of the local step {recipe.seed}, of the global step "
        f"{', '.join(str(seed) for seed in recipe.evaluation.seeds)}.",
        f"earmark {__version__}, commit {commit()}, torch {versions()['torch']}, {machine()}.",
        "",
        *(f"- {dataset.split(split).text()}" for split in recipe.data.splits),
        "",
        f"| method | {number}, mean over splits and seeds | deviation over splits | over seeds "
        f"| pooled {number} | pooled PR-AUC |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {result.name} | {result.mean:.3f} | {result.split_deviation:.3f} | {result.seed_deviation:.3f} "
        f"| {result.pooled.value(dataset.task):.3f} | {result.pooled.pr_auc:.3f} |"
        for result in evaluation.results
    ]
    lines += ["", *_differences(evaluation)]
    left_out = sorted({label for result in evaluation.results for label in result.pooled.left_out})
    if left_out:
        lines += ["", f"Without positives or negatives, and in no mean: {', '.join(left_out)}."]
    if experiment.material.unreadable:
        lines += ["", "Left out, as they could not be read:", *experiment.material.unreadable]
    return "\n".join(lines)


def evaluation_json(evaluation: Evaluation) -> str:
    """The evaluation as JSON, tag by tag."""
    experiment = evaluation.experiment
    dataset = experiment.material.dataset
    document: dict[str, Any] = {
        "recipe": experiment.recipe.model_dump(mode="json", by_alias=True),
        "dataset": {
            "name": dataset.name,
            "hash": dataset.hash,
            "task": dataset.task,
            "groups": {tag.label: tag.group for tag in dataset.tags},
        },
        "splits": {name: dataset.split(name).hash for name in experiment.recipe.data.splits},
        "side": evaluation.side,
        "tracks": len(evaluation.targets),
        "provenance": {"earmark": __version__, "commit": commit(), "versions": versions(), "machine": machine()},
        "results": [
            {
                "name": result.name,
                "kind": result.kind,
                "values": result.values.tolist(),
                "mean": result.mean,
                "split_deviation": result.split_deviation,
                "seed_deviation": result.seed_deviation,
                "pooled": {
                    "roc_auc": result.pooled.roc_auc,
                    "pr_auc": result.pooled.pr_auc,
                    "accuracy": None if dataset.task != "one-label" else result.pooled.accuracy,
                    "tags": [vars(tag) for tag in result.pooled.tags],
                    "left_out": result.pooled.left_out,
                },
            }
            for result in evaluation.results
        ],
    }
    return json.dumps(document, indent=1)


def best_of(evaluation: Evaluation, prefix: str) -> Result | None:
    """The method with the best pooled value among those whose name starts so."""
    task = evaluation.experiment.material.dataset.task
    candidates = [result for result in evaluation.results if result.name.startswith(prefix)]
    return max(candidates, key=lambda result: result.pooled.value(task), default=None)


def _differences(evaluation: Evaluation) -> list[str]:
    """The letter's claims as paired differences on these tracks."""
    scales = evaluation.experiment.recipe.local.scales
    everything = "global " + "+".join(str(scale) for scale in scales)
    names = {result.name for result in evaluation.results}
    single_levels = [name for name in names if name.startswith("global ") and "+" not in name and " L" in name]
    pairs = [
        ("global against local, all scales", everything, everything.replace("global", "local")),
        *((f"global against local, {scale}", f"global {scale}", f"local {scale}") for scale in scales),
        *(
            (f"all levels against {name.rsplit(' ', 1)[1]}, {scale}", f"global {scale}", name)
            for scale in scales
            for name in sorted(single_levels)
            if name.startswith(f"global {scale} ")
        ),
        *((f"all scales against {scale}", everything, f"global {scale}") for scale in scales if len(scales) > 1),
        *((f"all scales against {name}", everything, name) for name in ("log-mel + SVM", "MFCC + logistic")),
    ]
    rows = [
        f"| {what} | {evaluation.compare(first, second).text} |"
        for what, first, second in pairs
        if first in names and second in names
    ]
    if not rows:
        return []
    return [
        "| difference of pooled values | with its 95 % interval (paired bootstrap over tracks) |",
        "|---|---|",
        *rows,
    ]
