"""The material of an experiment: a dataset, its prepared frames, and the clips cut from them."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.audio.logmel import LogMelSettings
from earmark.errors import TrainingError
from earmark.tagging.bundle.card import Family
from earmark.training.datasets.base import Dataset
from earmark.training.datasets.registry import load_dataset
from earmark.training.material.clips import Clips, cut_clips
from earmark.training.material.store import FrameStore
from earmark.training.material.waveforms import Waveforms, as_float32
from earmark.training.recipe.data import DataSection, Side


@dataclasses.dataclass(frozen=True)
class Material:
    """What every step of an experiment works on.

    Attributes:
        frames: the frame store's memory map, (rows, mel_bands) float16; no rows where nothing looks at frames.
        unreadable: tracks left out because they could not be decoded, a reason each.
        waveforms: the clips' raw sound, where a local CNN hears it.
        front_end: what the frames are.
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
        """SHA-256 over every clip (its track, content, place, length and targets) and what is off in most recipes."""
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
        """Positions of the clips of one side of a split, in order: (clips,) int64."""
        return self.clips.of(self.dataset.split(split).side(side))

    def tracks_of(self, split: str, side: Side) -> tuple[str, ...]:
        """The tracks of one side that have clips, in the order of the clips."""
        return tuple(dict.fromkeys(self.clips.tracks[clip] for clip in self.clips_of(split, side)))

    @property
    def sound(self) -> Waveforms:
        """The clips' raw sound.

        Raises:
            TrainingError: the material was prepared without it.
        """
        if self.waveforms is None:
            raise TrainingError(f"The material of {self.dataset.name} was prepared without raw sound; prepare it with.")
        return self.waveforms

    def clip_rows(self, family: Family, gain: float = 1.0) -> Iterator[npt.NDArray[np.float32]]:
        """Every clip in order, as a family of networks takes it: (frames, mel_bands), or (samples, 1) of raw sound.

        `gain` makes the sound so many times as loud.
        """
        if family == "raw":
            for samples in self.sound.stream(range(len(self.clips))):
                yield gain * as_float32(samples)[:, np.newaxis]
            return
        for first, rows in zip(self.clips.first_row, self.clips.rows, strict=True):
            frames = np.asarray(self.frames[first : first + rows], np.float32)
            # A frame is log10(1 + c·x) of a magnitude x, which the gain multiplies.
            yield frames if gain == 1.0 else np.log10(1.0 + np.float32(gain) * (np.power(np.float32(10), frames) - 1.0))

    def by_track(self, values: npt.NDArray[np.float32], split: str, side: Side) -> npt.NDArray[np.float32]:
        """Average a value a clip, (clips, columns), over the clips of each track of a side: (tracks, columns)."""
        chosen = self.clips_of(split, side)
        order = {track: at for at, track in enumerate(self.tracks_of(split, side))}
        position = np.array([order[self.clips.tracks[clip]] for clip in chosen], np.int64)
        sums = np.zeros((len(order), values.shape[1]), np.float64)
        np.add.at(sums, position, values[chosen])
        means: npt.NDArray[np.float32] = (sums / np.bincount(position)[:, None]).astype(np.float32)
        return means


def prepare_material(
    section: DataSection,
    store_root: Path,
    processes: int,
    progress: Callable[[int, int], None],
    *,
    frames: bool = True,
    waveforms: bool = False,
    front_end: LogMelSettings = LogMelSettings(),
) -> Material:
    """Load the dataset of a recipe, decode what is not in the store yet, and cut the clips.

    `progress` is called with the number of tracks done and their number in all. Without `frames` none are kept, only
    how many there are; with `waveforms` the clips' raw sound can be streamed.
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
        sound = Waveforms([paths_of[track] for track in clips.tracks], clips, processes)
    return Material(dataset, store.frames(), clips, contents, tuple(failures.values()), sound, front_end)
