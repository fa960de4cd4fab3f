"""Load the Million Song Dataset: 7digital's previews with the 50 most used tags of Last.fm, and the authors' split.

The previews can no longer be downloaded, so only those who have them can use this dataset. Some previews are empty;
they are left out, and `left_out` names them.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from earmark.errors import DatasetError
from earmark.tagging.bundle.card import TagName
from earmark.training.datasets.base import Dataset, DatasetTrack, Report, Split
from earmark.training.datasets.catalogue import Catalogue
from earmark.training.datasets.csv_file import read_lines
from earmark.training.datasets.options import (
    check_counts,
    check_root,
    check_switches,
    did_you_mean,
    folder_below,
    listed,
)
from earmark.training.datasets.restricted_pickle import PickledArray, read_pickle
from earmark.training.datasets.splits import OfficialSide, OfficialSplit

SUFFIXES = (".cP", ".pkl", ".txt")
MSD_IDENTIFIER = re.compile(r"TR[A-Z]{5}[0-9A-F]{11}")
"""The form of Million Song identifiers."""


def find_list(folder: Path, stem: str) -> Path | None:
    """Return the path of a list, pickled or as text; None where it does not exist."""
    return next((path for path in (folder / (stem + suffix) for suffix in SUFFIXES) if path.is_file()), None)


def read_msd_list(path: Path) -> tuple[str, ...]:
    """Return the Million Song identifiers of a list, in its order.

    Raises:
        DatasetError: the file is not a list, is empty, or has other names than such identifiers.
    """
    content = read_lines(path) if path.suffix == ".txt" else read_pickle(path)
    if isinstance(content, PickledArray):
        content = [name.decode("latin1") if isinstance(name, bytes) else name for name in content.values.tolist()]
    if not isinstance(content, list | tuple) or not content:
        raise DatasetError(f"{path} holds {type(content).__name__}; expected a list of Million Song identifiers.")
    strange = [name for name in content if not (isinstance(name, str) and MSD_IDENTIFIER.fullmatch(name))]
    if strange:
        raise DatasetError(
            f"{path} holds {len(strange)} names that are no Million Song identifiers, such as 'TRAAAAW128F429D538': "
            f"{listed(map(str, strange))}."
        )
    return tuple(content)


TO_7DIGITAL = "MSD_id_to_7D_id.pkl"
TO_PATH = "7D_id_to_path.pkl"
PREVIEW = re.compile(r"\d+\.clip\.mp3|TR[A-Z]{5}[0-9A-F]{11}\.mp3")
"""The form of a preview's file name."""


def preview_paths(root: Path, audio: Path, identifiers: Iterable[str]) -> dict[str, Path]:
    """Return the path of each track's preview, whether it exists or not.

    The pickles `MSD_id_to_7D_id.pkl` and `7D_id_to_path.pkl` give paths such as `audio`/8/9/8947470.clip.mp3. Tracks
    that are not in them have paths such as `audio`/A/B/C/TRABC….mp3, the layout of the Million Song Dataset.

    Raises:
        DatasetError: one of the pickles is missing, or does not hold names.
    """
    there = [name for name in (TO_7DIGITAL, TO_PATH) if (root / name).is_file()]
    if len(there) == 1:
        raise DatasetError(f"{root} holds {there[0]} but not both of {TO_7DIGITAL} and {TO_PATH}; bring the other.")
    to_7digital = _mapping(root / TO_7DIGITAL) if there else {}
    to_path = _mapping(root / TO_PATH) if there else {}
    paths = {}
    for identifier in identifiers:
        inside = to_path.get(to_7digital.get(identifier, ""))
        own = "/".join((*identifier[2:5], f"{identifier}.mp3"))
        paths[identifier] = audio / (inside if inside is not None else own)
    return paths


def _mapping(path: Path) -> Mapping[str, str]:
    content = read_pickle(path)
    if not isinstance(content, dict) or not content:
        raise DatasetError(f"{path} holds {type(content).__name__}; expected a dict of names.")
    mapping = {str(key): str(value) for key, value in content.items()}
    outside = [value for value in mapping.values() if value.startswith("/") or ".." in Path(value).parts]
    if outside:
        raise DatasetError(f"{path} holds {outside[0]!r}, a path outside the folder of the previews.")
    return mapping


NAME = "million_song"
LICENCE = "Last.fm tags: for research, non-commercial. Audio: 7digital's previews, which may not be passed on."
CITATION = (
    "T. Bertin-Mahieux, D. P. W. Ellis, B. Whitman, P. Lamere, 'The Million Song Dataset', ISMIR 2011; "
    "tags: the Last.fm dataset, in collaboration with the Million Song Dataset."
)
LAYOUT = """\
filtered_list_train.cP       the authors' list: the first 201 680 train, the rest (11 774) valid; .txt will do
filtered_list_test.cP        28 435 test; .txt, an identifier a line, will do
msd_id_to_tag_vector.cP      tags: identifier -> 50 values, in the order of
50tagList.txt                  its 50 tag names, a name a line
lastfm_tags.db               or the tags from Last.fm's SQLite file, in place of the two above
MSD_id_to_7D_id.pkl          identifier -> 7digital's
7D_id_to_path.pkl            7digital's -> path below audio/
audio/8/9/8947470.clip.mp3   the previews (or the option audio_folder); without the pickles audio/A/B/C/TRABC….mp3"""

TAGS = (
    *("rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s", "alternative rock"),
    *("jazz", "beautiful", "metal", "chillout", "male vocalists", "classic rock", "soul", "indie rock", "Mellow"),
    *("electronica", "80s", "folk", "90s", "chill", "instrumental", "punk", "oldies", "blues", "hard rock", "ambient"),
    *("acoustic", "experimental", "female vocalist", "guitar", "Hip-Hop", "70s", "party", "country", "easy listening"),
    *("sexy", "catchy", "funk", "electro", "heavy metal", "Progressive rock", "60s", "rnb", "indie pop", "sad"),
    *("House", "happy"),
)
SPLIT = "msd-lee"
TRAIN_COUNT = 201_680
OFFICIAL: Mapping[str, OfficialSplit] = {
    SPLIT: OfficialSplit(
        {
            "train": OfficialSide(TRAIN_COUNT),
            "valid": OfficialSide(11_774),
            "test": OfficialSide(28_435, "f9b6c9d4ab3e4fbebb75c6504648522a559e8fa9fab56b2d445b928ae9d46998"),
        }
    )
}

TagSource = Literal["pickles", "sqlite"]
_VECTORS, _NAMES, _DATABASE = "msd_id_to_tag_vector.cP", "50tagList.txt", "lastfm_tags.db"


def load(
    root: Path,
    tags_from: TagSource | None = None,
    value_above: int = 50,
    train_count: int = TRAIN_COUNT,
    audio_folder: str | Path = "audio",
    allow_missing: bool = False,
    verify: bool = False,
) -> Dataset:
    """Load the previews under `root` with 50 tags, and the authors' split `msd-lee`.

    Tracks are named by their Million Song identifiers. Each is its own group, because the authors' split has artists on
    two sides. Empty previews are left out, and `left_out` names them.

    Args:
        root: the folder of the dataset (`LAYOUT`).
        tags_from: `pickles` (the authors' vectors) or `sqlite` (Last.fm's file); without it the first that exists.
        value_above: a tag of the SQLite file counts where its value (0 to 100) is above this (Choice: 50, the value
            that the makers of the split state).
        train_count: the number of tracks of the training list that train; the others validate.
        audio_folder: the folder of the previews.
        allow_missing: leave out absent previews too.
        verify: require the official lists.

    Raises:
        DatasetError: lists or tags are missing, a pickle holds more than plain data, the tag names are not these 50, a
            track has no tags, or audio is missing.
    """
    check_switches(allow_missing=allow_missing, verify=verify)
    catalogue = _catalogue(root, tags_from, value_above, train_count, audio_folder)
    if verify:
        catalogue.verify()
    present = catalogue.present(allow_missing=allow_missing)
    return Dataset(
        name=NAME,
        licence=LICENCE,
        citation=CITATION,
        layout=LAYOUT,
        task="multi-label",
        tags=tuple(TagName(label, "tags") for label in TAGS),
        tracks=present.tracks,
        splits=present.splits,
        left_out=present.left_out,
    )


def check(
    root: Path,
    tags_from: TagSource | None = None,
    value_above: int = 50,
    train_count: int = TRAIN_COUNT,
    audio_folder: str | Path = "audio",
) -> Report:
    """Report which previews are found, missing, corrupt or unexpected, and compare the split with the official one."""
    return _catalogue(root, tags_from, value_above, train_count, audio_folder).report()


def _catalogue(
    root: Path, tags_from: TagSource | None, value_above: int, train_count: int, audio_folder: str | Path
) -> Catalogue:
    check_counts(value_above=value_above, train_count=train_count)
    check_root(root, "the Million Song Dataset", LAYOUT, ".")
    audio = folder_below(root, "audio_folder", audio_folder)
    learnt, test = (_list(root, f"filtered_list_{side}") for side in ("train", "test"))
    if len(learnt) <= train_count:
        raise DatasetError(
            f"The list filtered_list_train in {root} holds {len(learnt)} tracks, of which the first {train_count} "
            "train; that leaves none to validate on. Bring the authors' list (213 454 tracks), or set the option "
            "train_count."
        )
    identifiers = (*learnt, *test)
    targets = _targets(root, tags_from, value_above, identifiers)
    untagged = [name for name in identifiers if name not in targets]
    if untagged:
        raise DatasetError(
            f"{len(untagged)} of the {len(identifiers)} tracks listed in {root} have no tags there "
            f"({listed(untagged)}); bring tags and lists of one origin."
        )
    paths = preview_paths(root, audio, identifiers)
    return Catalogue(
        name=NAME,
        root=root,
        tracks=tuple(DatasetTrack(name, paths[name], targets[name], name) for name in dict.fromkeys(identifiers)),
        splits={SPLIT: Split(SPLIT, learnt[:train_count], learnt[train_count:], test)},
        official=OFFICIAL,
        empty_is_known=True,
        others=PREVIEW,
    )


def _list(root: Path, stem: str) -> tuple[str, ...]:
    path = find_list(root, stem)
    if path is None:
        raise DatasetError(
            f"{root} holds no {stem}.cP (or .txt); the root of the Million Song Dataset with Last.fm's tags "
            f"holds:\n{LAYOUT}"
        )
    return read_msd_list(path)


def _targets(
    root: Path, tags_from: TagSource | None, value_above: int, identifiers: Sequence[str]
) -> Mapping[str, tuple[float, ...]]:
    if tags_from is not None and tags_from not in get_args(TagSource):
        raise DatasetError(f"The option tags_from is {tags_from!r}; expected {listed(get_args(TagSource))}.")
    if tags_from != "sqlite" and (root / _VECTORS).is_file():
        return _targets_of_vectors(root, identifiers)
    if tags_from != "pickles" and (root / _DATABASE).is_file():
        return _targets_of_database(root / _DATABASE, value_above, identifiers)
    wanted = {"pickles": _VECTORS, "sqlite": _DATABASE, None: f"{_VECTORS} nor {_DATABASE}"}[tags_from]
    raise DatasetError(f"{root} holds no tags: there is no {wanted}. The root holds:\n{LAYOUT}")


def _targets_of_vectors(root: Path, identifiers: Sequence[str]) -> dict[str, tuple[float, ...]]:
    names = read_lines(root / _NAMES)
    if sorted(names) != sorted(TAGS):
        absent = [label for label in TAGS if label not in names]
        strange = [name for name in names if name not in TAGS] or absent
        raise DatasetError(
            f"{root / _NAMES} holds {len(names)} names that are not the 50 tags expected, such as {listed(strange)}."
            f"{did_you_mean(strange[0], absent) if strange else ''} "
            "A name a line is expected, in the order of the vectors."
        )
    order = [names.index(label) for label in TAGS]
    vectors = read_pickle(root / _VECTORS)
    if not isinstance(vectors, dict):
        raise DatasetError(f"{root / _VECTORS} holds {type(vectors).__name__}; expected a dict of tag vectors.")
    targets = {}
    for name in identifiers:
        if name in vectors:
            values = vectors[name]
            flat = np.asarray(values.values if isinstance(values, PickledArray) else values).reshape(-1)
            if flat.shape != (len(TAGS),) or not np.isin(flat, (0, 1)).all():
                raise DatasetError(
                    f"{root / _VECTORS} has {flat.size} values for {name}; expected 50, "
                    "each 0 or 1. Bring the original."
                )
            targets[name] = tuple(float(flat[place]) for place in order)
    return targets


def _targets_of_database(path: Path, value_above: int, identifiers: Sequence[str]) -> dict[str, tuple[float, ...]]:
    place_of = {label: place for place, label in enumerate(TAGS)}
    marks = ", ".join("?" * len(TAGS))
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        try:
            known = {row[0] for row in connection.execute("SELECT tid FROM tids")}
            rows = connection.execute(
                "SELECT tids.tid, tags.tag FROM tid_tag JOIN tids ON tid_tag.tid = tids.ROWID "
                f"JOIN tags ON tid_tag.tag = tags.ROWID WHERE tid_tag.val > ? AND tags.tag IN ({marks})",
                (value_above, *TAGS),
            )
            targets = {name: [0.0] * len(TAGS) for name in identifiers if name in known}
            for name, label in rows:
                if name in targets:
                    targets[name][place_of[label]] = 1.0
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise DatasetError(
            f"{path} is not Last.fm's file of tags with the tables tids, tags and tid_tag: {error}. Bring the original."
        ) from error
    return {name: tuple(values) for name, values in targets.items()}
