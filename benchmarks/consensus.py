"""Teachers, and averages of them, against what people said of Emotify's tracks: consensus.py [options].

    make teachers
    python benchmarks/consensus.py

People: MagnaTagATune's listeners, the genre of publication, and felt emotions (a quarter of the raters and more). For
each teacher and average the mean ROC-AUC over tags that five tracks and more have, and five have not. Choices of
averages are made on this, so only tracks of some folds are heard. Teachers with mtat in their names were trained on
most of the recordings that MagnaTagATune's listeners heard, and look better there than they are.
"""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import scipy.stats
from sklearn.metrics import roc_auc_score

from earmark.training.datasets.consensus import Average, Consensus, TeacherScores, Values, read_teacher
from earmark.training.datasets.csv_file import CsvRow, read_csv
from earmark.training.datasets.emotify import EMOTION_THRESHOLD
from earmark.training.datasets.taught import LISTENERS, heard_by_listeners
from earmark.training.datasets.vocabulary import Vocabulary, read_vocabulary

FEWEST = 5
"""Of tracks with and without a tag; with fewer an area says nothing."""
WAYS: tuple[Average, ...] = ("probabilities", "log odds", "standardised log odds")


def people(vocabulary: Vocabulary, rows: Sequence[CsvRow]) -> dict[str, Values]:
    """What people said by source: (tracks, tags), 1, 0, or NaN where it is unknown or no tag of theirs."""
    heard = [heard_by_listeners(row.cells) for row in rows]
    said = {}
    for source, labels in LISTENERS.items():
        scores = {source: np.array([each[source] for each in heard], np.float32)}
        columns = np.full((len(rows), len(vocabulary.tags)), np.nan)
        for column, tag in enumerate(vocabulary.tags):
            if source in vocabulary.sources_of(tag):
                values = vocabulary.said_by(tag, source, scores, {source: labels})
                threshold = EMOTION_THRESHOLD if source == "emotify-emotions" else 0.5
                columns[:, column] = np.where(np.isnan(values), np.nan, values >= threshold)
        for label, denied in vocabulary.denials.get(source, {}).items():
            published = np.array([each[source][labels.index(label)] == 1 for each in heard])
            columns[np.outer(published, [tag.label in denied for tag in vocabulary.tags])] = 0
        said[source] = columns
    return said


def areas(scores: Values, truth: Values) -> Values:
    """ROC-AUC by tag, (tags,), from (tracks, tags); NaN where there are too few tracks, or no scores."""
    found = np.full(truth.shape[1], np.nan)
    for column in range(truth.shape[1]):
        known = ~np.isnan(truth[:, column])
        positive = truth[known, column] == 1
        values = scores[known, column]
        if min(positive.sum(), (~positive).sum()) >= FEWEST and not np.isnan(values).any():
            found[column] = roc_auc_score(positive, values)
    return found


def track_scores(consensus: Consensus, tracks: Iterable[str], way: Average) -> Values:
    """The mean over windows, (tracks, tags)."""
    return np.stack([consensus.averaged(track, way).mean(axis=0) for track in tracks])


def agreement(consensus: Consensus, tracks: Sequence[str], said: Mapping[str, Values]) -> None:
    """Print how right the average is where teachers agree, and where they do not: pooled over tags."""
    scores = track_scores(consensus, tracks, "log odds")
    apart = np.stack([consensus.targets(track).disagreement.mean(axis=0) for track in tracks])
    heard = ~np.isnan(scores).any(axis=0)
    standard = np.full(scores.shape, np.nan)
    standard[:, heard] = scipy.stats.zscore(scores[:, heard])
    for source, truth in said.items():
        known = ~np.isnan(truth) & ~np.isnan(apart) & ~np.isnan(standard)
        if not known.any():
            continue
        thirds = np.quantile(apart[known], [1 / 3, 2 / 3])
        figures = []
        for part in range(3):
            inside = known & (np.digitize(apart, thirds) == part)
            area = areas(standard[inside][:, None], truth[inside][:, None])[0]
            figures.append(f"{area:.3f} ({int(inside.sum())})")
        print(f"{source}: {', '.join(figures)}")


def main() -> None:
    """Read, average, compare, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--emotify", type=Path, default=Path("../shared/data/emotify"))
    parser.add_argument("--scores", type=Path, default=Path("runs/teachers"), help="folder of TEACHER.npz")
    parser.add_argument("--vocabulary", type=Path, default=Path("vocabularies/earmark-2.toml"))
    parser.add_argument("--folds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--teachers", nargs="+", help="default: all that have scores of every track")
    parser.add_argument("--reach", action="store_true", help="only say how many tracks each tag is heard in")
    parser.add_argument("--by-tag", action="store_true", help="print a table a tag too")
    options = parser.parse_args()
    vocabulary = read_vocabulary(options.vocabulary)
    rows = read_csv(options.emotify / "tracks.csv", ("track", "fold", "mtat_tags", "mtat_split")).rows
    rows = tuple(row for row in rows if int(row.cells["fold"]) in options.folds)
    files = [path for path in sorted(options.scores.glob("*.npz")) if not path.stem.endswith("-hidden")]
    wanted = options.teachers or [path.stem for path in files]
    heard = {path.stem: read_teacher(path) for path in files if path.stem in wanted}
    used = {source for tag in vocabulary.tags for source in vocabulary.sources_of(tag)}
    chosen = {name: heard[name] for name in options.teachers or heard if name in used}
    if options.reach:
        print(reach(vocabulary, chosen))
        return
    rows = tuple(row for row in rows if all(row.cells["track"] in each.scores for each in chosen.values()))
    tracks = [row.cells["track"] for row in rows]
    said = people(vocabulary, rows)
    print(f"{len(tracks)} tracks of folds {options.folds}, scored by {', '.join(chosen)}\n")
    columns = list(said)
    print(f"| average | {' | '.join(f'{source} (tags)' for source in columns)} |")
    print(f"|---|{'---|' * len(columns)}")
    for label, names in sets(chosen).items():
        consensus = Consensus(vocabulary, {name: chosen[name] for name in names}, tracks)
        for way in WAYS if len(names) > 1 else WAYS[:1]:
            scores = track_scores(consensus, tracks, way)
            found = [areas(scores, said[source]) for source in columns]
            cells = [
                f"{np.nanmean(each):.3f} ({(~np.isnan(each)).sum()})" if np.isfinite(each).any() else "–"
                for each in found
            ]
            print(f"| {label}{f', {way}' if len(names) > 1 else ''} | {' | '.join(cells)} |")
    if options.by_tag:
        print(f"\n{by_tag(vocabulary, chosen, tracks, said)}")
    print("\nAll of them: area in thirds of little, middling and much disagreement (values)")
    agreement(Consensus(vocabulary, chosen, tracks), tracks, said)


def by_tag(
    vocabulary: Vocabulary, heard: Mapping[str, TeacherScores], tracks: Sequence[str], said: Mapping[str, Values]
) -> str:
    """A table of areas by tag and people: every teacher, and the averages of all."""
    scores = {
        name: track_scores(Consensus(vocabulary, {name: each}, tracks), tracks, "log odds")
        for name, each in heard.items()
    }
    together = Consensus(vocabulary, heard, tracks)
    scores |= {way: track_scores(together, tracks, way) for way in WAYS}
    lines = [f"| tag | people | tracks with it | {' | '.join(scores)} |", f"|---|---|---|{'---|' * len(scores)}"]
    for source, truth in said.items():
        found = np.stack([areas(each, truth) for each in scores.values()])
        for column, tag in enumerate(vocabulary.tags):
            if np.isfinite(found[:, column]).any():
                known = truth[~np.isnan(truth[:, column]), column]
                cells = ["–" if np.isnan(area) else f"{area:.3f}" for area in found[:, column]]
                lines.append(f"| {tag.label} | {source} | {known.sum():.0f} of {len(known)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def reach(vocabulary: Vocabulary, heard: Mapping[str, TeacherScores]) -> str:
    """A table of every tag: in how many of the tracks that all have scored the average passes .1, .2 and .5."""
    tracks = sorted(set.intersection(*(set(each.scores) for each in heard.values())))
    scores = track_scores(Consensus(vocabulary, heard, tracks), tracks, "log odds")
    lines = [f"| tag, of {len(tracks)} tracks | highest | from .1 | from .2 | from .5 |", "|---|---|---|---|---|"]
    for column, tag in enumerate(vocabulary.tags):
        values = scores[:, column]
        if np.isfinite(values).all():
            counts = " | ".join(f"{(values >= share).sum()}" for share in (0.1, 0.2, 0.5))
            lines.append(f"| {tag.label} | {values.max():.2f} | {counts} |")
    return "\n".join(lines)


def sets(heard: Mapping[str, TeacherScores]) -> dict[str, tuple[str, ...]]:
    """The teachers alone, by family, all together, and all without those trained on the listeners' recordings."""
    families: dict[str, list[str]] = {}
    for name in heard:
        families.setdefault(name.partition("-")[0], []).append(name)
    found: dict[str, tuple[str, ...]] = {name: (name,) for name in heard}
    found |= {f"{family}-* ({len(names)})": tuple(names) for family, names in families.items() if len(names) > 1}
    others = tuple(name for name in heard if "mtat" not in name)
    best = tuple(name for name in heard if name not in ("mtat-fcn", "mtat-crnn"))
    return found | {"without mtat": others, "without mtat-fcn and mtat-crnn": best, "all": tuple(heard)}


if __name__ == "__main__":
    main()
