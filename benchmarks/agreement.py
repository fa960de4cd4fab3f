"""How well the scores of a recipe's networks follow their targets on the validation side of a split.

    python benchmarks/agreement.py recipes/earmark-2.toml --split fold-0 --scale 54 --classifier

Settings are compared by it before anything is reported on test sides. It trains what is not trained yet, and prints
the mean rank correlation over tags: of the vocabulary's words with the targets of training, and of the further columns
with the merged scores of the teachers (consensus) and with each teacher's own labels. --group chooses tracks by the
folders that they are from; --precision bf16-mixed trains the local CNNs in about half the time where the processor has
bfloat16.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from earmark.training.data.clips import TrainingData, prepare_data
from earmark.training.recipe.recipe import Recipe, read_recipe
from earmark.training.recipe.sections import DataSection
from earmark.training.steps.experiment import Experiment
from earmark.training.steps.fit import fabric_of
from earmark.training.steps.steps import Steps

FEWEST_TRACKS = 30
MUSIC = ("emotify", "free", "debian")
WORDS = "words"


def data_of(section: DataSection, recipe: Recipe) -> TrainingData:
    """Prepare the data of a section."""
    settings = recipe.front_end.settings
    return prepare_data(
        section, Path("runs/store"), 1, lambda *_: None, frames=True, waveforms=False, front_end=settings
    )


def correlations(scores: npt.NDArray[np.float32], targets: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Rank correlation of scores and targets (tracks, tags) for each tag, NaN where too few tracks have a target."""
    found = np.full(scores.shape[1], np.nan)
    for tag in range(scores.shape[1]):
        known = np.isfinite(targets[:, tag])
        if known.sum() >= FEWEST_TRACKS and np.ptp(targets[known, tag]) > 0 and np.ptp(scores[known, tag]) > 0:
            found[tag] = spearmanr(scores[known, tag], targets[known, tag]).statistic
    return found


def kind_of(label: str) -> str:
    """Return what a column holds: "words", or the source in brackets, as of "guitar (consensus)"."""
    return label.rpartition(" (")[2].rstrip(")") if label.endswith(")") else WORDS


def main() -> None:
    """Read the arguments and print a line for each network."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--split", default="fold-0")
    parser.add_argument("--scale", type=int, action="append", default=[])
    parser.add_argument("--classifier", action="store_true")
    parser.add_argument("--group", action="append", default=[], help=f"default: {', '.join(MUSIC)}")
    parser.add_argument("--steps", type=Path, default=Path("runs/steps"))
    parser.add_argument("--precision", default="32-true")
    given = parser.parse_args()
    recipe, fabric = read_recipe(given.recipe), fabric_of("cpu", given.precision)
    data = data_of(recipe.data, recipe)
    local = data_of(recipe.local.data, recipe) if recipe.local.data is not None else data
    experiment = Experiment(recipe, data, Steps(given.steps, fabric), fabric, print, local)
    group_of = {track.identifier: track.group.split("/")[0] for track in data.dataset.tracks}
    tracks = data.tracks_of(given.split, "valid")
    chosen = np.array([group_of[track] in (given.group or MUSIC) for track in tracks])
    targets = data.by_track(data.clips.targets, given.split, "valid")[chosen]
    kinds = np.array([kind_of(tag.label) for tag in data.dataset.tags])
    networks = {f"local {scale}": experiment.features(given.split, scale).local_scores for scale in given.scale}
    if given.classifier:
        networks["classifier"] = experiment.model_scores(given.split, 0)
    for name, scores in networks.items():
        found = correlations(data.by_track(scores, given.split, "valid")[chosen], targets)
        judged = dict.fromkeys(kinds[np.isfinite(found)].tolist())
        means = [f"{kind} {np.nanmean(found[kinds == kind]):.3f}" for kind in judged]
        print(f"{name}, {chosen.sum()} tracks: {', '.join(means)}")


if __name__ == "__main__":
    main()
