"""How alike the tracks are that a library calls similar: python benchmarks/similarity.py [--model earmark-1-free].

Adds Emotify to a new library and asks for the tracks most similar to each of its tracks, as `earmark library similar`
does, in every way that it knows. Of the five nearest by other artists: the share that has the track's genre, and the
correlation, over tracks, of their mean felt emotions with the track's own (mean over the nine emotions). The model must
not have heard Emotify: earmark-1 has, earmark-1-free has not.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

import earmark
from earmark.library.library import Library
from earmark.library.similarity import Choice
from earmark.training.datasets import emotify
from earmark.training.evaluation.provenance import commit

NEIGHBOURS = 5
WAYS = {
    "the classifier's hidden layer (`similar`)": Choice(),
    "all levels": Choice(levels=(1, 2, 3, 4)),
    "the highest level (`--alike style`)": Choice(alike="style"),
    "the lowest level (`--alike sound`)": Choice(alike="sound"),
}


def main() -> None:
    """Add, ask, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="earmark-1-free")
    parser.add_argument("--root", type=Path, default=Path("../shared/data/emotify"))
    options = parser.parse_args()

    dataset = emotify.load(options.root, "both")
    targets = np.array([track.targets for track in dataset.tracks])
    genres, emotions = targets[:, : len(emotify.GENRES)], targets[:, len(emotify.GENRES) :]
    artists = [track.group for track in dataset.tracks]
    place = {str(Path(track.path).resolve()): index for index, track in enumerate(dataset.tracks)}
    with (
        tempfile.TemporaryDirectory() as folder,
        Library(Path(folder) / "a.earmark", earmark.load(options.model)) as library,
    ):
        library.add(*place, over_time=False)
        print(
            f"Emotify, {len(place)} tracks; model {options.model}; commit {commit()}.\n\n"
            "| compared by | nearest with the track's genre | correlation of felt emotions |\n|---|---|---|"
        )
        for name, choice in WAYS.items():
            nearest = np.array(
                [
                    [
                        other
                        for found in library.similar(path, n=len(place), choice=choice)
                        if artists[other := place[found.path]] != artists[index]
                    ][:NEIGHBOURS]
                    for path, index in place.items()
                ]
            )
            order = np.array(list(place.values()))
            agreement = (genres[nearest] * genres[order][:, np.newaxis]).sum(axis=2).mean()
            felt = emotions[nearest].mean(axis=1)
            correlations = [np.corrcoef(felt[:, each], emotions[order, each])[0, 1] for each in range(felt.shape[1])]
            print(f"| {name} | {agreement:.3f} | {np.mean(correlations):.3f} |", flush=True)


if __name__ == "__main__":
    main()
