"""Batches: shuffled segments of clips for local CNNs, vectors of clips or of random windows for classifiers.

What an epoch holds follows from its seed and number alone. Where several processes train together, each global batch
is drawn alike by all of them and each takes its share.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from earmark.audio.logmel import LogMelSettings
from earmark.audio.segments import SegmentRule
from earmark.training.material.augmentation import Augmentation, Draws
from earmark.training.material.clips import Clips

ROW_SECONDS = LogMelSettings().hop_samples / LogMelSettings().rate_hz
"""From one frame to the next with the letter's front end."""


@dataclasses.dataclass(frozen=True)
class Share:
    """Which part of every global batch this process takes."""

    rank: int = 0
    processes: int = 1

    def of(self, batch: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """This process's items of a global batch; all shares have the same length."""
        even = len(batch) - len(batch) % self.processes
        return batch[self.rank : even : self.processes]


def shuffled_batches(items: int, batch_items: int, generator: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
    """Every item once, in random order, in full batches.

    Choice: a last batch that is not full is left out of the epoch, as batch norm is ill at ease with a handful; a set
    smaller than a batch is one batch.
    """
    order = generator.permutation(items)
    for index in range(updates_an_epoch(items, batch_items)):
        yield order[index * batch_items : (index + 1) * batch_items]


def updates_an_epoch(items: int, batch_items: int) -> int:
    """How many batches `shuffled_batches` makes; none of a single item, which batch norm cannot learn from."""
    return max(items // batch_items, int(items > 1))


class SegmentBatches:
    """Segments of one length, shuffled across clips, each with the targets of its clip ([SPL] section II-B).

    Where targets change along a track a segment has those of the moment in its middle. Frames come from the memory map
    a batch at a time as float16 and leave as (n, length, mel_bands) float32, varied by the augmentation in training.
    """

    def __init__(
        self,
        frames: npt.NDArray[np.float16],
        clips: Clips,
        chosen: npt.NDArray[np.int64],
        rule: SegmentRule,
        batch_segments: int,
        *,
        shuffle: bool,
        seed: int = 0,
        augmentation: Augmentation | None = None,
        row_seconds: float = ROW_SECONDS,
        share: Share = Share(),
    ) -> None:
        self._batch_segments = batch_segments
        self._shuffle, self._seed, self._share = shuffle, seed, share
        self._augmentation = (augmentation or Augmentation()) if shuffle else None
        counts = [int(clips.rows[clip]) // rule.length and rule.count(int(clips.rows[clip])) for clip in chosen]
        places = [rule.hop * np.arange(count) for count in counts]
        starts = [clips.first_row[clip] + place for clip, place in zip(chosen, places, strict=True)]
        entries = [
            clips.entry_at(int(clip), np.asarray((place + rule.centre(0)) * row_seconds, np.float64))
            for clip, place in zip(chosen, places, strict=True)
        ]
        self._starts = np.concatenate([np.zeros(0, np.int64), *starts])
        self._entries = np.concatenate([np.zeros(0, np.int64), *entries])
        self._targets = clips.table
        self._length = rule.length
        self._frames = frames
        self._segments = windows_of_rows(frames, rule.length)

    def __len__(self) -> int:
        if self._shuffle:
            return updates_an_epoch(len(self._starts), self._batch_segments)
        return -(-len(self._starts) // self._batch_segments)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch: (n, length, mel_bands) float32 and (n, tags) float32."""
        generator = np.random.default_rng([self._seed, number])
        if self._augmentation is None:
            for first in range(0, len(self._starts), self._batch_segments):
                batch = np.arange(first, min(first + self._batch_segments, len(self._starts)))
                yield self._rows(batch), self._targets_of(batch)
            return
        for batch in shuffled_batches(len(self._starts), self._batch_segments, generator):
            # Every process draws for the whole batch, so that an item's draws do not depend on the shares.
            draws = self._augmentation.draw(len(batch), generator)
            yield self._varied(self._augmentation, batch, draws.of(self._share.of(np.arange(len(batch)))))

    def _varied(self, augmentation: Augmentation, batch: npt.NDArray[np.int64], draws: Draws) -> tuple[Tensor, Tensor]:
        chosen = self._share.of(batch)
        targets = self._targets_of(chosen)
        if not augmentation.mixes:
            return augmentation.apply(self._read(chosen, augmentation, draws), draws, None), targets
        partners = batch[draws.partner]
        others = self._read(partners, augmentation, draws)
        rows = augmentation.apply(self._read(chosen, augmentation, draws), draws, others)
        return rows, augmentation.mixed(targets, draws, self._targets_of(partners))

    def _read(self, batch: npt.NDArray[np.int64], augmentation: Augmentation, draws: Draws) -> Tensor:
        if not augmentation.changes_tempo:
            return self._rows(batch)
        # Around the middle, where the targets are; a segment at the end of the store leans back.
        middle = (self._length - 1) / 2
        place = self._starts[batch][:, None] + middle
        place = place + (np.arange(self._length)[None, :] - middle) * draws.tempo[:, None]
        place = np.clip(place, 0, len(self._frames) - 1)
        low = np.minimum(place.astype(np.int64), len(self._frames) - 2)
        part = torch.from_numpy((place - low).astype(np.float32)).unsqueeze(-1)
        below, above = (torch.from_numpy(self._frames[at]).float() for at in (low, low + 1))
        return torch.lerp(below, above, part)

    def _rows(self, batch: npt.NDArray[np.int64]) -> Tensor:
        rows = torch.from_numpy(self._segments[self._starts[batch]]).float()
        return rows.reshape(len(batch), self._length, -1)

    def _targets_of(self, batch: npt.NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(self._targets[self._entries[batch]])


class VectorBatches:
    """Vectors of clips, shuffled or in order."""

    def __init__(
        self,
        vectors: Tensor,
        targets: Tensor,
        batch_clips: int,
        *,
        shuffle: bool,
        seed: int = 0,
        share: Share = Share(),
    ) -> None:
        self._vectors, self._targets, self._batch_clips = vectors, targets, batch_clips
        self._shuffle, self._seed, self._share = shuffle, seed, share

    def __len__(self) -> int:
        if self._shuffle:
            return updates_an_epoch(len(self._vectors), self._batch_clips)
        return -(-len(self._vectors) // self._batch_clips)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch: (n, columns) float32 and (n, tags) float32."""
        if not self._shuffle:
            for first in range(0, len(self._vectors), self._batch_clips):
                last = first + self._batch_clips
                yield self._vectors[first:last], self._targets[first:last]
            return
        generator = np.random.default_rng([self._seed, number])
        for batch in shuffled_batches(len(self._vectors), self._batch_clips, generator):
            taken = torch.from_numpy(self._share.of(batch))
            yield self._vectors[taken], self._targets[taken]


def windows_of_rows(frames: npt.NDArray[np.float16], length: int) -> npt.NDArray[np.float16]:
    """A view in which item i is rows i to i + length, flattened: (rows - length + 1, length · mel_bands).

    Neighbouring rows lie side by side in the file, so that taking an item is one contiguous copy.
    """
    rows, bands = frames.shape
    if rows < length:
        return np.zeros((0, length * bands), np.float16)
    stride = frames.strides[0]
    return np.lib.stride_tricks.as_strided(
        frames, (rows - length + 1, length * bands), (stride, frames.itemsize), writeable=False
    )
