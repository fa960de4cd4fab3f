"""The clips of a dataset: which rows of the frame store, of which track, with which targets."""

import dataclasses
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from earmark.errors import TrainingError
from earmark.training.datasets.base import Dataset
from earmark.training.material.store import FrameStore
from earmark.training.recipe.data import DataSection


@dataclasses.dataclass(frozen=True)
class Clips:
    """A table of clips, a row each, in the order of the dataset's tracks.

    Attributes:
        tracks: identifier of each clip's track.
        first_row: the clip's first row in the frame store, (clips,) int64.
        rows: how many frames it has, (clips,) int64; clips shorter than wanted keep what they have.
        targets: (clips, tags) float32 in 0..1, NaN where unknown: of the whole clip.
        table: (entries, tags) float32, the targets of windows, track after track; a track whose targets do not change
            has one entry.
        first_entry, entries: where the entries of the clip's track begin and how many they are, (clips,) int64.
        entry_seconds: the length of a window of the clip's track, (clips,) float64; infinite where there is one entry.
        start_seconds: where the clip begins in its track, (clips,) float64.
    """

    tracks: tuple[str, ...]
    first_row: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    targets: npt.NDArray[np.float32]
    table: npt.NDArray[np.float32]
    first_entry: npt.NDArray[np.int64]
    entries: npt.NDArray[np.int64]
    entry_seconds: npt.NDArray[np.float64]
    start_seconds: npt.NDArray[np.float64]

    @classmethod
    def with_constant_targets(
        cls,
        tracks: tuple[str, ...],
        first_row: npt.NDArray[np.int64],
        rows: npt.NDArray[np.int64],
        targets: npt.NDArray[np.float32],
    ) -> Self:
        """Clips whose targets hold all along them; see the attributes of the same names."""
        clips = len(tracks)
        return cls(
            tracks,
            first_row,
            rows,
            targets,
            table=targets,
            first_entry=np.arange(clips, dtype=np.int64),
            entries=np.ones(clips, np.int64),
            entry_seconds=np.full(clips, np.inf),
            start_seconds=np.zeros(clips),
        )

    def __len__(self) -> int:
        return len(self.tracks)

    def of(self, tracks: Collection[str]) -> npt.NDArray[np.int64]:
        """Positions of the clips of some tracks, in order: (clips,) int64."""
        wanted = frozenset(tracks)
        return np.array([at for at, track in enumerate(self.tracks) if track in wanted], np.int64)

    def entry_at(self, clip: int | npt.NDArray[np.int64], seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """The rows of `table` that hold at some moments of one clip, or of a clip each: (moments,) int64.

        `seconds` count from the start of the clip.
        """
        place = np.floor((self.start_seconds[clip] + seconds) / self.entry_seconds[clip]).astype(np.int64)
        entry: npt.NDArray[np.int64] = self.first_entry[clip] + np.clip(place, 0, self.entries[clip] - 1)
        return entry


def cut_clips(dataset: Dataset, store: FrameStore, section: DataSection, failures: Mapping[Path, str]) -> Clips:
    """Cut every track into clips of `clip_frames` frames from its start, without overlap, at most `clips_per_track`.

    A track shorter than one clip is one shorter clip (Choice: the letter's clips are all 29.1 s). Where the targets
    change along a track, a clip's own are still those of the whole track, and `entry_at` gives those of a moment.

    Raises:
        TrainingError: more tracks were unreadable than the recipe allows.
    """
    if len(failures) > section.unreadable_tracks_allowed:
        reasons = "\n".join(sorted(failures.values())[:10])
        raise TrainingError(
            f"{len(failures)} tracks of {dataset.name} could not be read, and the recipe allows "
            f"{section.unreadable_tracks_allowed} (data.unreadable_tracks_allowed). The first reasons:\n{reasons}"
        )
    rows_of_clips: list[_Row] = []
    table: list[npt.NDArray[np.float32]] = []
    entries = 0
    row_seconds = store.settings.hop_samples / store.settings.rate_hz
    for track in dataset.tracks:
        if track.path in failures:
            continue
        stored = store.track(track.path)
        whole = min(stored.rows // section.clip_frames, section.clips_per_track)
        lengths = [section.clip_frames] * whole or [stored.rows]
        of_track = np.array([track.targets], np.float32) if track.windows is None else track.windows.values
        seconds = math.inf if track.windows is None else track.windows.seconds
        table.append(of_track)
        for index, length in enumerate(lengths):
            start = index * section.clip_frames
            rows_of_clips.append(
                _Row(
                    track.identifier,
                    stored.first_row + start,
                    length,
                    track.targets,
                    entries,
                    len(of_track),
                    seconds,
                    start * row_seconds,
                )
            )
        entries += len(of_track)
    columns = list(zip(*rows_of_clips, strict=True)) or [()] * len(_Row._fields)
    return Clips(
        tracks=columns[0],
        first_row=np.array(columns[1], np.int64),
        rows=np.array(columns[2], np.int64),
        targets=np.array(columns[3], np.float32),
        table=np.concatenate(table or [np.zeros((0, len(dataset.tags)), np.float32)]),
        first_entry=np.array(columns[4], np.int64),
        entries=np.array(columns[5], np.int64),
        entry_seconds=np.array(columns[6], np.float64),
        start_seconds=np.array(columns[7], np.float64),
    )


class _Row(NamedTuple):
    """One clip on its way into the table: the columns of `Clips` in order, but for `table`."""

    track: str
    first_row: int
    rows: int
    targets: tuple[float, ...]
    first_entry: int
    entries: int
    entry_seconds: float
    start_seconds: float
