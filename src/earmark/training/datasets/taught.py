"""Tracks that a vocabulary is taught on: what other taggers and listeners said of them, window by window."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from earmark.audio.encode import write_flac
from earmark.errors import DatasetError
from earmark.tagging.bundle.card import TagName
from earmark.training.datasets import emotify, teacher
from earmark.training.datasets.base import Dataset, DatasetTrack, Report, Split, WindowTargets
from earmark.training.datasets.catalogue import inspect_files
from earmark.training.datasets.copies import copy_files, copy_names, read_others, with_copies
from earmark.training.datasets.csv_file import CsvRow, read_csv
from earmark.training.datasets.magnatagatune import TAGS as MAGNATAGATUNE
from earmark.training.datasets.options import check_counts, check_switches, did_you_mean, folder_below, listed
from earmark.training.datasets.splits import fold_splits
from earmark.training.datasets.vocabulary import Vocabulary, read_vocabulary

KNOWN_OF_TRAINING_CLIPS = 20
"""How many of the most frequent tags, which come first, are known to be absent from clips of MagnaTagATune's training
side."""

LISTENERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"magnatagatune": MAGNATAGATUNE, "emotify-genre": emotify.GENRES, "emotify-emotions": emotify.EMOTIONS}
)
"""The labels of each source, in order."""

_SPELLINGS = MappingProxyType({label.replace(" ", "").lower(): label for label in MAGNATAGATUNE})


def heard_by_listeners(cells: Mapping[str, str] | None) -> dict[str, tuple[float, ...]]:
    """Read the targets in one row of Emotify's tracks.csv by source, NaN where unknown; all unknown without a row.

    Raises DatasetError for a tag that MagnaTagATune's fifty do not hold.
    """
    unknown = float("nan")
    if cells is None:
        return {source: (unknown,) * len(labels) for source, labels in LISTENERS.items()}
    return {
        "magnatagatune": magnatagatune_tags(cells["mtat_tags"], cells["mtat_split"]),
        "emotify-genre": tuple(float(cells["genre"] == genre) for genre in emotify.GENRES),
        "emotify-emotions": tuple(float(cells[emotion]) for emotion in emotify.EMOTIONS),
    }


def magnatagatune_tags(said: str, split: str) -> tuple[float, ...]:
    """Turn MagnaTagATune's tags of a recording into targets 1, 0 or NaN.

    `said` is a list such as "guitar;noVocals", `split` the side of the recording.

    The absence of a rarer tag is unknown where the clips are in the training side. A recording without any tag is not
    in MagnaTagATune, and all of its tags are unknown.
    """
    if not said:
        return (float("nan"),) * len(MAGNATAGATUNE)
    labels = set()
    for word in said.split(";"):
        label = _SPELLINGS.get(word.strip().replace(" ", "").lower())
        if label is None:
            raise DatasetError(
                f"MagnaTagATune has no tag {word!r} among its fifty.{did_you_mean(word, tuple(_SPELLINGS))}"
            )
        labels.add(label)
    known = KNOWN_OF_TRAINING_CLIPS if split == "train" else len(MAGNATAGATUNE)
    return tuple(
        1.0 if label in labels else 0.0 if place < known else float("nan") for place, label in enumerate(MAGNATAGATUNE)
    )


RATE_HZ = 22_050
SECONDS = 20.0
KINDS = ("silence", "noise", "hum", "tone", "glide", "clicks")

Samples = npt.NDArray[np.float32]


def blank_files(folder: Path, count: int) -> tuple[Path, ...]:
    """Return the files of `count` sounds without music in a folder, made on the first call; kinds take turns.

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
    """Make one sound of a kind, drawn by a seed: (samples,) float32 in -1..1, `SECONDS` long at `RATE_HZ`."""
    generator = np.random.default_rng([seed, KINDS.index(kind)])
    count = int(SECONDS * RATE_HZ)
    seconds = np.arange(count) / RATE_HZ
    level = 10 ** generator.uniform(-3, -0.3)
    low_hz, high_hz = np.sort(np.exp(generator.uniform(np.log(60), np.log(6000), 2)))
    if kind == "silence":
        # Every other one gets the noise of a converter's last bit.
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
    """Make noise whose power falls with frequency by a random slope, from white to brown."""
    spectrum = np.fft.rfft(generator.standard_normal(count))
    bins = np.arange(1, len(spectrum) + 1)
    noise: npt.NDArray[np.float64] = np.fft.irfft(spectrum * bins ** -generator.uniform(0.0, 1.0), count)
    return noise


NAME = "taught"
LICENCE = "Each track's own: see tracks.csv of each folder. Scores of musicnn under ISC."
CITATION = f"{emotify.CITATION} {teacher.CITATION}"
LAYOUT = """\
free/tracks.csv      UTF-8, a row a track: track, file, source, licence, fold (0 to 4), may_ship
emotify/tracks.csv   as the dataset emotify has it, with mtat_tags and mtat_split
FOLDER/*             the files that the column `file` names, relative to FOLDER
teacher/NAME.npz     a teacher's scores: `labels`, its tags in order, and by track (windows, tags) in 0..1"""

FOLDERS = ("free", "emotify")
TEACHERS = ("musicnn-mtat", "musicnn-msd")
TAGS_OF = {"musicnn-mtat": "mtat-tags.npz", "musicnn-msd": "msd-tags.npz"}
"""The file that `make bench-peers` writes for each teacher."""
WINDOW_SECONDS = 187 * 256 / 16_000
"""The length of one row of a teacher's scores: 187 frames with a hop of 256 samples at 16 kHz."""
EMOTIFY_LICENCE = "research only"
VALIDATION_GROUPS = 12
"""Choice: in the split `ship`, one in so many groups validates, by the hash of its name."""

Scores = npt.NDArray[np.float32]


def load(
    root: Path,
    vocabulary: str,
    folders: Sequence[str] = FOLDERS,
    sources: bool = True,
    listeners: bool = True,
    freely_licensed_only: bool = True,
    blanks: int = 0,
    blanks_folder: str = "runs/blanks",
    copies: int = 0,
    copies_folder: str = "runs/copies",
    copies_scores: str = "runs/peers",
) -> Dataset:
    """Return the tracks of the folders under `root` with the tags of a vocabulary (a path) as targets.

    With `sources` the words of every source follow the tags of the vocabulary, in groups named after the sources, such
    as "guitar (musicnn-mtat)": more to learn from and to compare with. Without `listeners` only the teachers' scores
    are used. With `freely_licensed_only` tracks of `free` whose column `may_ship` does not say yes are left out.
    `blanks` sounds that are no music (silence, noise, hum, tones; made in `blanks_folder`) are added, without any tag:
    one in five validates and the others train, in every split; none is in any figure of a test side. `copies` of every
    track train wherever all of their tracks do, with the teachers' scores of them: two at other speeds, and all further
    ones mixed with another track. Their files are in `copies_folder` and their scores in `copies_scores`; `make
    bench-peers` makes both. Choice: what listeners said of a track also holds at another speed, even "fast" and "slow",
    and is unknown for mixtures.

    The splits `fold-0` to `fold-4` share no artist (of emotify) and no source (of free) between their sides:
    `fold-k` tests on fold k, validates on fold (k + 1) mod 5, trains on the other three. `ship` trains on all but about
    one in twelve artists and sources, and tests on none.

    Raises DatasetError for a missing file or column, and for scores that do not fit their labels.
    """
    check_switches(sources=sources, listeners=listeners, freely_licensed_only=freely_licensed_only)
    if isinstance(folders, str) or not folders or any(folder not in FOLDERS for folder in folders):
        raise DatasetError(f"The option folders is {folders!r}; expected a list of {listed(FOLDERS)}.")
    words = read_vocabulary(Path(vocabulary))
    rows = {folder: _rows(root, folder, freely_licensed_only) for folder in folders}
    identifiers = {row.cells["track"] for table in rows.values() for row in table}
    taught = {name: teacher.read_scores(root / "teacher" / f"{name}.npz", identifiers) for name in TEACHERS}
    check_counts(blanks=blanks, copies=copies)
    heard = {
        row.cells["track"]: row.cells if folder == "emotify" and listeners else None
        for folder, table in rows.items()
        for row in table
    }
    targets = _targets(heard, words, taught, sources, listeners)
    tracks, fold_of = [], {}
    for folder, table in rows.items():
        absent = [row.cells["file"] for row in table if not (root / folder / row.cells["file"]).is_file()]
        if absent:
            raise DatasetError(
                f"{len(absent)} of the {len(table)} audio files that {root / folder / 'tracks.csv'} names are missing "
                f"({listed(absent)}). Bring them back, or take their rows out."
            )
        for row in table:
            track = row.cells["track"]
            windows = targets[track]
            licence = row.cells["licence"] if folder == "free" else EMOTIFY_LICENCE
            path = root / folder / row.cells["file"]
            tracks.append(DatasetTrack(track, path, windows.mean(), _group(row, folder), windows, licence))
            fold_of[track] = int(row.cells["fold"])
    names = len(tracks[0].targets)
    music = tuple(tracks)
    names_of = {track.identifier: copy_names(track.identifier, copies) for track in music}
    others: Mapping[str, str] = {}
    if copies:
        files = copy_files({track.identifier: track.path for track in music}, copies, Path(copies_folder))
        others = read_others(files, Path(copies_folder))
        said = {name: teacher.read_scores(Path(copies_scores) / TAGS_OF[name], files) for name in TEACHERS}
        of_copies = {
            copy: None if copy in others else heard[track] for track, copies_ in names_of.items() for copy in copies_
        }
        targets = _targets(of_copies, words, said, sources, listeners)
        for original in music:
            for copy in names_of[original.identifier]:
                windows = targets[copy]
                of_original = original.group, windows, original.licence, original.identifier
                tracks.append(DatasetTrack(copy, files[copy], windows.mean(), *of_original))
    blank_paths = blank_files(folder_below(Path(), "blanks_folder", blanks_folder), blanks)
    for path in blank_paths:
        nothing = WindowTargets(WINDOW_SECONDS, np.zeros((1, names), np.float32))
        tracks.append(DatasetTrack(path.stem, path, nothing.mean(), f"blanks/{path.stem}", nothing, "made by earmark"))
    tags = list(words.names)
    if sources:
        of_sources = {name: labels for name, (labels, _) in taught.items()} | (dict(LISTENERS) if listeners else {})
        tags += [TagName(f"{label} ({name})", name) for name, labels in of_sources.items() for label in labels]
    without = [path.stem for path in blank_paths]
    splits = [
        with_blanks(with_copies(split, names_of, others), without)
        for split in (*fold_splits(fold_of, emotify.FOLDS).values(), ship(music))
    ]
    return Dataset(
        name=NAME,
        licence=LICENCE,
        citation=CITATION,
        layout=LAYOUT,
        task="multi-label",
        tags=tuple(tags),
        tracks=tuple(tracks),
        splits={split.name: split for split in splits},
        positive_threshold=teacher.POSITIVE_THRESHOLD,
    )


def check(root: Path, folders: Sequence[str] = FOLDERS, freely_licensed_only: bool = True) -> Report:
    """Return which audio files of the folders' tracks.csv are found, missing, corrupt, and which audio is not in it."""
    files = [(folder, row.cells["file"]) for folder in folders for row in _rows(root, folder, freely_licensed_only)]
    return inspect_files({f"{folder}/{file}": root / folder / file for folder, file in files})


def _rows(root: Path, folder: str, freely_licensed_only: bool) -> tuple[CsvRow, ...]:
    table = root / folder / "tracks.csv"
    if not table.is_file():
        raise DatasetError(f"There is no {table}; the root of this dataset holds:\n{LAYOUT}")
    if folder == "free":
        rows = read_csv(table, ("track", "file", "fold", "source", "licence", "may_ship")).rows
        if freely_licensed_only:
            rows = tuple(row for row in rows if row.cells["may_ship"] == "yes")
    else:
        columns = ("track", "file", "fold", "artist", "genre", "mtat_tags", "mtat_split", *emotify.EMOTIONS)
        rows = read_csv(table, columns).rows
    for row in rows:
        if row.cells["fold"] not in {str(fold) for fold in range(emotify.FOLDS)}:
            raise DatasetError(f"Line {row.line} of {table} has {row.cells['fold']!r} as 'fold'; expected 0 to 4.")
    return rows


def _group(row: CsvRow, folder: str) -> str:
    return f"{folder}/{row.cells['source' if folder == 'free' else 'artist']}"


def _targets(
    cells_of: Mapping[str, Mapping[str, str] | None],
    words: Vocabulary,
    taught: Mapping[str, tuple[tuple[str, ...], Mapping[str, npt.NDArray[np.float16]]]],
    sources: bool,
    listeners: bool,
) -> dict[str, WindowTargets]:
    """Merge the targets of tracks: the vocabulary's tags, then, with `sources`, the sources' own.

    `cells_of` holds the row of Emotify's table of every track that listeners heard. All windows are merged at once,
    since two thousand tracks one after another take most of a minute.
    """
    by_source: dict[str, list[Scores]] = {name: [] for name in (*taught, *LISTENERS)}
    windows: list[int] = []
    for track, cells in cells_of.items():
        for name, (_, by_track) in taught.items():
            by_source[name].append(by_track[track].astype(np.float32))
        windows.append(len(by_source[TEACHERS[0]][-1]))
        for source, values in heard_by_listeners(cells).items():
            by_source[source].append(np.tile(np.array(values, np.float32), (windows[-1], 1)))
    scores = {name: np.concatenate(each) for name, each in by_source.items()}
    labels = {name: teacher_labels for name, (teacher_labels, _) in taught.items()} | dict(LISTENERS)
    merged = words.merge(scores, labels)
    own = [scores[name] for name in ((*taught, *LISTENERS) if listeners else taught)] if sources else []
    parts = np.split(np.concatenate([merged, *own], axis=1), np.cumsum(windows)[:-1])
    return {track: WindowTargets(WINDOW_SECONDS, part) for track, part in zip(cells_of, parts, strict=True)}


def with_blanks(split: Split, blanks: Sequence[str]) -> Split:
    """Return a split with sounds without music: one in five validates, the others train."""
    validating = tuple(blanks[::5])
    training = tuple(name for name in blanks if name not in validating)
    return Split(split.name, (*split.train, *training), (*split.valid, *validating), split.test)


def ship(tracks: Sequence[DatasetTrack]) -> Split:
    """Make the split `ship`: all groups train but one in `VALIDATION_GROUPS`, by the order of their hashed names."""
    groups = sorted({track.group for track in tracks}, key=lambda group: hashlib.sha256(group.encode()).digest())
    validating = frozenset(groups[::VALIDATION_GROUPS])
    sides: dict[bool, list[str]] = {True: [], False: []}
    for track in tracks:
        sides[track.group in validating].append(track.identifier)
    return Split("ship", tuple(sides[False]), tuple(sides[True]), ())
