"""How fast the log-mel front end is on one core, and against librosa.

    python benchmarks/front_end.py [--seconds 120] [--rounds 15] [--json FILE]

Prints seconds of audio a second for a whole sound, for the same sound pushed a second at a time, and for
librosa doing the same, and how many times as fast as librosa each is. In every round each way runs once, one
after the other, so that a busy machine slows all of them; figures are the median over the rounds with the
lowest and the highest. One core: the process starts itself again with one thread.

Two clocks: processor time, which other work on the machine touches least, and wall time, which on a machine
that is not idle says as much about the neighbours. The ratios are of processor time, within a round.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np
import numpy.typing as npt

import earmark
from earmark.audio.logmel import BLOCK_FRAMES, LogMel, LogMelSettings, log_mel

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
SETTINGS = LogMelSettings()
TOLERANCE = 1e-5

Samples = npt.NDArray[np.float32]
Spread = dict[str, float]


def whole(samples: Samples) -> Samples:
    """The frames of the whole sound at once."""
    return log_mel(samples)


def streamed(samples: Samples) -> Samples:
    """The frames of the sound pushed a second at a time."""
    stream = LogMel()
    starts = range(0, len(samples), SETTINGS.rate_hz)
    parts = [stream.push(samples[start : start + SETTINGS.rate_hz]) for start in starts]
    return np.concatenate([*parts, stream.finish()])


def by_librosa(samples: Samples) -> Samples:
    """The same frames by librosa, with frames as rows."""
    mel = librosa.feature.melspectrogram(
        y=samples,
        sr=SETTINGS.rate_hz,
        n_fft=SETTINGS.window_samples,
        hop_length=SETTINGS.hop_samples,
        n_mels=SETTINGS.mel_bands,
        power=1.0,
    )
    frames: Samples = np.log10(1.0 + SETTINGS.compression * mel).T
    return frames


WAYS: dict[str, Callable[[Samples], Samples]] = {"whole": whole, "streamed": streamed, "librosa": by_librosa}


def spreads(measured: dict[str, list[float]]) -> dict[str, Spread]:
    """For each way the median of its values, with the lowest and the highest."""
    return {
        name: {"median": statistics.median(values), "lowest": min(values), "highest": max(values)}
        for name, values in measured.items()
    }


def measure(samples: Samples, rounds: int) -> dict[str, dict[str, Spread]]:
    """Run every way once a round, in turn, and return speeds by both clocks and ratios to librosa."""
    audio_seconds = len(samples) / SETTINGS.rate_hz
    by_processor: dict[str, list[float]] = {name: [] for name in WAYS}
    by_wall: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(rounds):
        for name, way in WAYS.items():
            wall, processor_time = time.perf_counter(), time.process_time()
            way(samples)
            by_processor[name].append(audio_seconds / (time.process_time() - processor_time))
            by_wall[name].append(audio_seconds / (time.perf_counter() - wall))
    ratios = {
        name: [ours / theirs for ours, theirs in zip(speeds, by_processor["librosa"], strict=True)]
        for name, speeds in by_processor.items()
        if name != "librosa"
    }
    return {
        "seconds_of_audio_a_second_of_processor_time": spreads(by_processor),
        "seconds_of_audio_a_second_of_wall_time": spreads(by_wall),
        "times_as_fast_as_librosa": spreads(ratios),
    }


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def positive(text: str) -> int:
    """A command line's whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is below 1")
    return number


def main() -> int:
    """Measure and print; exit status 1 where the frames are not librosa's."""
    parser = argparse.ArgumentParser(description="Speed of the log-mel front end on one core.")
    parser.add_argument("--seconds", type=positive, default=120, help="length of the sound; default 120")
    parser.add_argument("--rounds", type=positive, default=15, help="runs of each way; default 15")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    options = parser.parse_args()
    if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | ONE_THREAD)

    samples = np.random.default_rng(0).uniform(-1, 1, options.seconds * SETTINGS.rate_hz).astype(np.float32)
    expected = by_librosa(samples)  # also the warm-up
    difference = max(float(np.abs(way(samples) - expected).max()) for way in (whole, streamed))
    figures = measure(samples, options.rounds)
    versions = {
        "earmark": earmark.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "librosa": importlib.metadata.version("librosa"),
    }
    machine = f"{processor()}, {os.cpu_count()} cores, {platform.system()}"
    report = {
        "benchmark": "front_end",
        "audio_seconds": options.seconds,
        "rounds": options.rounds,
        "threads": 1,
        "block_frames": BLOCK_FRAMES,
        "push_samples": SETTINGS.rate_hz,
        "largest_difference_from_librosa": difference,
        "machine": machine,
        "versions": versions,
        **figures,
    }

    print(f"{machine}; one thread")
    print(", ".join(f"{name} {version}" for name, version in versions.items()))
    print(f"{options.seconds} s of noise, {options.rounds} rounds; blocks of {BLOCK_FRAMES} frames")
    print(f"largest difference from librosa: {difference:.1e}")
    for title, table in figures.items():
        print(f"{title.replace('_', ' ')}: median (lowest to highest)")
        for name, values in table.items():
            digits = 0 if values["median"] >= 100 else 2
            low, middle, high = (f"{values[key]:,.{digits}f}" for key in ("lowest", "median", "highest"))
            print(f"  {name:9} {middle:>7}  ({low} to {high})")
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    if difference > TOLERANCE:
        print(f"The frames differ from librosa's by more than {TOLERANCE:g}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
