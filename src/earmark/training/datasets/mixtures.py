"""Mixtures of one to three tracks at other speeds, equalised and coded, for teachers to score.

A network that is to agree with its teachers learns from any sound that they score, not only from music as it was
published, provided that both hear the same (Beyer and others 2022, "Knowledge distillation: a good teacher is patient
and consistent").
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.audio.decode import decode
from earmark.audio.encode import encode_mp3, write_flac
from earmark.audio.tempo import change_speed
from earmark.errors import DatasetError
from earmark.file_errors import file_errors
from earmark.training.datasets.annotated import FOLDS, RATE_HZ, AnnotatedTrack, read_tracks, write_tracks
from earmark.training.datasets.csv_file import read_csv
from earmark.training.datasets.options import check_counts
from earmark.training.datasets.speaking import add_below, bring_to_peak

Sound = npt.NDArray[np.float32]
Say = Callable[[str], None]

SECONDS = 30.0
PART_SHARES = (0.25, 0.45, 0.3)
"""Choice: the shares of mixtures of one, two and three tracks."""
SPEEDS_ALONE = (0.8, 1.25)
"""Choice: the slowest and the fastest speed of a track that plays alone."""
SPEEDS_MIXED = (0.9, 1.1)
"""Choice: the slowest and the fastest speed of a track in a mixture of several."""
BELOW_DECIBELS = (0.0, 10.0)
"""Choice: how far each further track lies below those before it; no teacher would notice a much softer one."""
EQUALISATION_DECIBELS = 6.0
"""Choice: the largest gain of a random curve over frequency, either way."""
EQUALISATION_HZ = (50.0, 150.0, 500.0, 1500.0, 4000.0, 10_000.0)
CODED_SHARE = 0.25
CODED_BITS_A_SECOND = (24_000, 32_000, 48_000, 64_000)
"""Choice: bit rates from poor to good for one channel at `RATE_HZ`, as MP3."""
PEAK_BELOW_DECIBELS = (0.5, 9.0)
TELL_TRACKS = 50
"""The number of tracks after which tracks.csv is written again, so that finished tracks can be used."""


@dataclass(frozen=True)
class MusicTrack:
    """A track to mix: its name, file, licence and fold. A mixture stays in one fold."""

    track: str
    path: Path
    licence: str
    fold: int


@dataclass(frozen=True)
class PlannedMixture:
    """The plan of a mixture: its name, its tracks, the loudest first, and the seed of everything else."""

    track: str
    parts: tuple[MusicTrack, ...]
    seed: int


def read_music(folders: Sequence[Path]) -> tuple[MusicTrack, ...]:
    """Read the tables of folders that the dataset `consensus` can load.

    Raises DatasetError for a missing table or column, and for a track without a file.
    """
    found = []
    for folder in folders:
        for row in read_csv(folder / "tracks.csv", ("track", "file", "fold")).rows:
            path = folder / row.cells["file"]
            if row.cells.get("may_ship", "yes") != "yes":
                continue
            if not path.is_file():
                raise DatasetError(f"There is no {path}, which line {row.line} of its tracks.csv names.")
            if row.cells["fold"] not in {str(fold) for fold in range(FOLDS)}:
                raise DatasetError(
                    f"Line {row.line} of {folder / 'tracks.csv'} has {row.cells['fold']!r} as 'fold'; expected 0 to 4."
                )
            found.append(MusicTrack(row.cells["track"], path, row.cells.get("licence", ""), int(row.cells["fold"])))
    return tuple(found)


def draw_mixtures(
    first: Sequence[MusicTrack], further: Sequence[MusicTrack], count: int, seed: int
) -> tuple[PlannedMixture, ...]:
    """Return the plans of `count` mixtures.

    The tracks of `first` take turns as the loudest part; other parts are drawn from `further`, of the same fold.

    Raises DatasetError where there is nothing to mix.
    """
    if not first or not further:
        raise DatasetError("There is no music to mix; expected folders with a tracks.csv that names some.")
    by_fold: dict[int, list[MusicTrack]] = {}
    for track in further:
        by_fold.setdefault(track.fold, []).append(track)
    order = np.random.default_rng(seed)
    turns: list[int] = []
    while len(turns) < count:
        turns.extend(order.permutation(len(first)).tolist())
    plans = []
    for number, turn in enumerate(turns[:count]):
        loudest = first[turn]
        name = f"mixture-{seed}-{number:05d}"
        track_seed = zlib.crc32(f"{name}/{loudest.track}".encode())
        generator = np.random.default_rng(track_seed)
        others = [each for each in by_fold.get(loudest.fold, ()) if each.track != loudest.track]
        wanted = 1 + int(generator.choice(len(PART_SHARES), p=PART_SHARES))
        drawn = generator.permutation(len(others))[: wanted - 1]
        plans.append(PlannedMixture(name, (loudest, *(others[place] for place in drawn)), track_seed))
    return tuple(plans)


def make(
    root: Path, folders: Sequence[Path], further: Sequence[Path], count: int, seed: int, say: Say
) -> tuple[AnnotatedTrack, ...]:
    """Write `count` mixtures of `SECONDS` under a root, and tracks.csv. Audio that tracks.csv names is kept.

    `folders` hold the loudest track of each mixture; `further` are folders with more tracks for the other parts.

    Raises DatasetError for a folder without music and for a root whose mixtures have other parts, and FileError where a
    track cannot be decoded.
    """
    check_counts(count=count, seed=seed)
    written = {track.track: track.parts for track in read_tracks(root)} if (root / "tracks.csv").is_file() else {}
    first = read_music(folders)
    (root / "audio").mkdir(parents=True, exist_ok=True)
    tracks = []
    for number, plan in enumerate(draw_mixtures(first, (*first, *read_music(further)), count, seed), start=1):
        file = f"audio/{plan.track}.flac"
        names = tuple(part.track for part in plan.parts)
        if written.get(plan.track, names) != names:
            raise DatasetError(
                f"{root / 'tracks.csv'} has {plan.track} of {', '.join(written[plan.track])}, expected it of "
                f"{', '.join(names)}: it was made from other music. Choose another folder or another seed."
            )
        if plan.track not in written or not (root / file).is_file():
            unfinished = root / f".{plan.track}.part"
            write_flac(unfinished, mix(plan), RATE_HZ)
            unfinished.replace(root / file)
        loudest = plan.parts[0]
        licence = "; ".join(dict.fromkeys(part.licence for part in plan.parts if part.licence))
        source, fold = f"mixture of {len(names)}", loudest.fold
        tracks.append(
            AnnotatedTrack(
                plan.track, file, "mixture", source, loudest.track, licence, fold, SECONDS, (), (), parts=names
            )
        )
        if number % TELL_TRACKS == 0 or number == count:
            say(f"{number} of {count} mixtures")
            write_tracks(root, tracks)
    return tuple(tracks)


def mix(plan: PlannedMixture) -> Sound:
    """Return the sound of a mixture: (samples,) float32 in -1..1, `SECONDS` long at `RATE_HZ`."""
    generator = np.random.default_rng(plan.seed)
    speeds = SPEEDS_ALONE if len(plan.parts) == 1 else SPEEDS_MIXED
    sound: Sound | None = None
    for part in plan.parts:
        excerpt = _excerpt(part, math.exp(generator.uniform(*np.log(speeds))), generator)
        sound = excerpt if sound is None else add_below(sound, excerpt, generator.uniform(*BELOW_DECIBELS))
    if sound is None:
        raise DatasetError(f"The mixture {plan.track} has no tracks; expected one at least.")
    sound = bring_to_peak(_equalised(sound, generator), generator.uniform(*PEAK_BELOW_DECIBELS))
    if generator.random() < CODED_SHARE:
        coded = encode_mp3(sound, RATE_HZ, int(generator.choice(CODED_BITS_A_SECOND)))
        with decode(coded, RATE_HZ) as blocks:
            sound = np.concatenate(list(blocks))
    return np.clip(np.resize(sound, round(SECONDS * RATE_HZ)), -1, 1)


def _excerpt(part: MusicTrack, speed: float, generator: np.random.Generator) -> Sound:
    """Return `SECONDS` from a random place of a track at another speed; a shorter track is repeated."""
    with file_errors(str(part.path)), decode(part.path, RATE_HZ) as blocks:
        sound = np.concatenate([np.zeros(0, np.float32), *blocks])
    if not sound.size:
        raise DatasetError(f"{part.path} holds no sound; expected music to mix.")
    wanted = math.ceil(SECONDS * RATE_HZ * speed) + 1
    start = int(generator.integers(max(len(sound) - wanted, 0) + 1))
    return np.resize(change_speed(sound[start : start + wanted], RATE_HZ, speed), round(SECONDS * RATE_HZ))


def _equalised(sound: Sound, generator: np.random.Generator) -> Sound:
    """Apply a smooth random gain over frequency."""
    gains = generator.uniform(-EQUALISATION_DECIBELS, EQUALISATION_DECIBELS, len(EQUALISATION_HZ))
    hertz = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    decibels = np.interp(np.log(np.maximum(hertz, 1.0)), np.log(EQUALISATION_HZ), gains)
    return np.asarray(np.fft.irfft(np.fft.rfft(sound) * 10.0 ** (decibels / 20), len(sound)), np.float32)
