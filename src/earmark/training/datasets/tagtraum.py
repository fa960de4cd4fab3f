"""Load Tagtraum's genre annotations of the Million Song Dataset (CD2C): one of 15 genres for each track."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from earmark.errors import DatasetError
from earmark.tagging.bundle.card import TagName
from earmark.training.datasets.base import Dataset, DatasetTrack, Report, Split
from earmark.training.datasets.catalogue import Catalogue
from earmark.training.datasets.csv_file import read_lines
from earmark.training.datasets.million_song import MSD_IDENTIFIER, PREVIEW, find_list, preview_paths, read_msd_list
from earmark.training.datasets.options import (
    check_counts,
    check_root,
    check_switches,
    did_you_mean,
    folder_below,
    listed,
)
from earmark.training.datasets.splits import OfficialSide, OfficialSplit

NAME = "tagtraum"
LICENCE = "Annotations: for research (tagtraum industries). Audio: 7digital's previews, which may not be passed on."
CITATION = "H. Schreiber, 'Improving genre annotations for the Million Song Dataset', ISMIR 2015."
LAYOUT = """\
msd_tagtraum_cd2c.cls        lines `identifier<TAB>genre`, and comments that begin with #
train_list.cP                optional, the authors' split: the first 141 372 train, the rest valid; .txt will do
test_list.cP                 37 817 test; .txt, an identifier a line, will do
MSD_id_to_7D_id.pkl, 7D_id_to_path.pkl, audio/...   the previews, as for million_song: the same folder may be used"""

GENRES = (
    *("blues", "country", "electronic", "folk", "jazz", "latin", "metal", "new age", "pop", "punk", "rap", "reggae"),
    *("rnb", "rock", "world"),
)
"""The genres in lower case; tags are spelled as in the file."""
LEE, STRATIFIED = "cd2c-lee", "cd2c-stratified"
TRAIN_COUNT = 141_372
OFFICIAL: Mapping[str, OfficialSplit] = {
    LEE: OfficialSplit(
        {
            "train": OfficialSide(TRAIN_COUNT),
            "test": OfficialSide(37_817, "58da0d9da47ee37d9d5323e47d62832cd11795e39175b9d6111a50a671a1660d"),
        }
    )
}
LEARNT_SHARE = 0.8
"""The share of each genre that trains or validates in the stratified split; the others test."""
VALID_SHARE = 0.1
"""Choice: the share of these tracks that validates."""

SplitName = Literal["cd2c-lee", "cd2c-stratified"]
_TABLE = "msd_tagtraum_cd2c.cls"


def load(
    root: Path,
    split: SplitName | None = None,
    seed: int = 0,
    train_count: int = TRAIN_COUNT,
    audio_folder: str | Path = "audio",
    allow_missing: bool = False,
    verify: bool = False,
) -> Dataset:
    """Load the previews under `root` with one of 15 genres each, and one split.

    The tracks are those of the split. They are named by their Million Song identifiers. Each is its own group, because
    the file does not name artists, and both splits have artists on two sides. Empty previews are left out, and
    `left_out` names them.

    Args:
        root: the folder of the dataset (`LAYOUT`).
        split: `cd2c-lee`, the authors' lists, or `cd2c-stratified`, drawn by genre: 72 % train, 8 % validate, 20 %
            test. Without it the authors' lists where they exist.
        seed: the seed of the stratified split.
        train_count: the number of tracks of the authors' training list that train; the others validate.
        audio_folder: the folder of the previews.
        allow_missing: leave out absent previews too.
        verify: require the official lists.

    Raises:
        DatasetError: msd_tagtraum_cd2c.cls is missing or faulty, a genre is not one of the 15, a list names tracks
            without a genre, or audio is missing.
    """
    check_switches(allow_missing=allow_missing, verify=verify)
    catalogue, labels = _catalogue(root, split, seed, train_count, audio_folder)
    if verify:
        catalogue.verify()
    present = catalogue.present(allow_missing=allow_missing)
    return Dataset(
        name=NAME,
        licence=LICENCE,
        citation=CITATION,
        layout=LAYOUT,
        task="one-label",
        tags=tuple(TagName(label, "genres") for label in labels),
        tracks=present.tracks,
        splits=present.splits,
        left_out=present.left_out,
    )


def check(
    root: Path,
    split: SplitName | None = None,
    seed: int = 0,
    train_count: int = TRAIN_COUNT,
    audio_folder: str | Path = "audio",
) -> Report:
    """Report which previews are found, missing, corrupt or unexpected, and compare the split with the official one."""
    return _catalogue(root, split, seed, train_count, audio_folder)[0].report()


def _catalogue(
    root: Path, wanted: SplitName | None, seed: int, train_count: int, audio_folder: str | Path
) -> tuple[Catalogue, tuple[str, ...]]:
    """Return the catalogue, and the genres as spelled in the file, in the order of GENRES."""
    check_counts(seed=seed, train_count=train_count)
    check_root(root, "Tagtraum's CD2C", LAYOUT, _TABLE)
    audio = folder_below(root, "audio_folder", audio_folder)
    genre_of = _genres(root / _TABLE)
    spelled: dict[str, str] = {}
    for genre in genre_of.values():
        if spelled.setdefault(genre.casefold(), genre) != genre:
            raise DatasetError(f"{root / _TABLE} spells {genre!r} also {spelled[genre.casefold()]!r}; choose one.")
    labels = tuple(spelled[genre] for genre in GENRES if genre in spelled)
    split = _split(root, genre_of, wanted, seed, train_count)
    identifiers = (*split.train, *split.valid, *split.test)
    strange = [name for name in identifiers if name not in genre_of]
    if strange:
        raise DatasetError(
            f"The split {split.name!r} in {root} names {len(strange)} tracks that {_TABLE} has no genre for: "
            f"{listed(strange)}. Bring lists and genres of one origin."
        )
    paths = preview_paths(root, audio, identifiers)
    tracks = tuple(
        DatasetTrack(name, paths[name], tuple(float(genre_of[name] == label) for label in labels), name)
        for name in identifiers
    )
    return Catalogue(NAME, root, tracks, {split.name: split}, OFFICIAL, empty_is_known=True, others=PREVIEW), labels


def _genres(path: Path) -> dict[str, str]:
    genre_of: dict[str, str] = {}
    for line in read_lines(path):
        if line.startswith("#"):
            continue
        cells = line.split("\t")
        if len(cells) != 2 or not MSD_IDENTIFIER.fullmatch(cells[0]):
            raise DatasetError(f"{path} has the line {line!r}; expected a Million Song identifier, a tab and a genre.")
        if cells[1].casefold() not in GENRES:
            raise DatasetError(
                f"{path} has the genre {cells[1]!r}; expected one of {listed(GENRES, most=20)}."
                f"{did_you_mean(cells[1].casefold(), GENRES)}"
            )
        if cells[0] in genre_of:
            raise DatasetError(f"{path} names {cells[0]} twice; bring the original.")
        genre_of[cells[0]] = cells[1]
    if not genre_of:
        raise DatasetError(f"{path} names no tracks; bring the original.")
    return genre_of


def _split(root: Path, genre_of: Mapping[str, str], wanted: SplitName | None, seed: int, train_count: int) -> Split:
    if wanted is not None and wanted not in get_args(SplitName):
        raise DatasetError(
            f"The option split is {wanted!r}; expected {listed(get_args(SplitName))}."
            f"{did_you_mean(str(wanted), get_args(SplitName))}"
        )
    learnt, test = (find_list(root, f"{side}_list") for side in ("train", "test"))
    if wanted == STRATIFIED or (wanted is None and learnt is None and test is None):
        return stratified_split(genre_of, seed)
    if learnt is None or test is None:
        absent = [f"{side}_list.cP" for side, path in (("train", learnt), ("test", test)) if path is None]
        raise DatasetError(
            f"{root} lacks {listed(absent)} of the authors' split; bring both lists, or set split = {STRATIFIED!r}."
        )
    names = read_msd_list(learnt)
    if len(names) <= train_count:
        raise DatasetError(
            f"{learnt} holds {len(names)} tracks, of which the first {train_count} train; that leaves none to validate "
            "on. Bring the authors' list, or set the option train_count."
        )
    return Split(LEE, names[:train_count], names[train_count:], read_msd_list(test))


def stratified_split(genre_of: Mapping[str, str], seed: int) -> Split:
    """Draw a split whose sides have the same share of every genre.

    It depends on the tracks and the seed, not on the order of the tracks.
    """
    rng = np.random.default_rng(seed)
    by_genre: dict[str, list[str]] = {}
    for name, genre in sorted(genre_of.items()):
        by_genre.setdefault(genre, []).append(name)
    train: list[str] = []
    valid: list[str] = []
    test: list[str] = []
    for _, names in sorted(by_genre.items()):
        drawn = [names[place] for place in rng.permutation(len(names))]
        learnt = round(LEARNT_SHARE * len(drawn))
        validating = round(VALID_SHARE * learnt)
        valid += drawn[:validating]
        train += drawn[validating:learnt]
        test += drawn[learnt:]
    return Split(STRATIFIED, tuple(sorted(train)), tuple(sorted(valid)), tuple(sorted(test)))
