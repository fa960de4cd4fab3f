"""Writes a model card: what a bundle is, what it was trained on, and how well it tells each tag, all measured."""

import dataclasses
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from earmark.errors import TrainingError
from earmark.tagging.bundle.card import TagName
from earmark.training.bundling.bundle import kept_tags
from earmark.training.data.batches import ROW_SECONDS
from earmark.training.evaluation.metrics import rank_correlation
from earmark.training.evaluation.provenance import commit
from earmark.training.steps.experiment import Experiment

Scores = npt.NDArray[np.float32]

RESAMPLES = 200
FEWEST = 5
"""With fewer positives or negatives the area is not given."""


@dataclasses.dataclass(frozen=True)
class TagFigures:
    """How well one tag was told on tracks that did not train the model.

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
    """Measure every tag on out-of-fold scores and targets, both (tracks, tags), NaN for unknown targets."""
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


def training_tracks(experiment: Experiment, split: str) -> tuple[tuple[str, str, int, float], ...]:
    """List what the training side of a split holds, without copies: folder, licence, number of tracks, hours."""
    data = experiment.local_data
    track_of = {track.identifier: track for track in data.dataset.tracks}
    sums: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0, 0.0])
    for clip in data.clips_of(split, "train"):
        track = track_of[data.clips.tracks[clip]]
        if track.copy_of:
            continue
        folder = track.group.split("/")[0] if "/" in track.group else data.dataset.name
        entry = sums[folder, track.licence or data.dataset.licence]
        entry[0] += 1
        entry[1] += float(data.clips.rows[clip]) * ROW_SECONDS / 3600
    return tuple((folder, licence, int(count), hours) for (folder, licence), (count, hours) in sorted(sums.items()))


def _and_copies(experiment: Experiment, split: str) -> str:
    data = experiment.local_data
    copies = {track.identifier for track in data.dataset.tracks if track.copy_of}
    clips = [clip for clip in data.clips_of(split, "train") if data.clips.tracks[clip] in copies]
    hours = float(data.clips.rows[clips].sum()) * ROW_SECONDS / 3600
    return f", and {len(clips)} changed copies of them, {hours:.1f} hours" if clips else ""


def model_card(experiment: Experiment, seed: int, prose: str) -> str:
    """Write the card in Markdown: the prose of people, then the measured tables.

    Raises:
        TrainingError: the recipe makes no bundle of its own split.
    """
    recipe, data = experiment.recipe, experiment.data
    dataset = data.dataset
    if recipe.bundle.split is None:
        raise TrainingError("The recipe has no bundle.split, and so no bundle that a card could describe; set it.")
    splits = recipe.data.splits
    kept = [dataset.labels.index(tag.label) for tag in kept_tags(dataset, recipe.bundle, splits)]
    scores = np.concatenate([data.by_track(experiment.model_scores(split, seed), split, "test") for split in splits])
    targets = np.concatenate([data.by_track(data.clips.targets, split, "test") for split in splits])
    tags = [dataset.tags[place] for place in kept]
    figures = tag_figures(scores[:, kept], targets[:, kept], tags, dataset.positive_threshold)
    rows = training_tracks(experiment, recipe.bundle.split)
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
    if len(scores):  # a split that trains on everything has no test tracks
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
    """Say what the columns of `tag_table` are."""
    return (
        f"Positive is a target of {positive_threshold:g} or more: what the teachers and, where they spoke, the "
        "listeners said. The area is that under the ROC curve, with its 95 % interval over resampled tracks; the "
        "correlation is Spearman's with the targets."
    )


def tag_table(figures: Sequence[TagFigures]) -> list[str]:
    """Write figures by tag as the lines of a table in Markdown."""
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
