"""Tracks that a vocabulary is taught on by several teachers together, and by people where these said something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.errors import DatasetError
from earmark.tagging.bundle.card import TagName
from earmark.training.datasets import emotify, taught
from earmark.training.datasets.base import Dataset, DatasetTrack, Report, WindowTargets
from earmark.training.datasets.catalogue import inspect_files
from earmark.training.datasets.consensus import WINDOW_SECONDS, Consensus, TeacherScores, read_teacher, shares_on_grid
from earmark.training.datasets.csv_file import CsvRow, read_csv
from earmark.training.datasets.options import check_counts, check_switches, folder_below, listed
from earmark.training.datasets.splits import fold_splits
from earmark.training.datasets.vocabulary import Vocabulary, read_vocabulary

NAME = "consensus"
LICENCE = "Each track's own: see tracks.csv of each folder. Scores of teachers under MIT, ISC and Apache-2.0."
CITATION = f"{taught.CITATION} M. Won and others, 'Evaluation of CNN-based automatic music tagging models', 2020."
LAYOUT = """\
FOLDER/tracks.csv  UTF-8, a row a track: track, file, fold (0 to 4), and artist (of a folder emotify) or source;
                   where it is there, may_ship, and present and absent: tags that are certain, separated by ";"
FOLDER/*           the files that the column `file` names, relative to FOLDER
SCORES/NAME.npz    a teacher's scores, as `benchmarks/peers/score_tracks.py --pack` writes them"""

FOLDERS: Mapping[str, str] = {"emotify": "emotify", "free": "free"}
PEOPLE, CERTAIN = "people", "certain"
"""The groups of the columns that hold what people said in a tag's words, and what is known by how a sound was made."""
OTHER_SOUND = "other sound"
"""The group of tags that are no music's: `*` in a table stands for every tag but these."""
TOGETHER = "consensus"
"""The group of the columns that hold what the teachers say together, without people."""
PEOPLE_WEIGHT = 2 / 3
"""Choice: what people said of a track counts twice as much as its teachers do: it is one word for a whole track."""
LEAST_CERTAIN = 0.02
"""Choice: what is certain of a track still need not hold in each of its windows."""
POSITIVE_THRESHOLD = 0.2
"""Choice: as for single teachers, whose scores are low throughout."""

Values = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Row:
    """A line of a tracks.csv, and what people and the making of it say of the vocabulary's tags: (tags,) or NaN."""

    cells: Mapping[str, str]
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
    listeners: bool = True,
    freely_licensed_only: bool = True,
    blanks: int = 0,
    blanks_folder: str = "runs/blanks",
) -> Dataset:
    """Return the tracks of folders with the tags of a vocabulary (a path) as targets, in windows of three seconds.

    `folders` are paths, relative to the root or absolute, by the name that a group of tracks gets. `scores` is the
    folder of the teachers' files; a track has to be scored by at least one of the `teachers`. A tag is what the
    teachers say together (`consensus`), drawn towards what people said of the track, and replaced by what is certain.
    With `freely_licensed_only` tracks are left out whose column `may_ship` does not say yes. `blanks` sounds without
    music are added, as in the dataset `taught`.

    Behind the tags of the vocabulary follow columns to learn from and to compare with: what people said and what the
    teachers say in the same words, such as "guitar (people)" and "guitar (consensus)"; with `listeners` what listeners
    said in their own words, such as "sadness (emotify-emotions)"; and all labels of the teachers in `sources`.

    The splits are those of the dataset `taught`.

    Raises DatasetError for a missing file or column, an unknown tag, and a track without scores.
    """
    check_switches(freely_licensed_only=freely_licensed_only, listeners=listeners)
    check_counts(blanks=blanks)
    for name, value in (("teachers", teachers), ("sources", sources)):
        if isinstance(value, str) or (name == "teachers" and not value) or set(value) - set(teachers):
            raise DatasetError(f"The option {name} is {value!r}; expected a list of teachers, of {listed(teachers)}.")
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
    folds = {track.identifier: int(by_track[track.identifier].cells["fold"]) for track in music}
    without = [path.stem for path in blank_paths]
    splits = [
        taught.with_blanks(split, without)
        for split in (*fold_splits(folds, emotify.FOLDS).values(), taught.ship(music))
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
    )


def check(root: Path, folders: Mapping[str, str] = FOLDERS) -> Report:
    """Return which audio files of the folders' tracks.csv are found, missing, corrupt, and which audio is not in it."""
    files = [
        (name, folder, row.cells["file"])
        for name, folder in folders.items()
        for row in read_csv(root / folder / "tracks.csv", ("track", "file")).rows
    ]
    return inspect_files({f"{name}/{file}": root / folder / file for name, folder, file in files})


def _rows(root: Path, folders: Mapping[str, str], words: Vocabulary, freely_licensed_only: bool) -> list[_Row]:
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
            group = f"{name}/{cells['artist'] if is_emotify else cells.get('group', cells['source'])}"
            licence = taught.EMOTIFY_LICENCE if is_emotify else cells.get("licence", "")
            people = said_by_people(words, cells if is_emotify else None)
            found.append(_Row(cells, place, group, licence, people, _certain(words, row, place)))
    return found


def said_by_people(words: Vocabulary, cells: Mapping[str, str] | None) -> Values:
    """Merge what listeners and publishers said of a track of Emotify into a vocabulary's tags: (tags,), NaN if unknown.

    A tag that several sources know has the mean of them; a tag that the genre denies is absent.
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


def _certain(words: Vocabulary, row: CsvRow, place: Path) -> Values:
    """Read the tags that are certain of a track, and everything that follows from them: (tags,) 1, 0 or NaN."""
    certain = np.full(len(words.tags), np.nan, np.float32)
    labels = [tag.label for tag in words.tags]
    for column, value in (("absent", 0.0), ("present", 1.0)):
        named = [word.strip() for word in row.cells.get(column, "").split(";") if word.strip()]
        if "*" in named:
            certain[[tag.group != OTHER_SOUND for tag in words.tags]] = value
        for word in named:
            if word == "*":
                continue
            label = words.label_of(word)
            if label is None:
                raise DatasetError(
                    f"Line {row.line} of {place / 'tracks.csv'} names {word!r} as {column}, which is no tag of the "
                    f"vocabulary {words.name}."
                )
            for each in (label, *(words.ancestors(label) if value else ())):
                certain[labels.index(each)] = value
    return certain


def _read_known(path: Path, wanted: Mapping[str, object]) -> TeacherScores:
    """Read those tracks of a teacher's file that are wanted."""
    return read_teacher(path, only=frozenset(wanted))


def _targets(
    row: _Row,
    together: Consensus,
    heard: Mapping[str, TeacherScores],
    people: Sequence[int],
    sources: Sequence[str],
    listeners: bool,
) -> WindowTargets:
    """Put the targets of a track together, in the order of the dataset's columns."""
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


def _track(row: _Row, windows: WindowTargets) -> DatasetTrack:
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
