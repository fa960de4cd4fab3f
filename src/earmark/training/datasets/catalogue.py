"""Compare the files that a dataset lists with those on disk.

One rule holds for all published datasets: where listed files are absent or empty, loading fails with their number. With
`allow_missing` their tracks are left out of the dataset and of every split instead, and `left_out` names them. Files
that are known to be damaged in every official copy are always left out and named.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from earmark.audio.decode import decode
from earmark.errors import AudioError, DatasetError
from earmark.training.datasets.base import SIDES, DatasetTrack, Report, Split
from earmark.training.datasets.options import listed
from earmark.training.datasets.splits import OfficialSplit

AUDIO_SUFFIXES = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".aif", ".aiff", ".au", ".wma", ".mp4"}
)


def inspect_files(expected: Mapping[str, Path], others: re.Pattern[str] | None = None) -> Report:
    """Report which of the expected files (paths by name) are found, missing or corrupt, and which audio is unexpected.

    A file is corrupt where it is empty or its first seconds cannot be decoded. Audio is unexpected where it lies in the
    folder of an expected file and its name does not match `others`.
    """
    found, missing, corrupt = [], [], []
    for name, path in sorted(expected.items()):
        if not path.is_file():
            missing.append(name)
        elif opens(path):
            found.append(name)
        else:
            corrupt.append(name)
    known = set(expected.values())
    folders = sorted({path.parent for path in expected.values()})
    unexpected = [
        str(path)
        for folder in folders
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        if is_audio(path) and path not in known and not (others and others.fullmatch(path.name))
    ]
    return Report(tuple(found), tuple(missing), tuple(corrupt), tuple(unexpected))


def is_audio(path: Path) -> bool:
    """Return whether a path is a file with the suffix of audio; hidden files such as `._song.mp3` are not counted."""
    return path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".") and path.is_file()


def opens(path: Path) -> bool:
    """Return whether a file is not empty and its first seconds can be decoded."""
    try:
        if path.stat().st_size == 0:
            return False
        with decode(path):
            return True
    except (AudioError, OSError):
        return False


@dataclass(frozen=True)
class Present:
    """The tracks whose files exist, their splits, and a sentence for each kind of track left out."""

    tracks: tuple[DatasetTrack, ...]
    splits: Mapping[str, Split]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Catalogue:
    """All tracks that the files of a dataset list, and its whole splits.

    Attributes:
        name, root: the name of the dataset, and its folder.
        tracks, splits: all listed tracks, and the splits by name.
        official: the published facts of the splits, by name.
        faulty: identifiers of tracks that are damaged in most copies, which are left out if they cannot be opened.
        empty_is_known: whether the official set has empty files that no list names.
        others: the form of names of files that belong to the set but need not be among the tracks.
        notes: a sentence for each part that is already left out.
    """

    name: str
    root: Path
    tracks: tuple[DatasetTrack, ...]
    splits: Mapping[str, Split]
    official: Mapping[str, OfficialSplit] = field(default_factory=dict)
    faulty: Set[str] = frozenset()
    empty_is_known: bool = False
    others: re.Pattern[str] | None = None
    notes: tuple[str, ...] = ()

    def verify(self) -> None:
        """Raise DatasetError where a split is not the official split of its name."""
        for name, official in self.official.items():
            if name in self.splits:
                official.verify(self.splits[name])

    def present(self, *, allow_missing: bool) -> Present:
        """Return the tracks whose files exist, with their splits.

        Raises:
            DatasetError: files are absent or empty and `allow_missing` is false, or one side of a split has none left.
        """
        state = self._look()
        lost = state.absent | (frozenset() if self.empty_is_known else state.empty)
        if lost and not allow_missing:
            raise DatasetError(self._sentence_on_missing(state, len(lost)))
        gone = lost | state.empty | state.damaged
        notes = [*self.notes, *self._notes_on_faults(state)]
        if lost:
            notes.append(f"{len(lost)} files are absent or empty and left out (allow_missing): {self._paths(lost)}")
        splits = {name: self._restricted(split, gone) for name, split in self.splits.items()}
        for name, split in splits.items():
            if split.counts != self.splits[name].counts:
                shares = (f"{split.counts[side]} of {self.splits[name].counts[side]} {side}" for side in SIDES)
                notes.append(f"split {name} has {', '.join(shares)}")
        return Present(tuple(track for track in self.tracks if track.identifier not in gone), splits, tuple(notes))

    def report(self) -> Report:
        """Report found, missing, corrupt and unexpected files, the whole splits, and the parts left out."""
        state = self._look()
        passed_over = state.damaged | (state.empty if self.empty_is_known else frozenset())
        expected = {self._short(track): track.path for track in self.tracks if track.identifier not in passed_over}
        lines = [
            self.official[name].text(split) if name in self.official else split.text()
            for name, split in self.splits.items()
        ]
        notes = (*self.notes, *self._notes_on_faults(state))
        return replace(inspect_files(expected, self.others), splits=tuple(lines), notes=notes)

    def _look(self) -> _State:
        absent, empty, damaged = set(), set(), set()
        for track in self.tracks:
            size = _size(track.path)
            if track.identifier in self.faulty:
                if not size or not opens(track.path):
                    damaged.add(track.identifier)
            elif size is None:
                absent.add(track.identifier)
            elif size == 0:
                empty.add(track.identifier)
        return _State(frozenset(absent), frozenset(empty), frozenset(damaged))

    def _notes_on_faults(self, state: _State) -> list[str]:
        notes = []
        if state.damaged:
            notes.append(
                f"{len(state.damaged)} files are damaged in most copies of this dataset, cannot be opened or are "
                f"absent here, and are left out: {self._paths(state.damaged)}"
            )
        if state.empty and self.empty_is_known:
            notes.append(f"{len(state.empty)} files hold no bytes and are left out: {self._paths(state.empty)}")
        return notes

    def _sentence_on_missing(self, state: _State, count: int) -> str:
        parts = [f"{len(state.absent)} are absent ({self._paths(state.absent)})"] if state.absent else []
        if state.empty and not self.empty_is_known:
            parts.append(f"{len(state.empty)} hold no bytes ({self._paths(state.empty)})")
        if count == len(self.tracks):
            parts.append("none of them is there, so the sound is probably in another folder")
        return (
            f"Of the {len(self.tracks)} sound files of {self.name} below {self.root}, {'; '.join(parts)}. Finish the "
            "download, or set the option allow_missing = true to go on without them, in every side of every split."
        )

    def _paths(self, identifiers: Set[str]) -> str:
        return listed(self._short(track) for track in self.tracks if track.identifier in identifiers)

    def _short(self, track: DatasetTrack) -> str:
        if track.path.is_relative_to(self.root):
            return track.path.relative_to(self.root).as_posix()
        return str(track.path)

    def _restricted(self, split: Split, gone: Set[str]) -> Split:
        sides = {side: tuple(name for name in split.side(side) if name not in gone) for side in SIDES}
        for side, left in sides.items():
            if split.side(side) and not left:
                raise DatasetError(
                    f"None of the {len(split.side(side))} tracks in the side {side!r} of split {split.name!r} "
                    f"is below {self.root}; a split needs some of each side."
                )
        return Split(split.name, **sides)


@dataclass(frozen=True)
class _State:
    """The identifiers of tracks whose file is absent, is empty, or is one of the known damaged files."""

    absent: frozenset[str]
    empty: frozenset[str]
    damaged: frozenset[str]


def _size(path: Path) -> int | None:
    """Return the size of a file in bytes; None where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None
