"""Tracks whose targets are the merged scores of several teachers, and the annotations of people where there are any."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.errors import DatasetError
from earmark.tagging.bundle.card import TagName
from earmark.training.datasets import emotify, taught
from earmark.training.datasets.annotated import SEPARATOR, targets_of_row
from earmark.training.datasets.base import Dataset, DatasetTrack, Report, Split, WindowTargets
from earmark.training.datasets.catalogue import inspect_files
from earmark.training.datasets.consensus import WINDOW_SECONDS, Consensus, TeacherScores, read_teacher, shares_on_grid
from earmark.training.datasets.csv_file import read_csv
from earmark.training.datasets.options import check_counts, check_switches, folder_below, listed
from earmark.training.datasets.splits import fold_splits
from earmark.training.datasets.vocabulary import Vocabulary, read_vocabulary

NAME = "consensus"
LICENCE = "Each track's own: see tracks.csv of each folder. Scores of teachers under MIT, ISC and Apache-2.0."
CITATION = f"{taught.CITATION} M. Won and others, 'Evaluation of CNN-based automatic music tagging models', 2020."
LAYOUT = """\
FOLDER/tracks.csv  UTF-8, a row for each track: track, file, fold (0 to 4), and artist (in a folder emotify) or source;
                   optionally may_ship, and present and absent: tags that are certain, separated by ";"
FOLDER/*           the files that the column `file` names, relative to FOLDER
SCORES/NAME.npz    a teacher's scores, as `benchmarks/peers/score_tracks.py --pack` writes them"""

FOLDERS: Mapping[str, str] = {"emotify": "emotify", "free": "free"}
PEOPLE = "people"
"""The group of the columns that hold the annotations of people."""
TOGETHER = "consensus"
"""The group of the columns that hold the merged scores of the teachers, without annotations of people."""
PEOPLE_WEIGHT = 2 / 3
"""Choice: the annotation of a track by people counts twice as much as the scores of its teachers."""
LEAST_CERTAIN = 0.02
"""Choice: how far certain targets lie from 0 and 1, because a tag of a track need not hold in every window."""
POSITIVE_THRESHOLD = 0.2
"""Choice: the same threshold as for single teachers, because all of their scores are low."""

Values = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _TrackRow:
    """A row of a tracks.csv with its targets by people, and those that are certain.

    Both are (tags,) in 0..1, NaN where unknown.
    """

    cells: Mapping[str, str]
    name: str
    folder: Path
    group: str
    licence: str
    people: Values
    certain: Values


def load(
    root: Path,
    vocabulary: str,
    teachers: Sequence[str],
    scores: str,
    folders: Mapping[str, str] = FOLDERS,
    sources: Sequence[str] = (),
    training_only: Sequence[str] = (),
    listeners: bool = True,
    freely_licensed_only: bool = True,
    blanks: int = 0,
    blanks_folder: str = "runs/blanks",
) -> Dataset:
    """Return the tracks of folders with the tags of a vocabulary (a path) as targets, in windows of three seconds.

    `folders` maps the name of each group of tracks to a path, relative to the root or absolute. `scores` is the folder
    of the teachers' files. Each track must be scored by at least one of the `teachers`. A target is the merged score of
    the teachers (`consensus`), moved towards the annotations of people, and replaced where it is certain.
    `freely_licensed_only` leaves out tracks whose column `may_ship` is not yes. `blanks` is the number of added sounds
    without music, as in the dataset `taught`.

    The tags of the vocabulary are followed by columns to learn from and to compare with: the annotations of people and
    the merged scores of the teachers, such as "guitar (people)" and "guitar (consensus)"; with `listeners` the
    listeners' own labels, such as "sadness (emotify-emotions)"; and all labels of the teachers in `sources`.

    The splits are those of the dataset `taught`. The tracks of the folders in `training_only` train in every split,
    but for mixtures of which a part is on another side, which are on none.

    Raises DatasetError for a missing file or column, an unknown tag, and a track without scores.
    """
    check_switches(freely_licensed_only=freely_licensed_only, listeners=listeners)
    check_counts(blanks=blanks)
    for name, value in (("teachers", teachers), ("sources", sources)):
        if isinstance(value, str) or (name == "teachers" and not value) or set(value) - set(teachers):
            raise DatasetError(f"The option {name} is {value!r}; expected a list of teachers, of {listed(teachers)}.")
    if isinstance(training_only, str) or set(training_only) - set(folders):
        raise DatasetError(f"The option training_only is {training_only!r}; expected folders, of {listed(folders)}.")
    words = read_vocabulary(Path(vocabulary))
    rows = _rows(root, folders, words, freely_licensed_only)
    by_track = {row.cells["track"]: row for row in rows}
    if len(by_track) < len(rows):
        raise DatasetError(f"{len(rows) - len(by_track)} tracks of {listed(folders)} share a name with another.")
    heard = {name: _read_known(Path(scores) / f"{name}.npz", by_track) for name in teachers}
    complete = [track for track in by_track if all(track in each.scores for each in heard.values())]
    together = Consensus(words, heard, complete)
    people = [place for place, tag in enumerate(words.tags) if any(np.isfinite(row.people[place]) for row in rows)]
    tracks = [_track(row, _targets(row, together, heard, people, sources, listeners)) for row in by_track.values()]
    tags = [
        *words.names,
        *(TagName(f"{words.tags[place].label} ({PEOPLE})", PEOPLE) for place in people),
        *(TagName(f"{words.tags[place].label} ({TOGETHER})", TOGETHER) for place in people),
        *(
            TagName(f"{label} ({name})", name)
            for name, labels in taught.LISTENERS.items()
            if listeners
            for label in labels
        ),
        *(TagName(f"{label} ({name})", name) for name in sources for label in heard[name].labels),
    ]
    music = tuple(tracks)
    blank_paths = taught.blank_files(folder_below(Path(), "blanks_folder", blanks_folder), blanks)
    for path in blank_paths:
        windows = WindowTargets(WINDOW_SECONDS, _blank_targets(path, words, len(tags)))
        tracks.append(DatasetTrack(path.stem, path, windows.mean(), f"blanks/{path.stem}", windows, "made by earmark"))
    added = [row for row in rows if row.name in training_only]
    names_added = {row.cells["track"] for row in added}
    shared = [track for track in music if track.identifier not in names_added]
    folds = {track.identifier: int(by_track[track.identifier].cells["fold"]) for track in shared}
    without = [path.stem for path in blank_paths]
    splits = [
        _with_added(taught.with_blanks(split, without), added)
        for split in (*fold_splits(folds, emotify.FOLDS).values(), taught.ship(shared))
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
        positive_threshold=POSITIVE_THRESHOLD,
        truth="teachers",
        people={"listeners": _listeners(rows, len(tags))},
    )


def check(root: Path, folders: Mapping[str, str] = FOLDERS, freely_licensed_only: bool = True) -> Report:
    """Return which audio files of the folders' tracks.csv are found, missing, corrupt, and which audio is not in it."""
    files = {
        f"{name}/{row.cells['file']}": folder_below(root, "folders", folder) / row.cells["file"]
        for name, folder in folders.items()
        for row in read_csv(folder_below(root, "folders", folder) / "tracks.csv", ("track", "file")).rows
        if not freely_licensed_only or row.cells.get("may_ship", "yes") == "yes"
    }
    return inspect_files(files)


def _rows(root: Path, folders: Mapping[str, str], words: Vocabulary, freely_licensed_only: bool) -> list[_TrackRow]:
    """Read the tables of all folders."""
    if not isinstance(folders, Mapping) or not folders:
        raise DatasetError(f"The option folders is {folders!r}; expected a table of paths by name.")
    found = []
    for name, folder in folders.items():
        place = folder_below(root, "folders", folder)
        if not (place / "tracks.csv").is_file():
            raise DatasetError(f"There is no {place / 'tracks.csv'}; this dataset holds:\n{LAYOUT}")
        table = read_csv(place / "tracks.csv", ("track", "file", "fold"))
        for row in table.rows:
            cells = row.cells
            if freely_licensed_only and cells.get("may_ship", "yes") != "yes":
                continue
            if cells["fold"] not in {str(fold) for fold in range(emotify.FOLDS)}:
                raise DatasetError(
                    f"Line {row.line} of {place / 'tracks.csv'} has {cells['fold']!r} as 'fold'; expected 0 to 4."
                )
            if not (place / cells["file"]).is_file():
                raise DatasetError(
                    f"There is no {place / cells['file']}, which line {row.line} of its tracks.csv names."
                )
            is_emotify = "genre" in cells and "mtat_tags" in cells
            group = f"{name}/{cells['artist'] if is_emotify else cells.get('group', cells.get('source'))}"
            if not is_emotify and not {"group", "source"} & cells.keys():
                raise DatasetError(f"{place / 'tracks.csv'} has neither the column group nor the column source.")
            licence = taught.EMOTIFY_LICENCE if is_emotify else cells.get("licence", "")
            people = said_by_people(words, cells if is_emotify else None)
            certain = np.array(targets_of_row(row, place / "tracks.csv", words), np.float32)
            found.append(_TrackRow(cells, name, place, group, licence, people, certain))
    return found


def said_by_people(words: Vocabulary, cells: Mapping[str, str] | None) -> Values:
    """Merge the annotations of a track of Emotify by listeners and publishers: (tags,) in 0..1, NaN where unknown.

    A tag that several sources annotate gets their mean. A tag that the genre denies is absent.
    """
    said = taught.heard_by_listeners(cells)
    scores = {source: np.array([values], np.float32) for source, values in said.items()}
    merged = np.full(len(words.tags), np.nan, np.float32)
    for column, tag in enumerate(words.tags):
        known = [
            words.said_by(tag, source, scores, dict(taught.LISTENERS))[0]
            for source in words.sources_of(tag)
            if source in scores
        ]
        known = [value for value in known if not np.isnan(value)]
        if known:
            merged[column] = np.mean(known)
    for source, denied in words.denials.items():
        for label, tags in denied.items():
            if said[source][taught.LISTENERS[source].index(label)] == 1:
                places = [column for column, tag in enumerate(words.tags) if tag.label in tags]
                merged[[column for column in places if np.isnan(merged[column])]] = 0
    return merged


def _with_added(split: Split, rows: Sequence[_TrackRow]) -> Split:
    """Add the rows that only train to the training side, but for those with a part that is not on it."""
    training = frozenset(split.train)
    added = [
        row.cells["track"]
        for row in rows
        if training.issuperset(part for part in row.cells.get("parts", "").split(SEPARATOR) if part)
    ]
    return Split(split.name, (*split.train, *added), split.valid, split.test)


def _listeners(rows: Sequence[_TrackRow], columns: int) -> dict[str, tuple[float, ...]]:
    """Return what people said of the tracks on which they said anything, one value for each column; NaN if unknown."""
    rest = (math.nan,) * (columns - len(rows[0].people))
    return {
        row.cells["track"]: (*(math.nan if math.isnan(value) else value for value in row.people.tolist()), *rest)
        for row in rows
        if np.isfinite(row.people).any()
    }


def _read_known(path: Path, wanted: Mapping[str, object]) -> TeacherScores:
    """Read the scores of the wanted tracks from the file of a teacher."""
    return read_teacher(path, only=frozenset(wanted))


def _targets(
    row: _TrackRow,
    together: Consensus,
    heard: Mapping[str, TeacherScores],
    people: Sequence[int],
    sources: Sequence[str],
    listeners: bool,
) -> WindowTargets:
    """Join the targets of a track in the order of the dataset's columns."""
    track = row.cells["track"]
    said = together.averaged(track, "log odds").astype(np.float32)
    windows = len(said)
    tags = np.where(np.isnan(row.people), said, (1 - PEOPLE_WEIGHT) * said + PEOPLE_WEIGHT * row.people)
    tags = np.where(np.isnan(said) & ~np.isnan(row.people), row.people, tags)
    tags = np.where(np.isnan(row.certain), tags, np.clip(row.certain, LEAST_CERTAIN, 1 - LEAST_CERTAIN))
    parts = [tags, np.tile(row.people[people], (windows, 1)), said[:, people]]
    if listeners:
        is_emotify = "mtat_tags" in row.cells
        said_in_own_words = taught.heard_by_listeners(row.cells if is_emotify else None).values()
        parts += [np.tile(np.array(values, np.float32), (windows, 1)) for values in said_in_own_words]
    for name in sources:
        teacher = heard[name]
        if track in teacher.scores:
            share = shares_on_grid(teacher.starts[track], teacher.window_seconds, windows)
            parts.append(np.clip(share @ teacher.scores[track], 0, 1))
        else:
            parts.append(np.full((windows, len(teacher.labels)), np.nan))
    return WindowTargets(WINDOW_SECONDS, np.concatenate(parts, axis=1).astype(np.float32))


def _track(row: _TrackRow, windows: WindowTargets) -> DatasetTrack:
    path = row.folder / row.cells["file"]
    return DatasetTrack(row.cells["track"], path, windows.mean(), row.group, windows, row.licence)


def _blank_targets(path: Path, words: Vocabulary, columns: int) -> Values:
    """Return the targets of a sound without music: its own kind is certain, every other tag is absent."""
    values = np.full((1, columns), np.nan, np.float32)
    values[:, : len(words.tags)] = LEAST_CERTAIN
    kind = path.stem.partition("-")[2]
    label = words.label_of("silence" if kind == "silence" else "noise")
    if label is not None:
        place = [tag.label for tag in words.tags].index(label)
        values[:, place] = 1 - LEAST_CERTAIN if kind in ("silence", "noise", "hum") else 0.5
    return values
