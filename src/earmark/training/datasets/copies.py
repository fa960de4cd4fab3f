"""Copies of tracks, played slower or faster or mixed with another track: more sound for teachers to score.

Augmentation in training leaves targets as they are, but a teacher's scores change with the speed, and a mixture has
other scores than its parts. Here copies are files, so that teachers score them like any other track: teacher and
student hear the same (Beyer et al. 2022, Knowledge distillation: A good teacher is patient and consistent).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.audio.decode import decode
from earmark.audio.encode import write_flac
from earmark.audio.tempo import change_speed
from earmark.errors import DatasetError
from earmark.training.datasets.base import Split
from earmark.training.datasets.csv_file import read_csv
from earmark.training.datasets.options import listed

SPEEDS = ((0.80, 0.95), (1.05, 1.25))
"""Choice: how much slower the first copy is, and how much faster the second: up to four semitones, less than makes a
voice sound like another. All further copies are mixtures."""
MIXED_SPEEDS = (0.9, 1.1)
"""Choice: how much slower or faster each of the two tracks of a mixture is."""
SOFTER_DECIBELS = 8.0
"""Choice: the most that the second track of a mixture is softer than the first, by root mean squares; at a much softer
level no teacher would notice it."""
RATE_HZ = 22_050
HEADROOM_DECIBELS = 3.0
"""The most that copies at another speed are softer; a tenth comes on top, since another speed has other peaks."""
PEAK = 0.9
"""The peak of a mixture; copies at another speed may exceed it by what the speed adds."""
MARK = "@"
TABLE = "copies.csv"
"""The table of the other track of every mixture in a folder: columns copy, other."""

Sound = npt.NDArray[np.float32]


def copy_names(track: str, count: int) -> tuple[str, ...]:
    """Return the names of the copies of a track."""
    return tuple(f"{track}{MARK}{number}" for number in range(1, count + 1))


def is_mixture(name: str) -> bool:
    """Whether a copy of this name has another track in it."""
    return _number(name) > len(SPEEDS)


def others_of(tracks: Sequence[str], free: Collection[str], count: int) -> dict[str, str]:
    """Draw the other track of every mixture among the copies of some tracks, by the copies' names.

    The tracks are those of one fold, so that no side of a split contains sound of another. Free music is mixed with
    free music alone, for models that are trained on nothing else. Sometimes the other track is the original itself.
    """
    among = {True: [track for track in tracks if track in free], False: tracks}
    names = ((track, name) for track in tracks for name in copy_names(track, count) if is_mixture(name))
    return {name: _drawn(name, among[track in free]) for track, name in names}


def copy_files(tracks: Mapping[str, Path], count: int, folder: Path) -> Mapping[str, Path]:
    """Find the files of the copies of tracks, by their names; raises DatasetError where some are missing."""
    files = {name: folder / f"{name}.flac" for track in tracks for name in copy_names(track, count)}
    absent = [name for name, file in files.items() if not file.is_file()]
    if absent:
        raise DatasetError(
            f"{folder} lacks {len(absent)} of {len(files)} copies ({listed(absent)}). "
            "Make them and their scores with make bench-peers."
        )
    return files


def read_others(names: Iterable[str], folder: Path) -> Mapping[str, str]:
    """Read which other track each mixture among some copies holds; DatasetError where the folder does not say."""
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
    """Write the copy of this name as 16-bit FLAC of `RATE_HZ`; the name seeds its speeds and gains.

    `other` is the second track of a mixture, repeated where it is shorter than the original. Raises AudioError where a
    track cannot be read or the copy cannot be written, and DatasetError for a mixture without another track or another
    copy with one.
    """
    if is_mixture(name) != (other is not None):
        raise DatasetError(
            f"Copy {name} has {'no other track' if other is None else f'{other} beside it'}; expected another track "
            f"for copies from number {len(SPEEDS) + 1} on and none before. Give `other` for those alone."
        )
    draws = _draws(name)
    if other is None:
        speed = _speed(draws, *SPEEDS[_number(name) - 1])
        gain = PEAK * 10 ** (-draws.uniform(0, HEADROOM_DECIBELS) / 20)
        samples = gain * _at_speed(original, speed)
    else:
        # The first draw is the other track, which `others_of` has taken.
        draws.integers(2)
        first, second = (_at_speed(track, _speed(draws, *MIXED_SPEEDS)) for track in (original, other))
        second = np.resize(second, len(first))
        softer = 10 ** (-draws.uniform(0, SOFTER_DECIBELS) / 20)
        samples = first + softer * _loudness(first) / _loudness(second) * second
        samples *= PEAK / max(PEAK, float(np.abs(samples).max()))
    write_flac(file, np.clip(samples, -1, 1).astype(np.float32), RATE_HZ)


def with_copies(split: Split, names: Mapping[str, tuple[str, ...]], others: Mapping[str, str]) -> Split:
    """Add the copies of training tracks to a split's training side; a mixture needs both of its tracks there.

    `names` holds the names of every track's copies, `others` is the result of `read_others`.
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
    """Compute the root mean square, above zero for silence too."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) + 1e-6
