"""What an evaluation says: a table for a person, and JSON for a program."""

import json
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from earmark import __version__
from earmark.training.evaluation.agreement import agreements, truth
from earmark.training.evaluation.commit import commit
from earmark.training.evaluation.evaluate import Evaluation, Result
from earmark.training.evaluation.provenance import machine, versions
from earmark.training.networks.scales import seconds_of, unit_of


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
    if experiment.material.unreadable:
        lines += ["", "Left out, as they could not be read:", *experiment.material.unreadable]
    return "\n".join(lines)


def evaluation_json(evaluation: Evaluation) -> str:
    """The evaluation as JSON, tag by tag."""
    experiment = evaluation.experiment
    dataset, local = experiment.material.dataset, experiment.local_material.dataset
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


def best_of(evaluation: Evaluation, names: Iterable[str]) -> Result | None:
    """The method with the highest mean among those named that were measured; None where none was."""
    wanted = set(names)
    candidates = [result for result in evaluation.results if result.name in wanted]
    return max(candidates, key=lambda result: result.mean, default=None)


def left_out_by_split(evaluation: Evaluation) -> dict[str, list[str]]:
    """The tags that a split's own mean leaves out, since all or none of its tracks have them."""
    material, side = evaluation.experiment.material, evaluation.side
    dataset = material.dataset
    found: dict[str, list[str]] = {}
    for split in evaluation.experiment.recipe.data.splits:
        targets = material.by_track(material.clips.targets, split, side)
        for label, column in zip(dataset.labels, targets.T, strict=True):
            positive = column[~np.isnan(column)] >= dataset.positive_threshold
            if positive.all() or not positive.any():
                found.setdefault(split, []).append(label)
    return found


def _agreement(evaluation: Evaluation) -> list[str]:
    """Where targets are another tagger's scores: how far each method agrees with them, and with listeners."""
    dataset = evaluation.experiment.material.dataset
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


_ON_VECTORS = ("hidden", "vectors", "peer")
"""Kinds of methods that are a machine on vectors."""


def _legend(evaluation: Evaluation) -> list[str]:
    """What the rows mean, and the letter's claim in one line of these numbers."""
    recipe = evaluation.experiment.recipe
    scales = recipe.local.scales
    units = dict.fromkeys(unit_of(scale) for scale in scales)
    lengths = "; ".join(
        ", ".join(f"{scale} ({1000 * seconds_of(scale):.0f} ms)" for scale in scales if unit_of(scale) == unit)
        + f" {unit}"
        for unit in units
    )
    names = [result.name for result in evaluation.results]
    levels = [name for name in names if re.fullmatch(r"global \d+ L\d+", name)]
    everything = "+".join(str(scale) for scale in scales)
    steps = (
        ("local, all scales", best_of(evaluation, [f"local {everything}"])),
        ("best single level", best_of(evaluation, levels)),
        ("all levels of the best scale", best_of(evaluation, [f"global {scale}" for scale in scales])),
        ("all levels and scales", best_of(evaluation, [f"global {everything}"])),
    )
    story = " -> ".join(f"{what} {result.mean:.3f}" for what, result in steps if result is not None)
    return [
        f"local: the mean of a CNN's own scores over the segments of a track; segments have {lengths}.",
        "global: a classifier on the levels (hidden layers) of the CNNs, the maximum over a segment, the mean over the "
        "track; L1 is the first level alone, and without an L all of them.",
        *(
            [
                "hidden layer: the first of a classifier that was trained where the local CNNs were, on "
                f"{evaluation.experiment.local_material.dataset.name}."
            ]
            if any(result.kind == "hidden" for result in evaluation.results)
            else []
        ),
        *([f"In one line: {story}."] if story else []),
    ]


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
    kinds = {kind: [result.name for result in evaluation.results if result.kind == kind] for kind in _ON_VECTORS}
    # Of the machines on vectors the first reads all scales and levels.
    own = [*kinds["hidden"], *kinds["vectors"][:1]]
    others = [(one, other) for one in kinds["hidden"] for other in kinds["vectors"][:1]]
    others += [(one, peer) for one in own for peer in kinds["peer"]]
    pairs += [(f"{one} against {other}", one, other) for one, other in others]
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
