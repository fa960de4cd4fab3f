"""Sounds that are no music, made on the spot: what a tagger should say nothing about.

Silence, noise of several colours and levels, hum, single tones, glides and clicks: none has any tag.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.audio.write import write_flac
from earmark.errors import DatasetError

RATE_HZ = 22_050
SECONDS = 20.0
KINDS = ("silence", "noise", "hum", "tone", "glide", "clicks")

Samples = npt.NDArray[np.float32]


def blank_files(folder: Path, count: int) -> tuple[Path, ...]:
    """The files of `count` sounds without music in a folder, made on the first call; kinds in turn.

    Raises DatasetError where the folder holds something else.
    """
    expected = tuple(folder / f"{index:03d}-{KINDS[index % len(KINDS)]}.flac" for index in range(count))
    if folder.is_dir() and any(folder.iterdir()):
        missing = [path.name for path in expected if not path.is_file()]
        if missing:
            raise DatasetError(f"{folder} lacks {missing[0]} and {len(missing) - 1} more; remove it to have it made.")
        return expected
    unfinished = folder.with_name(f".{folder.name}.unfinished-{os.getpid()}")
    try:
        unfinished.mkdir(parents=True, exist_ok=True)
        for index, path in enumerate(expected):
            write_flac(unfinished / path.name, blank(KINDS[index % len(KINDS)], index), RATE_HZ)
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished.replace(folder)
    except OSError as error:
        raise DatasetError(f"Sounds without music cannot be written to {folder} ({error.strerror}).") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return expected


def blank(kind: str, seed: int) -> Samples:
    """One sound of a kind, drawn by a seed: (samples,) float32 in -1..1, `SECONDS` at `RATE_HZ`."""
    generator = np.random.default_rng([seed, KINDS.index(kind)])
    count = int(SECONDS * RATE_HZ)
    seconds = np.arange(count) / RATE_HZ
    level = 10 ** generator.uniform(-3, -0.3)
    low_hz, high_hz = np.sort(np.exp(generator.uniform(np.log(60), np.log(6000), 2)))
    if kind == "silence":
        # Every other one with the last bit of a converter's noise.
        sound = generator.integers(-1, 2, count) * (generator.uniform() < 0.5) / 32_768
    elif kind == "noise":
        sound = _coloured(generator, count)
    elif kind == "hum":
        mains_hz = generator.choice([50.0, 60.0])
        harmonics = [np.sin(2 * np.pi * mains_hz * n * seconds) / n for n in (1, 2, 3, 5, 7)]
        sound = np.sum(harmonics, axis=0) + 0.05 * _coloured(generator, count)
    elif kind == "tone":
        sound = np.sin(2 * np.pi * low_hz * seconds)
    elif kind == "glide":
        hz = low_hz * (high_hz / low_hz) ** (0.5 - 0.5 * np.cos(2 * np.pi * seconds / generator.uniform(2, SECONDS)))
        sound = np.sin(2 * np.pi * np.cumsum(hz) / RATE_HZ)
    else:
        sound = np.zeros(count)
        sound[generator.integers(0, count, generator.integers(5, 100))] = generator.choice([-1.0, 1.0])
    peak = float(np.abs(sound).max()) or 1.0
    scale = 1.0 if kind == "silence" else level / peak
    return (sound * scale).astype(np.float32)


def _coloured(generator: np.random.Generator, count: int) -> npt.NDArray[np.float64]:
    """Noise whose power falls with frequency by a random slope, from white to brown."""
    spectrum = np.fft.rfft(generator.standard_normal(count))
    bins = np.arange(1, len(spectrum) + 1)
    noise: npt.NDArray[np.float64] = np.fft.irfft(spectrum * bins ** -generator.uniform(0.0, 1.0), count)
    return noise
