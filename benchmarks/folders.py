"""Do tags follow the folder that a track came from? python benchmarks/folders.py [RECIPE] [--tag LABEL ...].

Nearly all free music is of games, so "instrumental" and "electronic" could be learned from how it was recorded. For
each tag: the rank correlation of scores with targets over all tracks and within each folder, where the folder says
nothing; and by how much the folders' means differ, of targets and of scores. Scores are those of models that heard
neither the track nor its artist or source. What the recipe's evaluation made is found in runs; what it did not is made
first.
"""

import argparse
from pathlib import Path

import numpy as np

from earmark.training.data.clips import prepare_data
from earmark.training.evaluation.metrics import rank_correlation
from earmark.training.recipe.recipe import read_recipe
from earmark.training.steps.experiment import Experiment
from earmark.training.steps.fit import fabric_of
from earmark.training.steps.steps import Steps

TAGS = ("instrumental", "vocals", "electronic", "classical", "rock", "guitar", "drums", "ambient")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path, nargs="?", default=Path("recipes/bundled.toml"))
    parser.add_argument("--tag", nargs="+", default=list(TAGS))
    options = parser.parse_args()
    recipe, fabric = read_recipe(options.recipe), fabric_of("cpu", "32-true")
    settings = recipe.front_end.settings
    data = prepare_data(recipe.data, Path("runs/store"), 2, _say_nothing, front_end=settings)
    experiment = Experiment(recipe, data, Steps(Path("runs/steps"), fabric), fabric, print)
    seed, splits = recipe.evaluation.seeds[0], recipe.data.splits
    scores = np.concatenate([data.by_track(experiment.model_scores(split, seed), split, "test") for split in splits])
    targets = np.concatenate([data.by_track(data.clips.targets, split, "test") for split in splits])
    tracks = [track for split in splits for track in data.dataset.select(data.tracks_of(split, "test"))]
    folder_of = np.array([track.group.split("/")[0] for track in tracks])
    folders = sorted(set(folder_of))
    print(f"{recipe.name}, dataset {data.dataset.hash[:12]}, {len(tracks)} tracks of {', '.join(folders)}\n")
    print(f"| tag | all | {' | '.join(f'within {folder}' for folder in folders)} | targets apart | scores apart |")
    print(f"|{'---|' * (4 + len(folders))}")
    for label in options.tag:
        place = data.dataset.labels.index(label)
        mine, theirs = scores[:, place], targets[:, place]
        within = [rank_correlation(mine[folder_of == folder], theirs[folder_of == folder]) for folder in folders]
        apart = [
            np.nanmean(each[folder_of == folders[0]]) - np.nanmean(each[folder_of != folders[0]])
            for each in (theirs, mine)
        ]
        row = [rank_correlation(mine, theirs), *within]
        print(f"| {label} | {' | '.join(f'{each:.2f}' for each in row)} | {apart[0]:+.2f} | {apart[1]:+.2f} |")


def _say_nothing(done: int, total: int) -> None:
    del done, total


if __name__ == "__main__":
    main()
