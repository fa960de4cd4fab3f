"""Define what every dataset consists of: tracks with targets, splits, and a report on its files."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from earmark.errors import DatasetError
from earmark.tagging.bundle.card import TagName, Truth
from earmark.training.datasets.options import did_you_mean, listed


@dataclass(frozen=True, eq=False)
class WindowTargets:
    """The targets of a track over time, a row for each window.

    Attributes:
        seconds: the length of a window; window i covers i·seconds to (i + 1)·seconds, and the last window all the rest.
        values: (windows, tags) float32 in 0..1, NaN where unknown, in the order of the dataset's tags.

    Raises:
        DatasetError: there is no window, the length is not positive, or a value is out of range.
    """

    seconds: float
    values: npt.NDArray[np.float32]

    def __post_init__(self) -> None:
        if not (math.isfinite(self.seconds) and self.seconds > 0):
            raise DatasetError(f"Found windows of {self.seconds!r} seconds; expected a positive length.")
        if self.values.ndim != 2 or not len(self.values):
            raise DatasetError(
                f"Found window targets of the shape {self.values.shape}; expected (windows, tags), at least one window."
            )
        known = self.values[~np.isnan(self.values)]
        if not ((known >= 0) & (known <= 1)).all():
            raise DatasetError("Found window targets outside 0..1; expected 0..1, or NaN for unknown.")

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, WindowTargets)
            and self.seconds == other.seconds
            and np.array_equal(self.values, other.values, equal_nan=True)
        )

    def __hash__(self) -> int:
        return hash((self.seconds, self.values.shape))

    def mean(self) -> tuple[float, ...]:
        """Return the mean over windows, which are the track's targets; NaN where a window is unknown."""
        # All values share one NaN object, so that equal tuples compare equal.
        means = self.values.mean(axis=0, dtype=np.float64).tolist()
        return tuple(math.nan if math.isnan(mean) else mean for mean in means)


Task = Literal["multi-label", "one-label"]
SIDES = ("train", "valid", "test")


@dataclass(frozen=True)
class DatasetTrack:
    """A track with its targets.

    Attributes:
        identifier: the name of the track in its dataset.
        path: its sound file.
        targets: a value in 0..1 for each tag in the order of `Dataset.tags`, NaN where unknown.
        group: its artist or source, all of whose tracks are on the same side of a split.
        windows: its targets over time, where they change; `targets` is then their mean.
        licence: its own licence, where the tracks of a dataset differ in licence.
        copy_of: the identifier of the original of a changed copy, or of the first track of a mixture, whose group the
            copy shares; empty for originals.

    Raises:
        DatasetError: the identifier or the group is empty or has a tab or line break, or a target is outside 0..1.
    """

    identifier: str
    path: Path
    targets: tuple[float, ...]
    group: str
    windows: WindowTargets | None = None
    licence: str = ""
    copy_of: str = ""

    def __post_init__(self) -> None:
        for what, text in (("identifier", self.identifier), ("group", self.group)):
            if not text.strip() or any(character in text for character in "\t\n\r"):
                raise DatasetError(
                    f"The {what} of the track at {self.path} is {text!r}; "
                    "it has to be text without tabs or line breaks."
                )
        for target in self.targets:
            if not (math.isnan(target) or 0.0 <= target <= 1.0):
                raise DatasetError(
                    f"Track {self.identifier!r} has the target {target!r}; expected 0..1, or NaN for unknown."
                )


@dataclass(frozen=True)
class Split:
    """A split of tracks into training, validation and test side: three disjoint lists of identifiers.

    Choice: `valid` and `test` may be empty, because a user's own split may lack them; `train` may not.

    Raises:
        DatasetError: a track is named twice, or `train` is empty.
    """

    name: str
    train: tuple[str, ...]
    valid: tuple[str, ...]
    test: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.train:
            raise DatasetError(f"Split {self.name!r} has no tracks to train on.")
        everywhere = Counter(identifier for _, identifiers in self._sides() for identifier in identifiers)
        twice = [identifier for identifier, count in everywhere.items() if count > 1]
        if twice:
            raise DatasetError(
                f"Split {self.name!r} names {len(twice)} tracks more than once ({listed(twice)}); "
                "a track belongs to one side, once."
            )

    def _sides(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        return (("train", self.train), ("valid", self.valid), ("test", self.test))

    def side(self, name: str) -> tuple[str, ...]:
        """Return the identifiers of one side: `train`, `valid` or `test`.

        Raises:
            DatasetError: there is no such side.
        """
        for known, identifiers in self._sides():
            if known == name:
                return identifiers
        raise DatasetError(f"A split has no side {name!r}; its sides are {listed(SIDES)}.")

    @cached_property
    def hash(self) -> str:
        """The SHA-256 of the sorted lines `side<TAB>identifier`, which does not depend on the order of the lists."""
        lines = sorted(f"{side}\t{name}\n" for side, identifiers in self._sides() for name in identifiers)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    @property
    def counts(self) -> dict[str, int]:
        """The number of tracks of each side."""
        return {side: len(identifiers) for side, identifiers in self._sides()}

    def text(self) -> str:
        """Return the name, the counts and the first 12 digits of the hash in one line."""
        counts = ", ".join(f"{count} {side}" for side, count in self.counts.items())
        return f"{self.name}: {counts} (hash {self.hash[:12]})"


@dataclass(frozen=True)
class Dataset:
    """A dataset: tracks with their targets, and splits.

    Attributes:
        name: its name, such as "gtzan".
        licence, citation: its licence, and the publication to cite.
        layout: the files that its root holds.
        task: "multi-label", or "one-label" where every track has exactly one tag.
        tags: its tags in order.
        tracks: its tracks.
        splits: its splits by name.
        positive_threshold: targets at or above it count as positive in evaluation.
        left_out: a sentence for each part of the original that is left out, and for each caveat of results; they are
            shown wherever the dataset is used.
        truth: who judged the targets, where the card states it.
        people: what people said, by kind of judge and by track, one value a tag as in `DatasetTrack.targets`.
            Calibration uses it where there is enough of it, the first kind first.

    Raises:
        DatasetError: identifiers or tags repeat, a track has a wrong number of targets, a one-label track does not have
            exactly one tag, or a split names unknown tracks or has a group on two sides.
    """

    name: str
    licence: str
    citation: str
    layout: str
    task: Task
    tags: tuple[TagName, ...]
    tracks: tuple[DatasetTrack, ...]
    splits: Mapping[str, Split]
    positive_threshold: float = 0.5
    left_out: tuple[str, ...] = ()
    truth: Truth | None = None
    people: Mapping[Truth, Mapping[str, tuple[float, ...]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.task not in ("multi-label", "one-label"):
            raise DatasetError(
                f"Dataset {self.name!r} has the task {self.task!r}; expected one of {listed(get_args(Task))}."
            )
        if not 0.0 < self.positive_threshold <= 1.0:
            raise DatasetError(
                f"Dataset {self.name!r} has the positive threshold {self.positive_threshold!r}; "
                "expected a number above 0 and up to 1."
            )
        for what, names in (
            ("tags", self.labels),
            ("splits", tuple(self.splits)),
            ("tracks", tuple(self._by_identifier)),
        ):
            if not names:
                raise DatasetError(f"Dataset {self.name!r} has no {what}.")
        self._refuse_repeated("tag", self.labels)
        self._refuse_repeated("track", [track.identifier for track in self.tracks])
        self._check_targets()
        self._check_people()
        for key, split in self.splits.items():
            self._check_split(key, split)

    def _refuse_repeated(self, what: str, names: Iterable[str]) -> None:
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise DatasetError(f"Dataset {self.name!r} has repeated {what} names: {listed(twice)}.")

    def _check_targets(self) -> None:
        for track in self.tracks:
            if len(track.targets) != len(self.tags):
                raise DatasetError(
                    f"Track {track.identifier!r} has {len(track.targets)} targets; "
                    f"dataset {self.name!r} has {len(self.tags)} tags."
                )
            if self.task == "one-label" and sorted(track.targets) != [0.0] * (len(self.tags) - 1) + [1.0]:
                raise DatasetError(
                    f"Track {track.identifier!r} has the targets {track.targets}; "
                    "in a one-label dataset exactly one is 1 and the others are 0."
                )

    def _check_people(self) -> None:
        for truth, said in self.people.items():
            for identifier, values in said.items():
                whole = len(values) == len(self.tags) and identifier in self._by_identifier
                if not (whole and all(math.isnan(value) or 0.0 <= value <= 1.0 for value in values)):
                    raise DatasetError(
                        f"Dataset {self.name!r} has the word of {truth} on {identifier!r} as {values}; expected one of "
                        f"its tracks with a value for each of its {len(self.tags)} tags, 0..1 or NaN for unknown."
                    )

    def _check_split(self, key: str, split: Split) -> None:
        if key != split.name:
            raise DatasetError(f"Dataset {self.name!r} lists split {split.name!r} under the name {key!r}.")
        side_of_group: dict[str, str] = {}
        for side in SIDES:
            identifiers = split.side(side)
            unknown = [identifier for identifier in identifiers if identifier not in self._by_identifier]
            if unknown:
                raise DatasetError(
                    f"Split {split.name!r} of dataset {self.name!r} names {len(unknown)} tracks "
                    f"that the dataset does not have: {listed(unknown)}."
                )
            for identifier in identifiers:
                group = self._by_identifier[identifier].group
                if side_of_group.setdefault(group, side) != side:
                    raise DatasetError(
                        f"Split {split.name!r} of dataset {self.name!r} has the group {group!r} "
                        f"in two sides, {side_of_group[group]} and {side}; all tracks of a group "
                        "(an artist, a source) belong to one side, or figures come out too good."
                    )

    @cached_property
    def _by_identifier(self) -> dict[str, DatasetTrack]:
        return {track.identifier: track for track in self.tracks}

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the tags in order."""
        return tuple(tag.label for tag in self.tags)

    @cached_property
    def hash(self) -> str:
        """The SHA-256 of labels, track identifiers and targets, which does not depend on the order of the tracks."""
        digest = hashlib.sha256(("\t".join(self.labels) + "\n").encode())
        for identifier, track in sorted(self._by_identifier.items()):
            # Adding 0 turns -0 into 0.
            values = "\t".join(repr(float(target) + 0.0) for target in track.targets)
            digest.update(f"{identifier}\t{values}\n".encode())
        for truth, said in self.people.items():
            for identifier, row in sorted(said.items()):
                values = "\t".join(repr(float(value) + 0.0) for value in row)
                digest.update(f"{truth}\t{identifier}\t{values}\n".encode())
        return digest.hexdigest()

    def select(self, identifiers: Iterable[str]) -> tuple[DatasetTrack, ...]:
        """Return the tracks with some identifiers, in the order of these.

        Raises:
            DatasetError: an identifier is unknown.
        """
        found = []
        for identifier in identifiers:
            if identifier not in self._by_identifier:
                raise DatasetError(
                    f"Dataset {self.name!r} has no track with the identifier {identifier!r}."
                    f"{did_you_mean(identifier, self._by_identifier)}"
                )
            found.append(self._by_identifier[identifier])
        return tuple(found)

    def targets(self, identifiers: Iterable[str]) -> npt.NDArray[np.float32]:
        """Return the targets of tracks: (tracks, tags) float32 in 0..1, NaN where unknown."""
        rows = [track.targets for track in self.select(identifiers)]
        return np.array(rows, dtype=np.float32).reshape(len(rows), len(self.tags))

    def said_by(self, truth: Truth, identifiers: Iterable[str]) -> npt.NDArray[np.float32]:
        """Return what people said of these tracks, (tracks, tags), in 0..1 with NaN for unknown; see `people`."""
        unknown = (math.nan,) * len(self.tags)
        said = self.people.get(truth, {})
        rows = [said.get(track.identifier, unknown) for track in self.select(identifiers)]
        return np.array(rows, dtype=np.float32).reshape(len(rows), len(self.tags))

    def split(self, name: str) -> Split:
        """Return a split by its name.

        Raises:
            DatasetError: there is no such split; the message names the splits.
        """
        if name not in self.splits:
            raise DatasetError(
                f"Dataset {self.name!r} has no split {name!r}; it has {listed(self.splits, most=10)}."
                f"{did_you_mean(name, self.splits)}"
            )
        return self.splits[name]


@dataclass(frozen=True)
class Report:
    """A report on the files of a dataset.

    Attributes:
        found, missing, corrupt, unexpected: the names of files of each state; no name is in two of them.
        splits: a line for each split of the whole dataset, compared with the official split.
        notes: sentences on parts that are left out, and on caveats of results.
    """

    found: tuple[str, ...]
    missing: tuple[str, ...]
    corrupt: tuple[str, ...]
    unexpected: tuple[str, ...]
    splits: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no file is missing or corrupt."""
        return not self.missing and not self.corrupt

    def text(self) -> str:
        """Return the report as lines: counts, up to 10 names of each state except `found`, splits, and notes."""
        kinds = (("missing", self.missing), ("corrupt", self.corrupt), ("unexpected", self.unexpected))
        lines = [f"{len(self.found)} found, " + ", ".join(f"{len(names)} {kind}" for kind, names in kinds)]
        lines += [f"{kind}: {listed(names, most=10)}" for kind, names in kinds if names]
        lines += [f"split {line}" for line in self.splits]
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)
