"""What evidence is worth on real tracks, and what it costs.

    python benchmarks/evidence.py FOLDER --model MODEL [--tracks 30] [--top 3] [--draws 5] [--json FILE]

Of every track the most probable tags are explained. Then the seconds that the evidence names are cut out of the sound,
the rest is joined and tagged again, and the fall of the tag's log odds is held against the mean fall when as many
stretches of the same lengths are cut out at random places. What is printed is the mean over tracks with the deviation
over tracks, and the share of tracks in which the named seconds cost more. The time is of the evidence of all tags of a
four-minute sound, made of the first track repeated.
"""

import argparse
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

import earmark
from earmark.audio.decode import decode
from earmark.tagging.bundle.calibration import log_odds
from earmark.tagging.evidence import HOP_SECONDS
from earmark.tagging.tagger import Tagger

Samples = npt.NDArray[np.float32]
Stretches = Sequence[tuple[float, float]]

FOUR_MINUTES = 240
ENDINGS = (".mp3", ".ogg", ".flac", ".wav", ".m4a", ".opus")


def without(samples: Samples, stretches: Stretches, rate_hz: int) -> Samples:
    """The sound with stretches of seconds cut out."""
    kept = np.ones(len(samples), dtype=np.bool_)
    for start, end in stretches:
        kept[round(start * rate_hz) : round(end * rate_hz)] = False
    return samples[kept]


def elsewhere(stretches: Stretches, duration_seconds: float, generator: np.random.Generator) -> Stretches:
    """Stretches of the same lengths in a random order at random places, none over another."""
    lengths = [round((end - start) / HOP_SECONDS) or 1 for start, end in stretches]
    free = max(0, int(duration_seconds / HOP_SECONDS) - sum(lengths))
    before = np.sort(generator.integers(0, free + 1, len(lengths)))
    taken, found = 0, []
    for gap, length in zip(before.tolist(), generator.permutation(lengths).tolist(), strict=True):
        start = (gap + taken) * HOP_SECONDS
        found.append((start, start + length * HOP_SECONDS))
        taken += length
    return found


def falls(
    tagger: Tagger, samples: Samples, top: int, draws: int, generator: np.random.Generator
) -> tuple[list[float], list[float]]:
    """Of the most probable tags: the fall of the log odds without the seconds named, and without random ones."""
    rate_hz, activation = tagger.card.rate_hz, tagger.card.activation
    prediction = tagger.tag((samples, rate_hz), keep_features=True)

    def odds(stretches: Stretches, place: int) -> float:
        logits = tagger.tag((without(samples, stretches, rate_hz), rate_hz)).logits
        return float(log_odds(logits, activation)[place])

    named, drawn = [], []
    for tag in prediction.top(top):
        place = prediction.labels.index(tag.label)
        evidence = prediction.evidence(tag.label)
        others = [elsewhere(evidence.strongest, prediction.duration_seconds, generator) for _ in range(draws)]
        named.append(evidence.log_odds - odds(evidence.strongest, place))
        drawn.append(evidence.log_odds - statistics.fmean(odds(other, place) for other in others))
    return named, drawn


def milliseconds(tagger: Tagger, samples: Samples, rounds: int = 9) -> float:
    """The median time of the evidence of all tags of four minutes of sound, after listening."""
    rate_hz = tagger.card.rate_hz
    long = np.resize(samples, FOUR_MINUTES * rate_hz)
    took = []
    for _ in range(rounds):
        prediction = tagger.tag((long, rate_hz), keep_features=True)
        started = time.perf_counter()
        prediction.evidence(prediction.labels[0])
        took.append(1000 * (time.perf_counter() - started))
    return statistics.median(took)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="real tracks")
    parser.add_argument("--model", help="a model's folder or name; without it the bundled one")
    parser.add_argument("--tracks", type=int, default=30, help="how many, evenly over the sorted files")
    parser.add_argument("--top", type=int, default=3, help="tags of each track")
    parser.add_argument("--draws", type=int, default=5, help="random cuts a tag")
    parser.add_argument("--json", type=Path, help="keep the figures here")
    options = parser.parse_args()
    tagger = earmark.load(options.model)
    files = sorted(path for path in options.folder.rglob("*") if path.suffix.lower() in ENDINGS)
    files = [
        files[place] for place in np.linspace(0, len(files) - 1, min(options.tracks, len(files))).round().astype(int)
    ]
    generator = np.random.default_rng(0)
    by_track: dict[str, tuple[list[float], list[float]]] = {}
    first = np.zeros(0, dtype=np.float32)
    for file in files:
        with decode(file, tagger.card.rate_hz) as sound:
            samples = np.concatenate(list(sound))
        first = first if len(first) else samples
        by_track[file.name] = falls(tagger, samples, options.top, options.draws, generator)
    named = [statistics.fmean(found) for found, _ in by_track.values()]
    drawn = [statistics.fmean(found) for _, found in by_track.values()]
    more = [one - other for one, other in zip(named, drawn, strict=True)]
    took = milliseconds(tagger, first)
    print(
        f"{tagger.card.name}, {len(files)} tracks, their {options.top} most probable tags, {options.draws} draws each"
    )
    print("| fall of the log odds without | mean over tracks | deviation over tracks |\n|---|---|---|")
    for what, values in (("the seconds named", named), ("random seconds", drawn), ("difference", more)):
        print(f"| {what} | {statistics.fmean(values):+.3f} | {statistics.pstdev(values):.3f} |")
    print(f"the seconds named cost more in {np.mean([value > 0 for value in more]):.0%} of the tracks")
    print(f"evidence of all {len(tagger.labels)} tags of four minutes: {took:.0f} ms")
    if options.json is not None:
        document = {"tracks": by_track, "milliseconds": took}
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
