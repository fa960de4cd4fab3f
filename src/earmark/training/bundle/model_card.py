"""A model card: what a bundle is, what it was trained on, and how well it tells each tag, from measured runs alone."""

import dataclasses
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from earmark.errors import TrainingError
from earmark.tagging.bundle.card import TagName
from earmark.training.evaluation.agreement import rank_correlation
from earmark.training.evaluation.commit import commit
from earmark.training.material.batches import ROW_SECONDS
from earmark.training.steps.experiment import Experiment

Scores = npt.NDArray[np.float32]

RESAMPLES = 200
FEWEST = 5
"""Fewer positives or negatives than this give no area worth a figure."""


@dataclasses.dataclass(frozen=True)
class TagFigures:
    """How well one tag was told on tracks that the model had not heard.

    Attributes:
        area: under the ROC curve, with its 95 % interval over resampled tracks; NaN where there are too few.
        correlation: Spearman's, with the targets; NaN where these are yes and no.
    """

    tag: TagName
    positives: int
    tracks: int
    area: float
    low: float
    high: float
    correlation: float


def tag_figures(scores: Scores, targets: Scores, tags: Sequence[TagName], threshold: float) -> tuple[TagFigures, ...]:
    """Figures of every tag from out-of-fold scores and targets, both (tracks, tags), NaN for unknown targets."""
    generator = np.random.default_rng(0)
    figures = []
    for place, tag in enumerate(tags):
        known = ~np.isnan(targets[:, place])
        positive, column = targets[known, place] >= threshold, scores[known, place]
        area = low = high = float("nan")
        if FEWEST <= positive.sum() <= len(positive) - FEWEST:
            area = float(roc_auc_score(positive, column))
            resampled = (generator.integers(0, len(column), len(column)) for _ in range(RESAMPLES))
            areas = [roc_auc_score(positive[at], column[at]) for at in resampled if 0 < positive[at].sum() < len(at)]
            low, high = (float(value) for value in np.quantile(areas, [0.025, 0.975]))
        soft = ((targets[known, place] > 0) & (targets[known, place] < 1)).any()
        correlation = rank_correlation(scores[:, place], targets[:, place]) if soft else float("nan")
        figures.append(TagFigures(tag, int(positive.sum()), len(column), area, low, high, correlation))
    return tuple(figures)


def heard(experiment: Experiment, split: str) -> tuple[tuple[str, str, int, float], ...]:
    """What the training side of a split holds, but for copies: source and licence of tracks, how many, their hours."""
    material = experiment.local_material
    track_of = {track.identifier: track for track in material.dataset.tracks}
    sums: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0, 0.0])
    for clip in material.clips_of(split, "train"):
        track = track_of[material.clips.tracks[clip]]
        if track.copy_of:
            continue
        folder = track.group.split("/")[0] if "/" in track.group else material.dataset.name
        entry = sums[folder, track.licence or material.dataset.licence]
        entry[0] += 1
        entry[1] += float(material.clips.rows[clip]) * ROW_SECONDS / 3600
    return tuple((folder, licence, int(count), hours) for (folder, licence), (count, hours) in sorted(sums.items()))


def _and_copies(experiment: Experiment, split: str) -> str:
    material = experiment.local_material
    copies = {track.identifier for track in material.dataset.tracks if track.copy_of}
    clips = [clip for clip in material.clips_of(split, "train") if material.clips.tracks[clip] in copies]
    hours = float(material.clips.rows[clips].sum()) * ROW_SECONDS / 3600
    return f", and {len(clips)} changed copies of them, {hours:.1f} hours" if clips else ""


def model_card(experiment: Experiment, seed: int, prose: str) -> str:
    """The card in Markdown: the prose of people, then the tables, which are measured.

    Raises:
        TrainingError: the recipe makes no bundle of its own split.
    """
    recipe, material = experiment.recipe, experiment.material
    dataset = material.dataset
    if recipe.bundle.split is None:
        raise TrainingError("A model card tells of a bundle; the recipe has no bundle.split.")
    kept = [
        place for place, tag in enumerate(dataset.tags) if not recipe.bundle.groups or tag.group in recipe.bundle.groups
    ]
    splits = recipe.data.splits
    scores = np.concatenate(
        [material.by_track(experiment.model_scores(split, seed), split, "test") for split in splits]
    )
    targets = np.concatenate([material.by_track(material.clips.targets, split, "test") for split in splits])
    tags = [dataset.tags[place] for place in kept]
    figures = tag_figures(scores[:, kept], targets[:, kept], tags, dataset.positive_threshold)
    rows = heard(experiment, recipe.bundle.split)
    lines = [
        prose.rstrip(),
        "",
        "## What it heard in training",
        "",
        f"Split `{recipe.bundle.split}` of dataset `{dataset.name}` ({dataset.hash[:12]}), commit {commit()}: "
        f"{sum(row[2] for row in rows)} tracks, {sum(row[3] for row in rows):.1f} hours"
        f"{_and_copies(experiment, recipe.bundle.split)}.",
        "",
        "| folder | licence of the tracks | tracks | hours |",
        "|---|---|---|---|",
        *(f"| {folder} | {licence} | {count} | {hours:.2f} |" for folder, licence, count, hours in rows),
    ]
    if len(scores):  # a split that trains on all tests on none
        lines += [
            "",
            "## Tag by tag",
            "",
            f"On {len(scores)} tracks, each scored by a model of the same recipe that heard neither it nor its artist "
            f"or source (splits {', '.join(splits)}). {legend(dataset.positive_threshold)}",
            "",
            *tag_table(figures),
        ]
    return "\n".join(lines) + "\n"


def legend(positive_threshold: float) -> str:
    """What the columns of `tag_table` are."""
    return (
        f"Positive is a target of {positive_threshold:g} or more: what the teachers and, where they spoke, the "
        "listeners said. The area is that under the ROC curve, with its 95 % interval over resampled tracks; the "
        "correlation is Spearman's with the targets."
    )


def tag_table(figures: Sequence[TagFigures]) -> list[str]:
    """Figures by tag as the lines of a table in Markdown."""
    return [
        "| tag | group | positive tracks | of | ROC-AUC | 95 % interval | correlation |",
        "|---|---|---|---|---|---|---|",
        *(_row(one) for one in figures),
    ]


def _row(figures: TagFigures) -> str:
    told = not np.isnan(figures.area)
    cells = (
        figures.tag.label,
        figures.tag.group,
        str(figures.positives),
        str(figures.tracks),
        f"{figures.area:.2f}" if told else "too few",
        f"{figures.low:.2f} to {figures.high:.2f}" if told else "",
        "" if np.isnan(figures.correlation) else f"{figures.correlation:.2f}",
    )
    return f"| {' | '.join(cells)} |"
