"""The clips of a dataset: which rows of the frame store, of which track, with which targets."""

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.errors import TrainingError
from earmark.training.datasets.base import Dataset
from earmark.training.recipe import DataSection
from earmark.training.store import FrameStore


@dataclasses.dataclass(frozen=True)
class Clips:
    """A table of clips, a row each, in the order of the dataset's tracks.

    Attributes:
        tracks: identifier of each clip's track.
        first_row: the clip's first row in the frame store, (clips,) int64.
        rows: how many frames it has, (clips,) int64; clips shorter than wanted keep what they have.
        targets: (clips, tags) float32 in 0..1, NaN where unknown.
    """

    tracks: tuple[str, ...]
    first_row: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    targets: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.tracks)

    def of(self, tracks: Collection[str]) -> npt.NDArray[np.int64]:
        """Positions of the clips of some tracks, in order: (clips,) int64."""
        wanted = frozenset(tracks)
        return np.array([at for at, track in enumerate(self.tracks) if track in wanted], np.int64)


def cut_clips(dataset: Dataset, store: FrameStore, section: DataSection, failures: Mapping[Path, str]) -> Clips:
    """Cut every track into clips of `clip_frames` frames from its start, without overlap, at most `clips_per_track`.

    A track shorter than one clip is one shorter clip (Choice: the letter's clips are all 29.1 s).

    Raises:
        TrainingError: more tracks were unreadable than the recipe allows.
    """
    if len(failures) > section.unreadable_tracks_allowed:
        reasons = "\n".join(sorted(failures.values())[:10])
        raise TrainingError(
            f"{len(failures)} tracks of {dataset.name} could not be read, and the recipe allows "
            f"{section.unreadable_tracks_allowed} (data.unreadable_tracks_allowed). The first reasons:\n{reasons}"
        )
    tracks, first_row, rows, targets = [], [], [], []
    for track in dataset.tracks:
        if track.path in failures:
            continue
        stored = store.track(track.path)
        whole = min(stored.rows // section.clip_frames, section.clips_per_track)
        lengths = [section.clip_frames] * whole or [stored.rows]
        for index, length in enumerate(lengths):
            tracks.append(track.identifier)
            first_row.append(stored.first_row + index * section.clip_frames)
            rows.append(length)
            targets.append(track.targets)
    return Clips(
        tuple(tracks),
        np.array(first_row, np.int64),
        np.array(rows, np.int64),
        np.array(targets, np.float32),
    )
