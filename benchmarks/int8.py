"""int8: measure a model's ranges on music, and then what its whole numbers cost in AUC and scores.

    python benchmarks/int8.py MODEL --music FOLDER [--tracks 40]          writes int8.json into the model's folder
    python benchmarks/int8.py MODEL --recipe RECIPE [--split SPLIT] [--side test] [--threads 1] [--json FILE]
                              [--other MODEL]

The second tags one side of a recipe's split with numpy, with ONNX Runtime in float32, and with int8, and compares: the
macro ROC-AUC over tags, and the differences of scores. Measure ranges on music that is not on that side. With --other
another model, such as the same one kept in half precision, is compared with the first instead of the engines.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from record import record

import earmark
from earmark.errors import EarmarkError
from earmark.tagging.bundle.calibration import activate
from earmark.tagging.engines.engine import ENGINES, Engine
from earmark.tagging.engines.int8 import write_ranges

NAME = "int8"
Scores = npt.NDArray[np.float32]


def write_measured_ranges(model: Path, music: Path, tracks: int) -> None:
    """Measure ranges on some tracks of a folder, evenly over its sorted files."""
    from earmark.tagging.engines.int8 import measure_ranges

    files = sorted(path for path in music.rglob("*") if path.is_file() and path.suffix not in (".csv", ".md", ".txt"))
    places = sorted({round(place) for place in np.linspace(0, len(files) - 1, tracks)}) if files else []
    ranges = measure_ranges(earmark.load(model).bundle, [files[place] for place in places])
    write_ranges(ranges, model)
    print(f"ranges of {len(places)} tracks, {ranges.seconds:.0f} s, are in {model}")


def measure_effect(
    model: Path, other: Path | None, recipe: Path, split: str | None, side: str, threads: int
) -> dict[str, object]:
    """AUC of every engine, or of two models, on one side of a recipe's split; how scores differ from the first's."""
    from earmark.training.datasets.registry import load_dataset
    from earmark.training.evaluation.metrics import measure
    from earmark.training.evaluation.perturbation import track_logits
    from earmark.training.recipe.recipe import read_recipe

    section = read_recipe(recipe).data
    dataset = load_dataset(section.dataset, section.root, section.options)
    chosen = dataset.split(split or section.splits[0])
    tracks = dataset.select(chosen.valid if side == "valid" else chosen.test)
    figures: dict[str, object] = {"tracks": len(tracks), "split": chosen.name, "side": side}
    expected: Scores | None = None
    ways: list[tuple[str, Path, Engine]] = [(engine, model, engine) for engine in ENGINES]
    if other is not None:
        ways = [(str(each), each, ENGINES[0]) for each in (model, other)]
    for name, folder, engine in ways:
        tagger = earmark.load(folder, engine)
        heard = track_logits(tagger, tracks, say, threads=threads)
        scores = activate(heard.logits[0], tagger.card.activation)
        places = [dataset.labels.index(label) for label in tagger.labels if label in dataset.labels]
        own = [tagger.labels.index(dataset.labels[place]) for place in places]
        targets = dataset.targets([track.identifier for track in heard.tracks])[:, places]
        labels = tuple(dataset.labels[place] for place in places)
        found = measure(scores[:, own], targets, labels, dataset.task, dataset.positive_threshold)
        expected = scores if expected is None else expected
        differences = np.abs(scores - expected)
        figures[name] = {
            "roc_auc": found.roc_auc,
            "pr_auc": found.pr_auc,
            "tags": len(found.tags),
            "mean_difference_of_scores": float(differences.mean()),
            "largest_difference_of_scores": float(differences.max()),
            "differences_below_0.01": float((differences < 0.01).mean()),
            "same_five_tags": float(np.mean(_same_five(scores, expected))),
        }
        print(f"{name}: {figures[name]}", flush=True)
    return figures


def say(done: int, total: int) -> None:
    """How far it is, on one line of stderr."""
    print(f"\r{done} of {total}", end="\n" if done == total else "", file=sys.stderr, flush=True)


def _same_five(scores: Scores, expected: Scores) -> list[float]:
    """The share of a track's five highest tags that are the same."""
    five = [np.argsort(-each, axis=1, kind="stable")[:, :5] for each in (scores, expected)]
    return [len(set(mine.tolist()) & set(theirs.tolist())) / 5 for mine, theirs in zip(*five, strict=True)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a model's folder")
    parser.add_argument("--music", type=Path, help="measure ranges on tracks of this folder")
    parser.add_argument("--tracks", type=int, default=40)
    parser.add_argument("--other", type=Path, help="compare this model with the first, instead of engines")
    parser.add_argument("--recipe", type=Path, help="measure the effect on this recipe's tracks")
    parser.add_argument("--split")
    parser.add_argument("--side", choices=("test", "valid"), default="test")
    parser.add_argument("--threads", type=int, default=1, help="tracks at a time")
    parser.add_argument("--json", type=Path, help="keep the figures here")
    options = parser.parse_args()
    try:
        if options.music is not None:
            write_measured_ranges(options.model, options.music, options.tracks)
        if options.recipe is not None:
            chosen = options.recipe, options.split, options.side, options.threads
            figures = measure_effect(options.model, options.other, *chosen)
            if options.json is not None:
                options.json.write_text(json.dumps(record({NAME: figures}), indent=1) + "\n", encoding="utf-8")
    except EarmarkError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
