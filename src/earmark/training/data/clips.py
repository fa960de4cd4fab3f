"""Prepare the data of an experiment: a dataset, its log-mel frames, and the clips cut from them."""

import dataclasses
import hashlib
import math
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from earmark.audio.logmel import LogMelSettings
from earmark.errors import TrainingError
from earmark.tagging.bundle.card import Family
from earmark.training.data.store import FrameStore
from earmark.training.data.waveforms import Waveforms, as_float32
from earmark.training.datasets.base import Dataset
from earmark.training.datasets.registry import load_dataset
from earmark.training.recipe.sections import DataSection, Side


@dataclasses.dataclass(frozen=True)
class Clips:
    """A table of clips, in the order of the dataset's tracks.

    Attributes:
        tracks: the identifier of each clip's track.
        first_row: (clips,) int64, the first row of each clip in the frame store.
        rows: (clips,) int64, the number of frames of each clip; short tracks have shorter clips.
        targets: (clips, tags) float32 in 0..1, NaN where unknown: the targets of each clip's track.
        table: (entries, tags) float32, the targets of windows, track after track; a track whose targets do not change
            has one entry.
        first_entry, entries: (clips,) int64, the first entry of each clip's track, and the number of its entries.
        entry_seconds: (clips,) float64, the length of a window of each clip's track; infinite where there is one entry.
        start_seconds: (clips,) float64, the start of each clip in its track.
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
        """Make clips whose targets do not change along the track; the arguments are the attributes of these names."""
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
        """Return the positions of the clips of some tracks, in order: (n,) int64."""
        wanted = frozenset(tracks)
        return np.array([at for at, track in enumerate(self.tracks) if track in wanted], np.int64)

    def entry_at(self, clip: int | npt.NDArray[np.int64], seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Return the rows of `table` at some moments, all of one clip or each of its own clip: (moments,) int64.

        `seconds` are counted from the start of the clip.
        """
        place = np.floor((self.start_seconds[clip] + seconds) / self.entry_seconds[clip]).astype(np.int64)
        entry: npt.NDArray[np.int64] = self.first_entry[clip] + np.clip(place, 0, self.entries[clip] - 1)
        return entry


def cut_clips(dataset: Dataset, store: FrameStore, section: DataSection, failures: Mapping[Path, str]) -> Clips:
    """Cut every track into at most `clips_per_track` clips of `clip_frames` frames, from its start and without overlap.

    A track that is shorter than one clip makes one shorter clip (Choice: the letter's clips all have 29.1 s). Where the
    targets change along a track, `Clips.targets` holds those of the whole track, and `Clips.entry_at` finds those of a
    moment.

    Args:
        dataset: the dataset.
        store: the store that holds the frames of its tracks.
        section: the recipe's section.
        failures: the reasons for the files that could not be decoded.

    Raises:
        TrainingError: more tracks could not be decoded than the recipe allows.
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
    """A row of the table of clips: the columns of `Clips` in order, without `table`."""

    track: str
    first_row: int
    rows: int
    targets: tuple[float, ...]
    first_entry: int
    entries: int
    entry_seconds: float
    start_seconds: float


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """The data of an experiment.

    Attributes:
        dataset: the dataset.
        frames: (rows, mel_bands) float16, the memory map of the frame store; no rows where no network takes frames.
        clips: the table of clips.
        contents: the content hash of every clip's track.
        unreadable: the reasons for the tracks that could not be decoded.
        waveforms: the raw sound of the clips, where a local CNN takes it.
        front_end: the settings of the frames.
    """

    dataset: Dataset
    frames: npt.NDArray[np.float16]
    clips: Clips
    contents: tuple[str, ...]
    unreadable: tuple[str, ...]
    waveforms: Waveforms | None = None
    front_end: LogMelSettings = LogMelSettings()

    @cached_property
    def hash(self) -> str:
        """The SHA-256 of every clip (track, content, length, targets), of targets over time, and of the level."""
        digest = hashlib.sha256()
        clips = self.clips
        for track, content, rows, targets in zip(clips.tracks, self.contents, clips.rows, clips.targets, strict=True):
            digest.update(f"{track}\t{content}\t{rows}\t{targets.tolist()}\n".encode())
        if len(clips.table) > len(dict.fromkeys(clips.tracks)):
            digest.update(clips.table.tobytes())
        if self.front_end.level_seconds:
            digest.update(f"level {self.front_end.level_seconds}".encode())
        return digest.hexdigest()

    def clips_of(self, split: str, side: Side) -> npt.NDArray[np.int64]:
        """Return the positions of the clips of one side of a split, in order: (n,) int64."""
        return self.clips.of(self.dataset.split(split).side(side))

    def tracks_of(self, split: str, side: Side) -> tuple[str, ...]:
        """Return the tracks of one side that have clips, in the order of the clips."""
        return tuple(dict.fromkeys(self.clips.tracks[clip] for clip in self.clips_of(split, side)))

    @property
    def sound(self) -> Waveforms:
        """The raw sound of the clips.

        Raises:
            TrainingError: the data was prepared without it.
        """
        if self.waveforms is None:
            raise TrainingError(
                f"The data of {self.dataset.name} was prepared without raw sound; expected waveforms. "
                "Prepare it with waveforms=True."
            )
        return self.waveforms

    def clip_rows(self, family: Family, gain: float = 1.0) -> Iterator[npt.NDArray[np.float32]]:
        """Yield every clip in order as float32: (frames, mel_bands) for log-mel networks, (samples, 1) for raw ones.

        `gain` multiplies the sound.
        """
        if family == "raw":
            for samples in self.sound.stream(range(len(self.clips))):
                yield gain * as_float32(samples)[:, np.newaxis]
            return
        for first, rows in zip(self.clips.first_row, self.clips.rows, strict=True):
            frames = np.asarray(self.frames[first : first + rows], np.float32)
            # A frame holds log10(1 + c·x) of a magnitude x, which the gain multiplies.
            yield frames if gain == 1.0 else np.log10(1.0 + np.float32(gain) * (np.power(np.float32(10), frames) - 1.0))

    def by_track(self, values: npt.NDArray[np.float32], split: str, side: Side) -> npt.NDArray[np.float32]:
        """Average values (clips, columns) over the clips of each track of a side: (tracks, columns) float32."""
        chosen = self.clips_of(split, side)
        order = {track: at for at, track in enumerate(self.tracks_of(split, side))}
        position = np.array([order[self.clips.tracks[clip]] for clip in chosen], np.int64)
        sums = np.zeros((len(order), values.shape[1]), np.float64)
        np.add.at(sums, position, values[chosen])
        means: npt.NDArray[np.float32] = (sums / np.bincount(position)[:, None]).astype(np.float32)
        return means


def prepare_data(
    section: DataSection,
    store_root: Path,
    processes: int,
    progress: Callable[[int, int], None],
    *,
    frames: bool = True,
    waveforms: bool = False,
    front_end: LogMelSettings = LogMelSettings(),
) -> TrainingData:
    """Load the dataset of a recipe, decode the tracks that are not in the store yet, and cut the clips.

    Args:
        section: the recipe's section.
        store_root: the folder of frame stores.
        processes: the number of processes that decode.
        progress: called with the number of tracks done and the number of all tracks.
        frames: whether to store frames; otherwise only their number is stored.
        waveforms: whether the raw sound of clips will be streamed.
        front_end: the settings of the frames.

    Raises:
        DatasetError: the dataset cannot be loaded.
        StoreError: the store cannot be read.
        TrainingError: more tracks could not be decoded than the recipe allows.
    """
    dataset = load_dataset(section.dataset, section.root, section.options)
    store = FrameStore(store_root, front_end, keep_frames=frames)
    paths = [track.path for track in dataset.tracks]
    failures = store.prepare(paths, processes, lambda done: progress(done, len(paths)))
    clips = cut_clips(dataset, store, section, failures)
    content = {
        track.identifier: store.track(track.path).content for track in dataset.tracks if track.path not in failures
    }
    contents = tuple(content[track] for track in clips.tracks)
    sound = None
    if waveforms:
        paths_of = {track.identifier: track.path for track in dataset.tracks}
        sound = Waveforms([paths_of[track] for track in clips.tracks], clips.rows, clips.start_seconds, processes)
    return TrainingData(dataset, store.frames(), clips, contents, tuple(failures.values()), sound, front_end)
