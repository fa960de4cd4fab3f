"""Do the seconds that evidence names overlap those in which an instrument sounds? Rendered tracks know.

    python benchmarks/evidence_overlap.py FOLDER --model MODEL [--tracks 400] [--seed 0] [--json FILE]

FOLDER is the root of the dataset `rendered`, and --tracks and --seed are its options in the recipe that trained the
model. Of every test track each instrument is asked for that sounds in a tenth to seven tenths of it. By chance the
seconds named would overlap as much as it sounds; what is printed is the share that does, the mean over tracks.
"""

import argparse
import json
import statistics
from collections import defaultdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

import earmark
from earmark.training.datasets import rendered

TENTHS = 10
"""Of a second: what overlaps is counted in these."""


def sounding(stretches: list[tuple[float, float]], duration_seconds: float) -> npt.NDArray[np.bool_]:
    """Which tenths of a second lie in some stretches."""
    found = np.zeros(round(duration_seconds * TENTHS), dtype=np.bool_)
    for start, end in stretches:
        found[round(start * TENTHS) : round(end * TENTHS)] = True
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--tracks", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="keep the figures here")
    options = parser.parse_args()
    tagger = earmark.load(options.model)
    dataset = rendered.load(options.folder, tracks=options.tracks, seed=options.seed)
    known = rendered.soundings(options.folder)
    by_track: dict[str, list[tuple[float, float]]] = {}
    by_tag: dict[str, list[float]] = defaultdict(list)
    for track in dataset.select(dataset.split("default").test):
        prediction = tagger.tag(track.path, keep_features=True)
        duration = prediction.duration_seconds
        for instrument in sorted({entry.instrument for entry in known[track.identifier]} & set(tagger.labels)):
            truth = sounding(
                [
                    (entry.start_seconds, entry.end_seconds)
                    for entry in known[track.identifier]
                    if entry.instrument == instrument
                ],
                duration,
            )
            if not 0.1 <= truth.mean() <= 0.7:
                continue
            named = sounding(list(prediction.evidence(instrument).strongest), duration)
            pair = (float(truth[named].mean()), float(truth.mean()))
            by_track.setdefault(track.identifier, []).append(pair)
            by_tag[instrument].append(pair[0] - pair[1])
    named_share = [statistics.fmean(found for found, _ in pairs) for pairs in by_track.values()]
    chance = [statistics.fmean(share for _, share in pairs) for pairs in by_track.values()]
    more = [one - other for one, other in zip(named_share, chance, strict=True)]
    print(f"{tagger.card.name}, {len(by_track)} tracks with {sum(map(len, by_track.values()))} instruments asked for")
    print("| of the seconds named, in which the instrument sounds | mean over tracks | deviation |\n|---|---|---|")
    for what, values in (("found", named_share), ("by chance", chance), ("difference", more)):
        print(f"| {what} | {statistics.fmean(values):+.3f} | {statistics.pstdev(values):.3f} |")
    print(f"more than by chance in {np.mean([value > 0 for value in more]):.0%} of the tracks; by instrument: ", end="")
    print(", ".join(f"{tag} {statistics.fmean(values):+.2f} ({len(values)})" for tag, values in sorted(by_tag.items())))
    if options.json is not None:
        options.json.write_text(json.dumps({"tracks": by_track}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
