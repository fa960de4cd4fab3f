"""Copies of tracks, played slower and faster or mixed with another: more sound for a teacher to say what it hears in.

Moving frames about in training leaves targets as they were, but what a teacher says changes with the speed; nor is a
mixture what its parts are, each a little. Here copies are files, so that teachers score them as they score any
track. The idea is of Beyer et al. 2022 (Knowledge distillation: A good teacher is patient and consistent): teacher and
student have to hear the same.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.audio.decode import decode
from earmark.audio.tempo import change_speed
from earmark.audio.write import write_flac
from earmark.errors import DatasetError
from earmark.training.datasets.base import Split
from earmark.training.datasets.csv_file import read_csv
from earmark.training.datasets.nearest import listed

SPEEDS = ((0.80, 0.95), (1.05, 1.25))
"""Choice: how much slower the first copy is, and how much faster the second: up to four semitones, less than makes a
voice another. All further copies are mixtures."""
MIXED_SPEEDS = (0.9, 1.1)
"""Choice: how much slower or faster each of the two tracks of a mixture is."""
SOFTER_DECIBELS = 8.0
"""Choice: by how much at most the second track of a mixture is softer than the first, root mean square by root mean
square: much softer, and no teacher would hear it."""
RATE_HZ = 22_050
HEADROOM_DECIBELS = 3.0
"""Copies at another speed are softer by up to so much, and by a tenth more: another speed has other peaks."""
PEAK = 0.9
"""What no sample of a mixture exceeds, and others only by what another speed adds."""
MARK = "@"
TABLE = "copies.csv"
"""Which track each mixture of a folder has beside its original: columns copy, other."""

Sound = npt.NDArray[np.float32]


def copy_names(track: str, count: int) -> tuple[str, ...]:
    """What the copies of a track are called."""
    return tuple(f"{track}{MARK}{number}" for number in range(1, count + 1))


def is_mixture(name: str) -> bool:
    """Whether a copy of this name has another track in it."""
    return _number(name) > len(SPEEDS)


def others_of(tracks: Sequence[str], free: Collection[str], count: int) -> dict[str, str]:
    """What the mixtures among the copies of some tracks have beside their original: another of these, by their names.

    The tracks are those of one fold, so that no side of a split hears another. Free music is mixed with free music
    alone, for models that are to hear nothing else. Now and then it is the original again.
    """
    among = {True: [track for track in tracks if track in free], False: tracks}
    names = ((track, name) for track in tracks for name in copy_names(track, count) if is_mixture(name))
    return {name: _drawn(name, among[track in free]) for track, name in names}


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


def read_others(names: Iterable[str], folder: Path) -> Mapping[str, str]:
    """Which other track each mixture among some copies has in it; raises DatasetError where the folder does not say."""
    mixtures = [name for name in names if is_mixture(name)]
    if not mixtures:
        return {}
    table = folder / TABLE
    others = {row.cells["copy"]: row.cells["other"] for row in read_csv(table, ("copy", "other")).rows}
    absent = [name for name in mixtures if name not in others]
    if absent:
        raise DatasetError(
            f"{table} does not say what {len(absent)} of {len(mixtures)} copies are mixed with ({listed(absent)}). "
            "Make it with make bench-peers."
        )
    return {name: others[name] for name in mixtures}


def write_copy(original: Path, name: str, file: Path, other: Path | None = None) -> None:
    """Write the copy of this name, at speeds and gains that the name draws, as 16-bit FLAC of `RATE_HZ`.

    `other` is what a mixture has beside the original, over and over where it is shorter. Raises AudioError where the
    tracks cannot be read or the copy not be written, DatasetError for a mixture of one track and a copy at another
    speed of two.
    """
    if is_mixture(name) != (other is not None):
        raise DatasetError(
            f"Copy {name} has {'no other track' if other is None else f'{other} beside it'}; expected one for "
            f"copies from number {len(SPEEDS) + 1} on and none before. Give other for those alone."
        )
    draws = _draws(name)
    if other is None:
        speed = _speed(draws, *SPEEDS[_number(name) - 1])
        gain = PEAK * 10 ** (-draws.uniform(0, HEADROOM_DECIBELS) / 20)
        samples = gain * _at_speed(original, speed)
    else:
        # After the place that `others_of` drew, of however many.
        draws.integers(2)
        first, second = (_at_speed(track, _speed(draws, *MIXED_SPEEDS)) for track in (original, other))
        second = np.resize(second, len(first))
        softer = 10 ** (-draws.uniform(0, SOFTER_DECIBELS) / 20)
        samples = first + softer * _loudness(first) / _loudness(second) * second
        samples *= PEAK / max(PEAK, float(np.abs(samples).max()))
    write_flac(file, np.clip(samples, -1, 1).astype(np.float32), RATE_HZ)


def with_copies(split: Split, names: Mapping[str, tuple[str, ...]], others: Mapping[str, str]) -> Split:
    """The split whose training side has the copies of its tracks too, mixtures where both of their tracks train.

    `names` are those of every track's copies, `others` what `read_others` gives.
    """
    training = frozenset(split.train)
    copies = [name for track in split.train for name in names.get(track, ()) if others.get(name, track) in training]
    return Split(split.name, (*split.train, *copies), split.valid, split.test)


def _drawn(name: str, tracks: Sequence[str]) -> str:
    return tracks[int(_draws(name).integers(len(tracks)))]


def _number(name: str) -> int:
    return int(name.rpartition(MARK)[2])


def _draws(name: str) -> np.random.Generator:
    return np.random.default_rng(int(hashlib.sha256(name.encode()).hexdigest()[:15], 16))


def _speed(draws: np.random.Generator, slowest: float, fastest: float) -> float:
    return math.exp(draws.uniform(math.log(slowest), math.log(fastest)))


def _at_speed(track: Path, speed: float) -> Sound:
    with decode(track, RATE_HZ) as sound:
        return change_speed(np.concatenate(list(sound)), RATE_HZ, speed)


def _loudness(samples: Sound) -> float:
    """The root mean square, above zero for silence too."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) + 1e-6
