"""Copies of tracks, played slower and faster: more sound for a teacher to say what it hears in.

Moving frames about in training leaves targets as they were, and a tag that is true at one speed need not be at another.
Here copies are files, so that teachers score them as they score any track. The idea is of Beyer et al. 2022 (Knowledge
distillation: A good teacher is patient and consistent): teacher and student have to hear the same.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from earmark.audio.decode import decode
from earmark.audio.tempo import change_speed
from earmark.audio.write import write_flac
from earmark.errors import DatasetError
from earmark.training.datasets.base import Split
from earmark.training.datasets.nearest import listed

SPEEDS = ((0.80, 0.95), (1.05, 1.25))
"""Choice: how much slower or faster the copies are, in turn: up to four semitones, less than makes a voice another."""
RATE_HZ = 22_050
HEADROOM_DECIBELS = 3.0
"""Copies are softer by up to so much, and by a tenth more: another speed has other peaks."""
MARK = "@"


def copy_names(track: str, count: int) -> tuple[str, ...]:
    """What the copies of a track are called."""
    return tuple(f"{track}{MARK}{number}" for number in range(1, count + 1))


def copy_files(tracks: Mapping[str, Path], count: int, folder: Path) -> Mapping[str, Path]:
    """Where the copies of tracks lie, by their names; raises DatasetError where some are missing."""
    files = {name: folder / f"{name}.flac" for track in tracks for name in copy_names(track, count)}
    absent = [name for name, file in files.items() if not file.is_file()]
    if absent:
        raise DatasetError(
            f"{folder} lacks {len(absent)} of {len(files)} copies ({listed(absent)}). "
            "Make them, and what the teachers say of them, with make bench-peers."
        )
    return files


def write_copy(original: Path, name: str, file: Path) -> None:
    """Write the copy of this name: at a speed, and as loud, as the name draws, 16-bit FLAC of `RATE_HZ`.

    Raises AudioError where the original cannot be read or the copy not be written.
    """
    _, _, number = name.rpartition(MARK)
    slowest, fastest = SPEEDS[(int(number) - 1) % len(SPEEDS)]
    generator = np.random.default_rng(int(hashlib.sha256(name.encode()).hexdigest()[:15], 16))
    speed = math.exp(generator.uniform(math.log(slowest), math.log(fastest)))
    gain = 0.9 * 10 ** (-generator.uniform(0, HEADROOM_DECIBELS) / 20)
    with decode(original, RATE_HZ) as sound:
        samples = change_speed(np.concatenate(list(sound)), RATE_HZ, speed)
    write_flac(file, np.clip(gain * samples, -1, 1).astype(np.float32), RATE_HZ)


def with_copies(split: Split, names: Mapping[str, tuple[str, ...]]) -> Split:
    """The split whose training side has the copies of its tracks too; `names` are those of every track."""
    copies = [name for track in split.train for name in names.get(track, ())]
    return Split(split.name, (*split.train, *copies), split.valid, split.test)
