"""Tracks that a vocabulary is taught on: what other taggers and listeners said of them, window by window."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.errors import DatasetError
from earmark.tagging.bundle.card import TagName
from earmark.training.datasets import emotify, teacher
from earmark.training.datasets.base import Dataset, Report, Split, Track
from earmark.training.datasets.blanks import blank_files
from earmark.training.datasets.copies import copy_files, copy_names, read_others, with_copies
from earmark.training.datasets.csv_file import CsvRow, read_csv
from earmark.training.datasets.folds import fold_splits
from earmark.training.datasets.inspection import inspect_files
from earmark.training.datasets.listeners import LISTENERS, heard_by_listeners
from earmark.training.datasets.nearest import listed
from earmark.training.datasets.options import check_counts, check_switches, folder_below
from earmark.training.datasets.vocabulary import Vocabulary, read_vocabulary
from earmark.training.datasets.windowed import WindowTargets

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
"""What `make bench-peers` writes of each teacher."""
WINDOW_SECONDS = 187 * 256 / 16_000
"""Of one row of a teacher's scores: 187 frames with a hop of 256 samples at 16 kHz."""
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
    as "guitar (musicnn-mtat)": more to learn from, and to compare with. Without `listeners` only the teachers are
    heard.
    With `freely_licensed_only` tracks of `free` whose column `may_ship` does not say yes are left out. `blanks` sounds
    that are no music (silence, noise, hum, tones; made in `blanks_folder`) are added, without any tag: one in five
    validates and the others train, in every split; none is in any figure of a test side. `copies` of every track, two
    at other speeds, all further ones mixed with another track, train wherever all that is in them does, on what the
    teachers say of them: files in `copies_folder`, scores in `copies_scores`, both made by `make bench-peers`. Choice:
    what listeners said of a track is taken to hold at another speed, "fast" and "slow" too, and to be unknown of
    mixtures.

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
            tracks.append(Track(track, path, windows.mean(), _group(row, folder), windows, licence))
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
                tracks.append(Track(copy, files[copy], windows.mean(), *of_original))
    blank_paths = blank_files(folder_below(Path(), "blanks_folder", blanks_folder), blanks)
    for path in blank_paths:
        nothing = WindowTargets(WINDOW_SECONDS, np.zeros((1, names), np.float32))
        tracks.append(Track(path.stem, path, nothing.mean(), f"blanks/{path.stem}", nothing, "made by earmark"))
    tags = list(words.names)
    if sources:
        of_sources = {name: labels for name, (labels, _) in taught.items()} | (dict(LISTENERS) if listeners else {})
        tags += [TagName(f"{label} ({name})", name) for name, labels in of_sources.items() for label in labels]
    without = [path.stem for path in blank_paths]
    splits = [
        _with_blanks(with_copies(split, names_of, others), without)
        for split in (*fold_splits(fold_of, emotify.FOLDS).values(), _ship(music))
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
    """The targets of tracks: the vocabulary's tags from all who know them, then, with `sources`, their own.

    `cells_of`: by track its row of emotify's table, where listeners heard it. All windows are merged at once: one
    track after the other takes most of a minute for two thousand.
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


def _with_blanks(split: Split, blanks: Sequence[str]) -> Split:
    validating = tuple(blanks[::5])
    training = tuple(name for name in blanks if name not in validating)
    return Split(split.name, (*split.train, *training), (*split.valid, *validating), split.test)


def _ship(tracks: Sequence[Track]) -> Split:
    """All groups but one in `VALIDATION_GROUPS`, by the order of their hashed names, train."""
    groups = sorted({track.group for track in tracks}, key=lambda group: hashlib.sha256(group.encode()).digest())
    validating = frozenset(groups[::VALIDATION_GROUPS])
    sides: dict[bool, list[str]] = {True: [], False: []}
    for track in tracks:
        sides[track.group in validating].append(track.identifier)
    return Split("ship", tuple(sides[False]), tuple(sides[True]), ())
