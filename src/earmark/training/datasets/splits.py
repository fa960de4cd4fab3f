"""Make, store and verify splits: drawn by group, stored in a file, cut into folds, or published."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earmark.errors import DatasetError
from earmark.training.datasets.base import SIDES, DatasetTrack, Split
from earmark.training.datasets.options import listed

FRACTIONS = (0.6, 0.2, 0.2)


def split_by_group(
    tracks: Sequence[DatasetTrack],
    *,
    name: str = "default",
    seed: int = 0,
    fractions: tuple[float, float, float] = FRACTIONS,
) -> Split:
    """Draw a split in which every group is on one side, and sizes and tags are close to the fractions.

    Groups are assigned one by one, large groups first and equal ones in random order. Each group goes to the side where
    it raises the sum of `have² / (fraction · total)` least, over the number of tracks and the targets of every tag;
    this sum is smallest where each side has exactly its fraction. The last groups go to sides that are still empty.
    Unknown targets count as 0. The split depends on the tracks and the seed, not on the order of the tracks.

    Choice: the number of tracks weighs as much as all tags together.

    Args:
        tracks: the tracks.
        name: the name of the split.
        seed: the seed of the order of equal groups.
        fractions: the shares of train, valid and test, which add up to 1.

    Raises:
        DatasetError: the fractions are invalid, or there are fewer groups than sides.
    """
    shares = checked_fractions(fractions)
    by_group: dict[str, list[DatasetTrack]] = {}
    for track in sorted(tracks, key=lambda track: track.identifier):
        by_group.setdefault(track.group, []).append(track)
    open_sides = np.flatnonzero(shares)
    if len(by_group) < len(open_sides):
        raise DatasetError(
            f"The {len(tracks)} tracks form {len(by_group)} groups (artists or sources), too few for "
            f"{len(open_sides)} sides of a split: a group is never divided. Add tracks of other groups, "
            "or bring a split of your own."
        )
    groups = sorted(by_group)
    amounts = np.array([_amounts(by_group[group]) for group in groups], dtype=np.float64)
    totals = amounts.sum(axis=0)
    weights = np.divide(1.0, totals, out=np.zeros_like(totals), where=totals > 0)
    weights[0] *= max(1, len(totals) - 1)

    shuffled = np.random.default_rng(seed).permutation(len(groups))
    order = shuffled[np.argsort(-amounts[shuffled, 0], kind="stable")]
    have = np.zeros((len(SIDES), len(totals)))
    members: list[list[str]] = [[] for _ in SIDES]
    for dealt, index in enumerate(order):
        empty = [side for side in open_sides if not members[side]]
        choice = np.array(empty if len(order) - dealt <= len(empty) else open_sides)
        rise = ((2.0 * have[choice] + amounts[index]) * amounts[index]) @ weights / shares[choice]
        # Rounding makes rises equal that differ only in their last bits, as they do between machines.
        side = int(choice[int(np.argmin(np.round(rise, 9)))])
        have[side] += amounts[index]
        members[side] += [track.identifier for track in by_group[groups[index]]]
    train, valid, test = (tuple(sorted(identifiers)) for identifiers in members)
    return Split(name, train, valid, test)


def checked_fractions(fractions: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return three fractions as (3,) float64 after checking them.

    Raises:
        DatasetError: they are not three numbers of at least 0 that add up to 1, or the first is 0.
    """
    given = list(fractions) if isinstance(fractions, Sequence) else []
    numbers = [value for value in given if isinstance(value, int | float) and value >= 0]
    if len(numbers) != len(given) or len(given) != 3 or numbers[0] == 0 or not abs(sum(numbers) - 1.0) < 1e-6:
        raise DatasetError(
            f"The fractions of a split are {fractions!r}; expected three numbers for train, valid and test, "
            "none negative, the first above 0, that add up to 1, such as [0.6, 0.2, 0.2]."
        )
    return np.array(numbers, dtype=np.float64)


def _amounts(tracks: Sequence[DatasetTrack]) -> list[float]:
    """Return the number of tracks, and the sum of the known targets of every tag."""
    targets = np.nan_to_num(np.array([track.targets for track in tracks], dtype=np.float64))
    return [float(len(tracks)), *targets.sum(axis=0).tolist()]


_FORMAT = "earmark-split"
_VERSION = 1
_KEYS = ("format", "version", "name", "seed", "fractions", "grouped_by", *SIDES, "hash")


@dataclass(frozen=True)
class StoredSplit:
    """A split with the seed, the fractions and the kind of group that it was drawn with."""

    split: Split
    seed: int
    fractions: tuple[float, float, float]
    grouped_by: str

    @property
    def identifiers(self) -> frozenset[str]:
        """The identifiers of all tracks of the split."""
        return frozenset(self.split.train + self.split.valid + self.split.test)


def keep_split(
    path: Path,
    tracks: Sequence[DatasetTrack],
    *,
    name: str,
    seed: int,
    fractions: tuple[float, float, float],
    grouped_by: str,
) -> Split:
    """Return the split stored at `path`; where there is none yet, draw it by group and store it.

    Raises:
        DatasetError: the stored split cannot be read, was made with another seed, fractions or kind of group, or has
            other tracks; or a new split cannot be written.
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
                f"The split stored in {path} was made with {what} {found!r}; expected {asked!r}. "
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
    """Read a stored split.

    Raises:
        DatasetError: the file cannot be read, is not a stored split, or was changed after it was written.
    """
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
    """Write a split to a file atomically.

    Raises:
        DatasetError: the file cannot be written.
    """
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


def fold_splits(fold_of: Mapping[str, int], folds: int) -> dict[str, Split]:
    """Return the splits of a cross-validation, `fold-0` to `fold-(folds - 1)`.

    In split k, fold k tests, fold (k + 1) mod `folds` validates, and the others train. `fold_of` holds the fold of each
    track, from 0 to `folds` - 1.
    """
    splits: dict[str, Split] = {}
    for test in range(folds):
        valid = (test + 1) % folds
        sides: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
        for identifier, fold in fold_of.items():
            sides["test" if fold == test else "valid" if fold == valid else "train"].append(identifier)
        name = f"fold-{test}"
        splits[name] = Split(name, tuple(sides["train"]), tuple(sides["valid"]), tuple(sides["test"]))
    return splits


SHOWN_DIGITS = 12


def list_hash(identifiers: Iterable[str]) -> str:
    """Return the SHA-256 of the sorted names, each followed by a newline."""
    return hashlib.sha256(("\n".join(sorted(identifiers)) + "\n").encode()).hexdigest()


@dataclass(frozen=True)
class OfficialSide:
    """The published facts of a side: its number of tracks, and the hash of its list where it is known."""

    count: int
    hash: str | None = None


@dataclass(frozen=True)
class OfficialSplit:
    """A published split: the facts of its sides, and the number of tracks of all sides where it is known."""

    sides: Mapping[str, OfficialSide]
    total: int | None = None

    def differences(self, split: Split) -> tuple[str, ...]:
        """Return the differences of a split from the known facts of the official split."""
        found = [self._difference(side, split.side(side)) for side in SIDES if side in self.sides]
        total = sum(split.counts.values())
        if self.total is not None and total != self.total:
            found.append(f"it has {total} tracks, the official one {self.total}")
        return tuple(text for text in found if text)

    def _difference(self, side: str, identifiers: tuple[str, ...]) -> str:
        official = self.sides[side]
        if len(identifiers) != official.count:
            return f"{side} has {len(identifiers)} tracks, officially {official.count}"
        found = list_hash(identifiers)
        if official.hash is not None and found != official.hash:
            return (
                f"{side} has the official number of tracks but other ones "
                f"(hash {found[:SHOWN_DIGITS]}, officially {official.hash[:SHOWN_DIGITS]})"
            )
        return ""

    def text(self, split: Split) -> str:
        """Return a line with the counts and hash of a split, and whether it is the official one."""
        if different := self.differences(split):
            return f"{split.text()}: NOT the official split: {'; '.join(different)}"
        unknown = [side for side in SIDES if side not in self.sides or self.sides[side].hash is None]
        if not unknown:
            return f"{split.text()}: the official split"
        return (
            f"{split.text()}: as the official split in all that is known of it "
            f"(no official hash is known of {', '.join(unknown)})"
        )

    def verify(self, split: Split) -> None:
        """Raise DatasetError where a split differs from the official one."""
        if different := self.differences(split):
            raise DatasetError(
                f"Split {split.name!r} is not the official one: {'; '.join(different)}. Bring the official files, "
                "or load without verify = true (and never compare figures of the two)."
            )
