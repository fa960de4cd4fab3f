"""What a few examples teach: area under the ROC curve against the number of examples a word, on Emotify.

    python benchmarks/teaching.py [--model earmark-1-free] [--root ../shared/data/emotify] [--examples 5 10 20 50]
        [--draws 20] [--json FILE] [--picture FILE]

Words are Emotify's four genres and nine emotions (felt by a quarter of the listeners or more). The model must not have
heard Emotify: earmark-1 has, earmark-1-free has not. For every fold and word, n tracks that have the word and n that
have not are drawn from the other folds, a head is fitted as `earmark teach` fits it (logistic regression on columns
standardised, at its usual strength: with so few there is nothing to choose by), and it is judged on the fold, which
shares no artist with them. Standardisation is over all tracks of the other folds, labelled or not, as a library has it.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

import earmark
from earmark.audio.decode import decode
from earmark.audio.logmel import LogMelSettings, log_mel
from earmark.plots import style
from earmark.tagging.bundle.card import VectorBlock
from earmark.teaching.quality import roc_auc
from earmark.teaching.regression import Columns, RegressionData, choices_of, fit_regression
from earmark.teaching.selection import USUAL_STRENGTH
from earmark.training.datasets import emotify
from earmark.training.datasets.base import Dataset
from earmark.training.evaluation.baselines import mfcc_statistics
from earmark.training.evaluation.provenance import commit

FOLDS = tuple(f"fold-{fold}" for fold in range(5))
FEWEST_ON_A_FOLD = 3
"""Of tracks that have a word, and of those that have not, for its area on a fold to count."""

MARKS = (*style.ordered_marks(2), style.ALL, style.LOCAL)
"""Of the kinds of vectors, in the order of `_kinds`."""

Vectors = npt.NDArray[np.float32]
Kind = tuple[Vectors, tuple[VectorBlock, ...], Columns]
"""Vectors of all tracks, their layout, and the columns that a head reads."""
Curve = dict[int, list[float]]
"""For every number of examples, a fold's mean area over words and draws, fold after fold."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="earmark-1-free")
    parser.add_argument("--root", type=Path, default=Path("../shared/data/emotify"))
    parser.add_argument("--examples", type=int, nargs="+", default=[5, 10, 20, 50])
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()

    dataset = emotify.load(options.root, "both")
    kinds = _kinds(dataset, options.model)
    curves = {name: _curve(dataset, kind, options.examples, options.draws) for name, kind in kinds.items()}
    described = (
        f"Emotify ({len(dataset.tracks)} tracks, split {dataset.split(FOLDS[0]).hash[:12]} and the four after it), "
        f"{len(dataset.labels)} words, {options.draws} draws a word and fold; model {options.model}; "
        f"earmark {earmark.__version__}, commit {commit()}."
    )
    print(f"{described}\n\n{_table(curves)}")
    if options.json:
        options.json.write_text(json.dumps(curves, indent=1) + "\n", encoding="utf-8")
    if options.picture:
        _draw(curves, f"{described} Bars: deviation over folds.", options.picture)


def _kinds(dataset: Dataset, model: str) -> Mapping[str, Kind]:
    tagger = earmark.load(model)
    layout = tagger.card.layout
    choices = {choice.name: choice for choice in choices_of(layout)}
    vectors = np.stack([tagger.embed(track.path) for track in dataset.tracks])
    hidden = tagger.hidden(vectors)
    mfcc = np.stack([mfcc_statistics(_frames(track.path)) for track in dataset.tracks])
    return {
        "all levels and scales": (vectors, layout, choices["all scales and levels"]),
        "the last level of each scale": (vectors, layout, choices["the highest level of all scales"]),
        "the classifier's hidden layer": (hidden, (), Columns("hidden", np.arange(hidden.shape[1]))),
        "MFCC statistics": (mfcc, (), Columns("MFCC", np.arange(mfcc.shape[1]))),
    }


def _frames(path: Path) -> Vectors:
    with decode(path, LogMelSettings().rate_hz) as sound:
        return log_mel(np.concatenate(list(sound)))


def _curve(dataset: Dataset, kind: Kind, numbers: list[int], draws: int) -> Curve:
    every, layout, columns = kind
    place = {track.identifier: at for at, track in enumerate(dataset.tracks)}
    targets = np.array([track.targets for track in dataset.tracks], np.float32) >= dataset.positive_threshold
    curve: Curve = {number: [] for number in numbers}
    for fold, name in enumerate(FOLDS):
        split = dataset.split(name)
        known, test = ([place[track] for track in side] for side in ((*split.train, *split.valid), split.test))
        mean, deviation = every[known].mean(axis=0), np.maximum(every[known].std(axis=0), 1e-6)
        regression_data = RegressionData((every[[*known, *test]] - mean) / deviation, layout)
        rest = len(known) + np.arange(len(test))
        for number in numbers:
            areas = []
            for word in range(targets.shape[1]):
                has, there = targets[known, word], targets[test, word]
                if min(there.sum(), (~there).sum()) < FEWEST_ON_A_FOLD or min(has.sum(), (~has).sum()) < number:
                    continue
                generator = np.random.default_rng([fold, word, number])
                for _ in range(draws):
                    drawn = [generator.permutation(np.flatnonzero(side))[:number] for side in (has, ~has)]
                    rows = np.sort(np.concatenate(drawn))
                    features, others = regression_data.fold(rows, rest, columns)
                    weights, intercept = fit_regression(features, has[rows], USUAL_STRENGTH)
                    areas.append(roc_auc(others @ weights + intercept, there))
            curve[number].append(float(np.mean(areas)))
    return curve


def _table(curves: Mapping[str, Curve]) -> str:
    numbers = list(next(iter(curves.values())))
    lines = ["| examples with the word, and as many without | " + " | ".join(map(str, numbers)) + " |"]
    lines.append("|---" * (len(numbers) + 1) + "|")
    for name, curve in curves.items():
        cells = (f"{np.mean(areas):.3f} ± {np.std(areas, ddof=1):.3f}" for areas in curve.values())
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _draw(curves: Mapping[str, Curve], footer: str, file: Path) -> None:
    with style.house():
        figure = style.new_figure(style.COLUMN_INCHES, 2.4, footer)
        axes = figure.subplots()
        for (name, curve), mark in zip(curves.items(), MARKS, strict=True):
            middles = [float(np.mean(areas)) for areas in curve.values()]
            spreads = [float(np.std(areas, ddof=1)) for areas in curve.values()]
            axes.errorbar(list(curve), middles, spreads, color=mark.colour, marker=mark.marker, label=name, capsize=2)
        numbers = list(next(iter(curves.values())))
        axes.set_xscale("log")
        axes.set_xticks(numbers, [str(number) for number in numbers])
        axes.minorticks_off()
        axes.set_xlabel("examples with the word, and as many without")
        axes.set_ylabel("ROC-AUC on artists never heard")
        axes.grid(axis="y")
        axes.legend(loc="lower right")
        style.save_figure(figure, file)


if __name__ == "__main__":
    main()
