"""What tagging costs: cold start, memory at any length, seconds of audio a second, and the size of the installation.

    python benchmarks/tagging.py [--rounds 5] [--hour] [--json FILE]

A model with random weights, in the letter's full size (18+27+54, 50 tags), tags noise that is made on the spot; what a
network costs does not depend on what it learnt. Cold runs are whole processes, `earmark tag`, with their largest memory
as the system counts it. --hour adds a run on 60 minutes.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one core, as `earmark tag` has it

import numpy as np

import earmark
from earmark.audio.encode import write_flac
from earmark.audio.logmel import LogMelSettings
from earmark.tagging.bundle.bundle import seal, write_bundle
from earmark.tagging.bundle.card import Card, Convolution, Extractor, Head, Provenance, TagName, layout_of
from earmark.tagging.bundle.tensors import expected_shapes

RATE_HZ = 22_050
TAGS = tuple(f"tag {number}" for number in range(50))
FIRST = (Convolution(3, 128, 3), Convolution(3, 128, 3))
SCALES = {
    18: (*FIRST, Convolution(2, 256, 2)),
    27: (*FIRST, Convolution(3, 256, 3)),
    54: (*FIRST, Convolution(3, 256, 3), Convolution(2, 256, 2)),
}

MEASURE = """
import resource, subprocess, sys, time
started = time.perf_counter()
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def write_model(folder: Path) -> None:
    """Write a bundle of the letter's size with random weights."""
    extractors = tuple(
        Extractor(
            str(frames), "log-mel", RATE_HZ, LogMelSettings(), frames, frames, 0.23, 0.26, convolutions,
            tuple(range(1, len(convolutions) + 1)), "max", "mean", 256, TAGS, "",
        )
        for frames, convolutions in SCALES.items()
    )  # fmt: skip
    card = Card(
        "random", extractors, layout_of(extractors), Head((512, 512), ""), "sigmoid",
        tuple(TagName(tag, "any") for tag in TAGS), (),
        Provenance("", "", "", "", {}, (0,), ""), {}, "Apache-2.0",
    )  # fmt: skip
    generator = np.random.default_rng(0)
    weights = {
        name: np.abs(generator.normal(0, 0.05, shape)).astype(np.float32) + 0.01
        for name, shape in expected_shapes(card).items()
    }
    write_bundle(seal(card, weights), folder)


def cold_run(model: Path, sound: Path) -> tuple[float, float]:
    """Run `earmark tag` in a process of its own: wall seconds and largest resident memory in megabytes."""
    # Measured by a small process in between: a child counts its memory from the fork on, when it still is its parent's.
    command = [sys.executable, "-m", "earmark", "tag", "--model", str(model), str(sound)]
    done = subprocess.run([sys.executable, "-c", MEASURE, *command], capture_output=True, text=True, check=True)
    seconds, kilobytes = done.stdout.split()
    return float(seconds), float(kilobytes) / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--hour", action="store_true", help="also tag 60 minutes")
    parser.add_argument("--json", type=Path, help="keep the figures here")
    options = parser.parse_args()
    lengths = {"30 s": 30, "4 min": 240} | ({"60 min": 3600} if options.hour else {})
    generator = np.random.default_rng(0)
    figures: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        write_model(model)
        tagger = earmark.load(model)
        print("| length | cold seconds | largest memory, MB | warm, seconds of audio a second |\n|---|---|---|---|")
        for name, seconds in lengths.items():
            sound = Path(folder) / f"{seconds}.flac"
            write_flac(sound, generator.normal(0, 0.1, seconds * RATE_HZ).astype(np.float32), RATE_HZ)
            rounds = 1 if seconds >= 3600 else options.rounds
            cold = [cold_run(model, sound) for _ in range(rounds)]
            warm = []
            for _ in range(rounds):
                started = time.perf_counter()
                tagger.tag(sound)
                warm.append(seconds / (time.perf_counter() - started))
            figures[name] = {
                "cold_seconds": [run[0] for run in cold],
                "memory_megabytes": [run[1] for run in cold],
                "audio_seconds_a_second": warm,
            }
            middles = [statistics.median(values) for values in figures[name].values()]
            print(f"| {name} | {middles[0]:.2f} | {middles[1]:.0f} | {middles[2]:.0f} |")
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
