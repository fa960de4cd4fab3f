"""Tracks with the scores of published taggers as targets: what a student learns from, where labels cannot be had."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.errors import DatasetError
from earmark.tagging.bundle.card import TagName
from earmark.training.datasets.base import Dataset, DatasetTrack, Report
from earmark.training.datasets.catalogue import inspect_files
from earmark.training.datasets.csv_file import CsvRow, read_csv
from earmark.training.datasets.options import check_switches, listed
from earmark.training.datasets.splits import fold_splits

NAME = "teacher"
LICENCE = "Each track's own, in its tracks.csv; scores of musicnn under ISC."
CITATION = "J. Pons, X. Serra, 'musicnn: pre-trained convolutional neural networks for music audio tagging', 2019."
LAYOUT = """\
FOLDER/tracks.csv   UTF-8, a row a track: track, file, fold (0 to 4), and the column `group_by` names; may_ship
FOLDER/*            the files that the column `file` names, relative to FOLDER
teacher/NAME.npz    a teacher's scores: `labels`, its tags in order, and by track (windows, tags) in 0..1"""

FOLDS = 5
POSITIVE_THRESHOLD = 0.2
"""Choice: the least mean score of a track that counts as positive; a teacher's scores are low throughout."""

Scores = npt.NDArray[np.float16]


def load(
    root: Path,
    folder: str = "free",
    group_by: str = "source",
    teachers: Sequence[str] = ("musicnn-mtat", "musicnn-msd"),
    may_ship_only: bool = True,
) -> Dataset:
    """Return the tracks of one folder under `root`, with each teacher's mean score over a track's windows as targets.

    Tags are named after the teacher too, such as "guitar (musicnn-mtat)", and grouped by teacher. With
    `may_ship_only` only tracks whose column `may_ship` says yes are taken. The splits `fold-0` to `fold-4` share no
    group between their sides: `fold-k` tests on fold k, validates on fold (k + 1) mod 5, trains on the other three.

    Raises DatasetError for a missing file or column, scores that do not fit their labels, and a track without scores.
    """
    check_switches(may_ship_only=may_ship_only)
    if isinstance(teachers, str) or not teachers:
        raise DatasetError(f"The option teachers is {teachers!r}; expected a list of names, such as ['musicnn-mtat'].")
    rows = _rows(root, folder, group_by, *(["may_ship"] if may_ship_only else []))
    if may_ship_only:
        rows = tuple(row for row in rows if row.cells["may_ship"] == "yes")
    if not rows:
        raise DatasetError(
            f"No row of {root / folder / 'tracks.csv'} says yes in the column may_ship. Mark some tracks, or take all "
            "with the option may_ship_only = false."
        )
    absent = [row.cells["file"] for row in rows if not (root / folder / row.cells["file"]).is_file()]
    if absent:
        raise DatasetError(
            f"{len(absent)} of the {len(rows)} audio files that {root / folder / 'tracks.csv'} names are missing "
            f"({listed(absent)}). Bring them back, or take their rows out."
        )
    tags: list[TagName] = []
    targets: dict[str, list[float]] = {row.cells["track"]: [] for row in rows}
    for teacher in teachers:
        labels, scores = read_scores(root / "teacher" / f"{teacher}.npz", targets)
        tags += [TagName(f"{label} ({teacher})", teacher) for label in labels]
        for track, windows in scores.items():
            targets[track] += windows.mean(axis=0, dtype=np.float64).tolist()
    tracks = tuple(
        DatasetTrack(
            row.cells["track"],
            root / folder / row.cells["file"],
            tuple(targets[row.cells["track"]]),
            row.cells[group_by],
        )
        for row in rows
    )
    fold_of = {row.cells["track"]: int(row.cells["fold"]) for row in rows}
    return Dataset(
        name=NAME,
        licence=LICENCE,
        citation=CITATION,
        layout=LAYOUT,
        task="multi-label",
        tags=tuple(tags),
        tracks=tracks,
        splits=fold_splits(fold_of, FOLDS),
        positive_threshold=POSITIVE_THRESHOLD,
    )


def check(root: Path, folder: str = "free", group_by: str = "source") -> Report:
    """Return which audio files of the folder's tracks.csv are found, missing, corrupt, and which audio is not in it."""
    files = [row.cells["file"] for row in _rows(root, folder, group_by)]
    return inspect_files({file: root / folder / file for file in files})


def _rows(root: Path, folder: str, *columns: str) -> tuple[CsvRow, ...]:
    table = root / folder / "tracks.csv"
    if not table.is_file():
        raise DatasetError(f"There is no {table}; the root of a teacher's dataset holds:\n{LAYOUT}")
    rows = read_csv(table, ("track", "file", "fold", *columns)).rows
    for row in rows:
        if row.cells["fold"] not in {str(fold) for fold in range(FOLDS)}:
            raise DatasetError(
                f"Line {row.line} of {table} has {row.cells['fold']!r} as 'fold'; expected 0 to {FOLDS - 1}."
            )
    return rows


def read_scores(path: Path, tracks: Collection[str]) -> tuple[tuple[str, ...], dict[str, Scores]]:
    """Return a teacher's labels and its scores of some tracks, (windows, tags) each."""
    try:
        # numpy returns an array instead of an archive for a file of one array.
        if not zipfile.is_zipfile(path):
            raise ValueError("no archive of arrays")
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in ("labels", *tracks) if name not in archive.files]
            if missing:
                raise DatasetError(f"{path} has no scores of {len(missing)} tracks ({listed(missing)}).")
            labels = tuple(str(label) for label in archive["labels"])
            scores = {track: archive[track] for track in tracks}
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(f"{path} cannot be read as scores ({error}); expected:\n{LAYOUT}") from error
    for track, windows in scores.items():
        fits = windows.ndim == 2 and windows.shape[1] == len(labels) and len(windows) > 0
        if not fits or not ((windows >= 0) & (windows <= 1)).all():
            raise DatasetError(
                f"{path}: the scores of track {track!r} have the shape {windows.shape}; expected at least one window "
                f"of {len(labels)} numbers in 0..1."
            )
    return labels, scores
