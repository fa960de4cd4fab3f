"""Write an evaluation as a Markdown table and as JSON."""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np

from earmark import __version__
from earmark.training.evaluation.evaluate import Evaluation, Result
from earmark.training.evaluation.metrics import agreements, truth
from earmark.training.evaluation.provenance import commit, machine, versions
from earmark.training.networks.scales import seconds_of, unit_of


def evaluation_text(evaluation: Evaluation) -> str:
    """Return an evaluation as Markdown: its origin, a row for each method, and the differences between methods."""
    experiment = evaluation.experiment
    dataset, recipe = experiment.data.dataset, experiment.recipe
    number = "accuracy" if dataset.task == "one-label" else "ROC-AUC"
    lines = [
        f"Recipe {recipe.name}, dataset {dataset.name} ({dataset.hash[:12]}), side {evaluation.side}, "
        f"{len(evaluation.targets)} tracks; seeds of the local step {recipe.seed}, of the global step "
        f"{', '.join(str(seed) for seed in recipe.evaluation.seeds)}.",
        f"earmark {__version__}, commit {commit()}, torch {versions()['torch']}, {machine()}.",
        "",
        *(f"- {dataset.split(split).text()}" for split in recipe.data.splits),
        "",
        *_legend(evaluation),
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
    for split, labels in left_out_by_split(evaluation).items():
        lines += ["", f"{split}: without positives or negatives, and not in its mean: {', '.join(labels)}."]
    if left_out:
        lines += ["", f"Without positives or negatives, and in no mean: {', '.join(left_out)}."]
    lines += _agreement(evaluation)
    if experiment.data.unreadable:
        lines += ["", "Left out, as they could not be read:", *experiment.data.unreadable]
    return "\n".join(lines)


def evaluation_json(evaluation: Evaluation) -> str:
    """Return an evaluation as JSON, with the metrics of every tag."""
    experiment = evaluation.experiment
    dataset, local = experiment.data.dataset, experiment.local_data.dataset
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
        "local": {"tags": len(local.tags), "task": local.task},
        "provenance": {"earmark": __version__, "commit": commit(), "versions": versions(), "machine": machine()},
        "results": [
            {
                "name": result.name,
                "kind": result.kind,
                "scales": result.selection.scales,
                "levels": result.selection.levels,
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


def best_of(results: Iterable[Result | None]) -> Result | None:
    """Return the result with the highest mean; None where nothing was measured."""
    return max((result for result in results if result is not None), key=lambda result: result.mean, default=None)


def left_out_by_split(evaluation: Evaluation) -> dict[str, list[str]]:
    """Return, by split, the tags that its mean leaves out because all or none of its tracks have them."""
    data, side = evaluation.experiment.data, evaluation.side
    dataset = data.dataset
    found: dict[str, list[str]] = {}
    for split in evaluation.experiment.recipe.data.splits:
        targets = data.by_track(data.clips.targets, split, side)
        for label, column in zip(dataset.labels, targets.T, strict=True):
            positive = column[~np.isnan(column)] >= dataset.positive_threshold
            if positive.all() or not positive.any():
                found.setdefault(split, []).append(label)
    return found


def _agreement(evaluation: Evaluation) -> list[str]:
    """Return the table of agreement with a teacher and with listeners; no lines without targets of a teacher."""
    dataset = evaluation.experiment.data.dataset
    if dataset.task == "one-label":
        return []
    found = {
        result.name: agreements(result.scores, evaluation.targets, dataset.tags)
        for result in evaluation.results
        if result.kind != "peer"
    }
    groups = [agreement.group for agreement in next(iter(found.values()), ())]
    if not groups:
        return []
    lines = [
        "",
        "Rank correlation with the targets, mean over the tags of a group; in brackets the share of the three "
        "strongest tags of a track that are the same:",
        "",
        "| method | " + " | ".join(groups) + " |",
        "|---" * (1 + len(groups)) + "|",
    ]
    for name, by_group in found.items():
        cells = [
            f"{one.correlation:.3f}" + ("" if np.isnan(one.strongest) else f" ({one.strongest:.2f})")
            for one in by_group
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    for listeners, teacher in evaluation.experiment.recipe.evaluation.truths.items():
        lines += ["", f"| against {listeners} | ROC-AUC | {teacher} | difference, 95 % interval |", "|---|---|---|---|"]
        for result in evaluation.results:
            said = truth(result.scores, evaluation.targets, dataset.tags, listeners, teacher)
            lines.append(f"| {result.name} | {said.student:.3f} | {said.teacher:.3f} | {said.difference.text} |")
        lines.append(f"(mean over {len(said.tags)} tags: {', '.join(said.tags)})")
    return lines


def _legend(evaluation: Evaluation) -> list[str]:
    """Return the explanation of the rows, and the steps from local scores to all levels and scales in one line."""
    recipe = evaluation.experiment.recipe
    scales = recipe.local.scales
    units = dict.fromkeys(unit_of(scale) for scale in scales)
    lengths = "; ".join(
        ", ".join(f"{scale} ({1000 * seconds_of(scale):.0f} ms)" for scale in scales if unit_of(scale) == unit)
        + f" {unit}"
        for unit in units
    )
    single_levels = [
        result
        for result in evaluation.of_kind("global")
        if len(result.selection.scales) == 1 and len(result.selection.levels) == 1
    ]
    steps = (
        ("local, all scales", evaluation.find("local", scales)),
        ("best single level", best_of(single_levels)),
        ("all levels of the best scale", best_of(evaluation.find("global", (scale,)) for scale in scales)),
        ("all levels and scales", evaluation.find("global", scales)),
    )
    story = " -> ".join(f"{what} {result.mean:.3f}" for what, result in steps if result is not None)
    return [
        f"local: the mean of a CNN's own scores over the segments of a track; segments have {lengths}.",
        "global: a classifier on the levels (hidden layers) of the CNNs, the maximum over a segment, the mean over the "
        "track; L1 is the first level alone, and without an L all of them.",
        *(
            [
                "hidden layer: the first of a classifier that was trained where the local CNNs were, on "
                f"{evaluation.experiment.local_data.dataset.name}."
            ]
            if evaluation.of_kind("hidden")
            else []
        ),
        *([f"In one line: {story}."] if story else []),
    ]


def _differences(evaluation: Evaluation) -> list[str]:
    """Return the table of paired differences that test the letter's claims."""
    scales = evaluation.experiment.recipe.local.scales
    whole = evaluation.find("global", scales)
    one_scale = {scale: evaluation.find("global", (scale,)) for scale in scales}
    pairs: list[tuple[str, Result | None, Result | None]] = [
        ("global against local, all scales", whole, evaluation.find("local", scales))
    ]
    pairs += [
        (f"global against local, {scale}", one_scale[scale], evaluation.find("local", (scale,))) for scale in scales
    ]
    for scale in scales:
        levels = [
            result
            for result in evaluation.of_kind("global")
            if result.selection.scales == (scale,) and len(result.selection.levels) == 1
        ]
        pairs += [
            (f"all levels against L{result.selection.levels[0]}, {scale}", one_scale[scale], result)
            for result in sorted(levels, key=lambda result: result.selection.levels)
        ]
    if len(scales) > 1:
        pairs += [(f"all scales against {scale}", whole, one_scale[scale]) for scale in scales]
    pairs += [(f"all scales against {result.name}", whole, result) for result in evaluation.of_kind("baseline")]
    # The first classifier on vectors uses all scales and levels.
    hidden, vectors = evaluation.of_kind("hidden"), evaluation.of_kind("vectors")[:1]
    others = [(one, other) for one in hidden for other in vectors]
    others += [(one, peer) for one in (*hidden, *vectors) for peer in evaluation.of_kind("peer")]
    pairs += [(f"{one.name} against {other.name}", one, other) for one, other in others]
    rows = [
        f"| {what} | {evaluation.compare(first, second).text} |"
        for what, first, second in pairs
        if first is not None and second is not None
    ]
    if not rows:
        return []
    return [
        "| difference of pooled values | with its 95 % interval (paired bootstrap over tracks) |",
        "|---|---|",
        *rows,
    ]
