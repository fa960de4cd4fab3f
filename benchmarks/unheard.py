"""A finished model on tracks that it never heard, tag by tag: python benchmarks/unheard.py MODEL RECIPE.

All tracks of the recipe's dataset are tagged, whatever their side, so it has to be one that shares no artist or source
with what the model was trained on. Prints the means over tags, and a table like a model card's.
"""

import sys
from pathlib import Path

import numpy as np

import earmark
from earmark.tagging.bundle.calibration import activate
from earmark.training.bundling.model_card import legend, tag_figures, tag_table
from earmark.training.datasets.registry import load_dataset
from earmark.training.evaluation.perturbation import track_logits
from earmark.training.evaluation.provenance import commit
from earmark.training.recipe.recipe import read_recipe


def main(model: str, recipe: str) -> None:
    """Tag, measure, print."""
    section = read_recipe(Path(recipe)).data
    dataset = load_dataset(section.dataset, section.root, section.options)
    tagger = earmark.load(model)
    heard = track_logits(tagger, dataset.tracks, _say)
    scores = activate(heard.logits[0], tagger.card.activation)
    shared = [label for label in tagger.labels if label in dataset.labels]
    places = [dataset.labels.index(label) for label in shared]
    mine = scores[:, [tagger.labels.index(label) for label in shared]]
    targets = dataset.targets([track.identifier for track in heard.tracks])[:, places]
    figures = tag_figures(mine, targets, [dataset.tags[place] for place in places], dataset.positive_threshold)
    areas = [each.area for each in figures if not np.isnan(each.area)]
    correlations = [each.correlation for each in figures if not np.isnan(each.correlation)]
    print(
        f"On {len(heard.tracks)} tracks of {dataset.name} ({dataset.hash[:12]}), none of which {tagger.card.name} "
        f"heard, commit {commit()}: ROC-AUC {np.mean(areas):.3f}, mean over {len(areas)} tags; rank correlation "
        f"{np.mean(correlations):.3f}, mean over {len(correlations)}. {legend(dataset.positive_threshold)}\n"
    )
    print("\n".join(tag_table(figures)))


def _say(done: int, total: int) -> None:
    print(f"\r{done} of {total}", end="\n" if done == total else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
