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

from earmark.audio.segments import SegmentRule
from earmark.training.clips import Clips


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

    Frames come from the memory map a batch at a time as float16 and leave as (n, length, mel_bands) float32. With
    `gain_deviation` the sound of each segment is made louder or softer by exp(N(0, deviation)) before the compression.
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
        gain_deviation: float = 0.0,
        share: Share = Share(),
    ) -> None:
        self._batch_segments = batch_segments
        self._shuffle, self._seed, self._share = shuffle, seed, share
        self._gain_deviation = gain_deviation
        counts = [int(clips.rows[clip]) // rule.length and rule.count(int(clips.rows[clip])) for clip in chosen]
        starts = [
            clips.first_row[clip] + rule.hop * np.arange(count) for clip, count in zip(chosen, counts, strict=True)
        ]
        self._starts = np.concatenate([np.zeros(0, np.int64), *starts])
        self._targets = np.repeat(clips.targets[chosen], counts, axis=0)
        self._length = rule.length
        self._segments = windows_of_rows(frames, rule.length)

    def __len__(self) -> int:
        if self._shuffle:
            return updates_an_epoch(len(self._starts), self._batch_segments)
        return -(-len(self._starts) // self._batch_segments)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch: (n, length, mel_bands) float32 and (n, tags) float32."""
        generator = np.random.default_rng([self._seed, number])
        if self._shuffle:
            for batch in shuffled_batches(len(self._starts), self._batch_segments, generator):
                # Every process draws the gains of the whole batch, so that they do not depend on the shares.
                gains = np.exp(self._gain_deviation * generator.standard_normal(len(batch), np.float32))
                position = self._share.of(np.arange(len(batch)))
                yield self._take(batch[position], gains[position])
        else:
            for first in range(0, len(self._starts), self._batch_segments):
                batch = np.arange(first, min(first + self._batch_segments, len(self._starts)))
                yield self._take(batch, np.ones(len(batch), np.float32))

    def _take(self, batch: npt.NDArray[np.int64], gains: npt.NDArray[np.float32]) -> tuple[Tensor, Tensor]:
        rows = torch.from_numpy(self._segments[self._starts[batch]]).float()
        rows = rows.reshape(len(batch), self._length, -1)
        if self._gain_deviation and self._shuffle:
            rows = louder(rows, torch.from_numpy(gains).reshape(-1, 1, 1))
        return rows, torch.from_numpy(self._targets[batch])


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


def louder(log_mel: Tensor, gain: Tensor) -> Tensor:
    """The log-mel that the sound would have had, made `gain` times as loud: undo log10(1 + c·x), scale, redo."""
    return torch.log10(1 + gain * (torch.pow(10.0, log_mel) - 1))
