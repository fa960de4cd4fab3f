"""What models say and promise of Emotify's tracks, against what people said: people.py MODEL ... [--folds 0].

    earmark train recipes/earmark-2.toml --split fold-0
    python benchmarks/people.py runs/earmark-2/model earmark-1 --folds 0

A model is a name or a folder. Only a model that was trained without the folds' artists is judged fairly; earmark-1 has
heard all tracks in training. Prints for each model the mean ROC-AUC over a vocabulary's tags that some tracks have, by
who said it, and how many of the tags that are promised people confirm. --tracks prints every promise beside its title.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from consensus import FEWEST, areas, people

from earmark.tagging.prediction import Prediction
from earmark.tagging.tagger import load
from earmark.training.datasets.consensus import Values
from earmark.training.datasets.csv_file import CsvRow, read_csv
from earmark.training.datasets.vocabulary import Vocabulary, read_vocabulary

JUDGED = ("magnatagatune", "emotify-genre")
"""Who says yes and no; emotions are shares of raters."""


def on_vocabulary(predictions: Sequence[Prediction], vocabulary: Vocabulary) -> Values:
    """Probabilities by the vocabulary's tags, (tracks, tags); NaN for a tag that the model does not have."""
    place = {tag.label: column for column, tag in enumerate(vocabulary.tags)}
    found = np.full((len(predictions), len(place)), np.nan)
    for column, label in enumerate(predictions[0].labels):
        known = vocabulary.label_of(label)
        if known is not None:
            found[:, place[known]] = [each.probabilities[column] for each in predictions]
    return found


def promised(predictions: Sequence[Prediction], vocabulary: Vocabulary, precision: float) -> Values:
    """Which of the vocabulary's tags are promised, (tracks, tags): 1 or 0."""
    place = {tag.label: column for column, tag in enumerate(vocabulary.tags)}
    found = np.zeros((len(predictions), len(place)))
    for row, prediction in enumerate(predictions):
        for tag in prediction.promised(precision):
            known = vocabulary.label_of(tag.label)
            if known is not None:
                found[row, place[known]] = 1
    return found


def report(
    name: str, rows: Sequence[CsvRow], root: Path, vocabulary: Vocabulary, precision: float, tracks: bool
) -> None:
    """Print how one model does."""
    tagger = load(name)
    predictions = [tagger.tag(root / row.cells["file"]) for row in rows]
    likely, said = on_vocabulary(predictions, vocabulary), people(vocabulary, rows)
    cells = []
    for source, truth in said.items():
        found = areas(likely, truth)
        cells.append(f"{source} {np.nanmean(found):.3f} ({np.isfinite(found).sum()} tags)")
    print(f"{name}: ROC-AUC {', '.join(cells)}")
    made = promised(predictions, vocabulary, precision)
    for source in JUDGED:
        known = (made == 1) & ~np.isnan(said[source])
        right = said[source][known].sum()
        wrong = [
            f"{tag.label} {int(count)}"
            for tag, count in zip(vocabulary.tags, (known & (said[source] == 0)).sum(axis=0), strict=True)
            if count
        ]
        share = right / known.sum() if known.any() else float("nan")
        print(f"  promised at {precision}, judged by {source}: {known.sum()}, right {share:.3f}")
        print(f"    wrong: {', '.join(wrong) or 'none'}")
    labels = [tag.label for tag in vocabulary.tags]
    classical = np.array([row.cells["genre"] == "classical" for row in rows])
    jazz = int(made[classical, labels.index("jazz")].sum())
    print(f"  jazz is promised of {jazz} of {classical.sum()} classical tracks")
    print(f"  {made.sum(axis=1).mean():.1f} tags are promised a track")
    if tracks:
        for row, prediction in zip(rows, predictions, strict=True):
            words = ", ".join(f"{tag.label} {tag.probability:.2f}" for tag in prediction.promised(precision))
            print(f"  {row.cells['genre']:10s} {row.cells['artist']}: {row.cells['title']}: {words or '(nothing)'}")


def main() -> None:
    """Judge every model named on the same tracks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--emotify", type=Path, default=Path("../shared/data/emotify"))
    parser.add_argument("--vocabulary", type=Path, default=Path("vocabularies/earmark-2.toml"))
    parser.add_argument("--folds", nargs="+", type=int, default=[0])
    parser.add_argument("--precision", type=float, default=0.9)
    parser.add_argument("--tracks", action="store_true", help="print what is promised of every track")
    options = parser.parse_args()
    vocabulary = read_vocabulary(options.vocabulary)
    rows = read_csv(options.emotify / "tracks.csv", ("track", "fold", "mtat_tags", "mtat_split")).rows
    rows = tuple(row for row in rows if int(row.cells["fold"]) in options.folds)
    print(f"{len(rows)} tracks of folds {options.folds}; areas of tags that {FEWEST} tracks have and {FEWEST} have not")
    for name in options.models:
        report(name, rows, options.emotify, vocabulary, options.precision, options.tracks)


if __name__ == "__main__":
    main()
