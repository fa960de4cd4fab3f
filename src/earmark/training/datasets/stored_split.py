"""A split kept in a JSON file beside the user's tracks, so that it stays the same from run to run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from earmark.errors import DatasetError
from earmark.training.datasets.base import SIDES, Split, Track
from earmark.training.datasets.nearest import listed
from earmark.training.datasets.split import checked_fractions, split_by_group

_FORMAT = "earmark-split"
_VERSION = 1
_KEYS = ("format", "version", "name", "seed", "fractions", "grouped_by", *SIDES, "hash")


@dataclass(frozen=True)
class StoredSplit:
    """A split with what it was made from: the seed, the fractions, and what counted as a group."""

    split: Split
    seed: int
    fractions: tuple[float, float, float]
    grouped_by: str

    @property
    def identifiers(self) -> frozenset[str]:
        """Every track of the split."""
        return frozenset(self.split.train + self.split.valid + self.split.test)


def keep_split(
    path: Path,
    tracks: Sequence[Track],
    *,
    name: str,
    seed: int,
    fractions: tuple[float, float, float],
    grouped_by: str,
) -> Split:
    """Return the split stored at `path`; when there is none yet, make it by group and store it.

    Raises DatasetError for a stored split that cannot be read, was made with another seed, fractions or
    grouping, or is of other tracks than these; and for a place that cannot be written to.
    """
    if not path.exists():
        made = StoredSplit(
            split_by_group(tracks, name=name, seed=seed, fractions=fractions), seed, fractions, grouped_by
        )
        write_split(path, made)
        return made.split
    stored = read_split(path)
    for what, asked, found in (
        ("the seed", seed, stored.seed),
        ("the fractions", list(fractions), list(stored.fractions)),
        ("groups by", grouped_by, stored.grouped_by),
    ):
        if asked != found:
            raise DatasetError(
                f"The split stored in {path} was made with {what} {found!r}; asked was {asked!r}. "
                f"Ask for {found!r} to keep it, or {_how_to_renew(path)}"
            )
    present = {track.identifier for track in tracks}
    added, gone = sorted(present - stored.identifiers), sorted(stored.identifiers - present)
    if added or gone:
        differences = [
            f"{len(names)} {what} ({listed(names)})"
            for what, names in (("new", added), ("gone", gone))
            if len(names) > 0
        ]
        raise DatasetError(
            f"The tracks are not those of the split stored in {path}: {' and '.join(differences)}. "
            f"Restore the tracks to keep the split, or {_how_to_renew(path)}"
        )
    return stored.split


def read_split(path: Path) -> StoredSplit:
    """Return what a split file holds; DatasetError when it is none, or was changed after it was written."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DatasetError(f"Cannot read {path}: {error}. You can {_how_to_renew(path)}") from error
    if not isinstance(content, dict) or set(content) != set(_KEYS):
        found = listed(sorted(content), most=20) if isinstance(content, dict) else type(content).__name__
        raise DatasetError(f"{path} is no stored split: it holds {found}; expected {listed(_KEYS, most=20)}.")
    if content["format"] != _FORMAT or content["version"] != _VERSION:
        raise DatasetError(
            f"{path} is {content['format']!r} version {content['version']!r}; not {_FORMAT!r} {_VERSION}."
        )
    sides = [content[side] for side in SIDES]
    if not all(isinstance(side, list) and all(isinstance(name, str) for name in side) for side in sides):
        raise DatasetError(f"{path} is no stored split: {listed(SIDES)} have to be lists of track names.")
    split = Split(str(content["name"]), *(tuple(side) for side in sides))
    if split.hash != content["hash"]:
        raise DatasetError(
            f"The split stored in {path} was changed after it was made: its hash is {split.hash[:12]}, and "
            f"{str(content['hash'])[:12]} is written. Restore the file, or {_how_to_renew(path)}"
        )
    train, valid, test = checked_fractions(content["fractions"]).tolist()
    return StoredSplit(split, content["seed"], (train, valid, test), content["grouped_by"])


def write_split(path: Path, stored: StoredSplit) -> None:
    """Write a split file whole or not at all; DatasetError when the place cannot be written to."""
    split = stored.split
    content = {
        "format": _FORMAT,
        "version": _VERSION,
        "name": split.name,
        "seed": stored.seed,
        "fractions": list(stored.fractions),
        "grouped_by": stored.grouped_by,
        **{side: list(split.side(side)) for side in SIDES},
        "hash": split.hash,
    }
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        unfinished.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise DatasetError(
            f"Cannot store the split in {path}: {error.strerror}. Name another place as split_file."
        ) from error


def _how_to_renew(path: Path) -> str:
    return f"delete {path} to have a new split made (and never compare figures of the two)."
