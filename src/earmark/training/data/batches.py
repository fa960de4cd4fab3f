"""Make batches for training: segments of log-mel frames, segments of raw sound, and vectors of clips.

The content of an epoch depends only on the seed and the number of the epoch. Where several processes train together,
all of them draw the same global batches, and each takes its share.
"""

import dataclasses
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from earmark.audio.logmel import LogMelSettings
from earmark.audio.segments import SegmentRule
from earmark.training.data.clips import Clips
from earmark.training.data.waveforms import FULL_SCALE, Samples, Waveforms

ROW_SECONDS = LogMelSettings().hop_samples / LogMelSettings().rate_hz
"""The seconds between two frames of the letter's front end."""


@dataclasses.dataclass(frozen=True)
class Share:
    """The part of every global batch that one of several processes takes."""

    rank: int = 0
    processes: int = 1

    def of(self, batch: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return this process's items of a global batch; all shares have the same length."""
        even = len(batch) - len(batch) % self.processes
        return batch[self.rank : even : self.processes]


def shuffled_batches(items: int, batch_items: int, generator: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the positions of items in random order, in full batches: (batch_items,) int64.

    Choice: a last batch that is not full is left out, because batch norm works badly with few items. A set smaller than
    a batch makes one batch.
    """
    order = generator.permutation(items)
    for index in range(updates_an_epoch(items, batch_items)):
        yield order[index * batch_items : (index + 1) * batch_items]


def updates_an_epoch(items: int, batch_items: int) -> int:
    """Return the number of batches of `shuffled_batches`; a single item makes none, because batch norm needs two."""
    return max(items // batch_items, int(items > 1))


class SegmentBatches:
    """Batches of log-mel segments, shuffled across clips, each with the targets of its clip ([SPL] II-A).

    Where targets change along a track, a segment has the targets at its middle. Frames are read from the memory map,
    one batch at a time.

    Args:
        frames: the frame store, (rows, mel_bands) float16.
        clips: the table of all clips.
        chosen: the positions of the clips, (clips,) int64.
        rule: length and hop of segments in frames.
        batch_segments: the number of segments in a batch.
        shuffle: whether to shuffle; otherwise segments come in order, and the last batch may be smaller.
        seed: the seed of the order.
        row_seconds: the seconds between two frames.
        share: the part of every batch that this process takes.
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
        row_seconds: float = ROW_SECONDS,
        share: Share = Share(),
    ) -> None:
        counts = [int(clips.rows[clip]) // rule.length and rule.count(int(clips.rows[clip])) for clip in chosen]
        places = [rule.hop * np.arange(count) for count in counts]
        starts = [clips.first_row[clip] + place for clip, place in zip(chosen, places, strict=True)]
        entries = [
            clips.entry_at(int(clip), np.asarray((place + rule.centre(0)) * row_seconds, np.float64))
            for clip, place in zip(chosen, places, strict=True)
        ]
        self.frames, self.share, self.segment_frames = frames, share, rule.length
        self.starts: npt.NDArray[np.int64] = np.concatenate([np.zeros(0, np.int64), *starts])
        """The row of `frames` at which every segment begins: (segments,) int64."""
        self._batch_segments, self._shuffle, self._seed = batch_segments, shuffle, seed
        self._entries = np.concatenate([np.zeros(0, np.int64), *entries])
        self._table = clips.table
        self._windows = windows_of_rows(frames, rule.length)

    def __len__(self) -> int:
        if self._shuffle:
            return updates_an_epoch(len(self.starts), self._batch_segments)
        return -(-len(self.starts) // self._batch_segments)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of an epoch: (n, length, mel_bands) float32 and (n, tags) float32."""
        if self._shuffle:
            batches = (self.share.of(batch) for batch in self.shuffled(self.generator(number)))
        else:
            every, size = np.arange(len(self.starts)), self._batch_segments
            batches = (every[first : first + size] for first in range(0, len(every), size))
        for batch in batches:
            yield self.segments(batch), self.targets(batch)

    def generator(self, number: int) -> np.random.Generator:
        """Return the random generator of an epoch."""
        return np.random.default_rng([self._seed, number])

    def shuffled(self, generator: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
        """Yield the positions of the segments of every global batch in random order."""
        return shuffled_batches(len(self.starts), self._batch_segments, generator)

    def segments(self, batch: npt.NDArray[np.int64]) -> Tensor:
        """Read segments by their positions: (n, length, mel_bands) float32."""
        rows = torch.from_numpy(self._windows[self.starts[batch]]).float()
        return rows.reshape(len(batch), self.segment_frames, -1)

    def targets(self, batch: npt.NDArray[np.int64]) -> Tensor:
        """Return the targets of segments by their positions: (n, tags) float32."""
        return torch.from_numpy(self._table[self._entries[batch]])


class VectorBatches:
    """Batches of vectors of clips, shuffled or in order.

    Args:
        vectors: (clips, columns) float32.
        targets: (clips, tags) float32 in 0..1, NaN where unknown.
        batch_clips: the number of clips in a batch.
        shuffle: whether to shuffle; otherwise clips come in order, and the last batch may be smaller.
        seed: the seed of the order.
        share: the part of every batch that this process takes.
    """

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
        """Yield the batches of an epoch: (n, columns) float32 and (n, tags) float32."""
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
    """Return a view whose item i holds the rows i to i + length: (rows - length + 1, length · mel_bands) float16.

    Neighbouring rows are adjacent in the file, so that reading an item is one contiguous copy.
    """
    rows, bands = frames.shape
    if rows < length:
        return np.zeros((0, length * bands), np.float16)
    stride = frames.strides[0]
    return np.lib.stride_tricks.as_strided(
        frames, (rows - length + 1, length * bands), (stride, frames.itemsize), writeable=False
    )


POOL_SAMPLES = 1 << 28
"""The samples that are shuffled together: 3.4 hours, half a gigabyte; as many are decoded ahead."""
BATCHES_AHEAD = 4
"""The number of batches made ahead; on a GPU, making a batch takes as long as learning from it."""


class WaveformBatches:
    """Batches of raw segments, shuffled across clips, each with the targets of its clip or of its middle.

    The sound of a training set may not fit into memory, so an epoch shuffles twice: the clips, which are cut into pools
    of bounded size, and then the segments within each pool. A set that fits into one pool is shuffled as a whole.

    Args:
        waveforms: the sound of all clips.
        clips: the table of all clips.
        chosen: the positions of the clips, (clips,) int64.
        rule: length and hop of segments in samples.
        batch_segments: the number of segments in a batch.
        shuffle: whether to shuffle; otherwise segments come in order, and the last batch may be smaller.
        seed: the seed of order and gains.
        gain_deviation: the deviation of the logarithm of the gain that each segment is multiplied by.
        share: the part of every batch that this process takes.
        pool_samples: the size of a pool.
    """

    def __init__(
        self,
        waveforms: Waveforms,
        clips: Clips,
        chosen: npt.NDArray[np.int64],
        rule: SegmentRule,
        batch_segments: int,
        *,
        shuffle: bool,
        seed: int = 0,
        gain_deviation: float = 0.0,
        share: Share = Share(),
        pool_samples: int = POOL_SAMPLES,
    ) -> None:
        self._waveforms, self._clips, self._rule, self._batch_segments = waveforms, clips, rule, batch_segments
        self._shuffle, self._seed, self._share = shuffle, seed, share
        self._gain_deviation, self._pool_samples = gain_deviation, pool_samples
        samples = waveforms.samples[chosen]
        whole = samples >= rule.length
        self._chosen = chosen[whole]
        self._counts = np.array([rule.count(int(length)) for length in samples[whole]], np.int64)

    def __len__(self) -> int:
        segments = int(self._counts.sum())
        if self._shuffle:
            return updates_an_epoch(segments, self._batch_segments)
        return -(-segments // self._batch_segments)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of an epoch, made ahead: (n, samples, 1) float32 and (n, tags) float32."""
        return _made_ahead(self._epoch(number))

    def _epoch(self, number: int) -> Generator[tuple[Tensor, Tensor], None, None]:
        generator = np.random.default_rng([self._seed, number])
        order = generator.permutation(len(self._chosen)) if self._shuffle else np.arange(len(self._chosen))
        places, segments = self._plan(order, generator)
        reader = _Reader(self._waveforms, self._chosen[order], self._counts[order], self._rule)
        for index in range(len(self)):
            batch = slice(index * self._batch_segments, (index + 1) * self._batch_segments)
            count = len(places[batch])
            gains = np.ones(count, np.float32)
            if self._shuffle:
                # Every process draws the gains of the whole batch, so that they do not depend on the shares.
                gains = np.exp(self._gain_deviation * generator.standard_normal(count, np.float32))
            mine = self._share.of(np.arange(count)) if self._shuffle else np.arange(count)
            raw = reader.take(places[batch], segments[batch], mine)
            rows = torch.from_numpy(raw).float() * torch.from_numpy(gains[mine] / np.float32(FULL_SCALE))[:, None]
            clips = self._chosen[order[places[batch][mine]]]
            yield rows.unsqueeze(-1), self._targets(clips, segments[batch][mine])

    def _plan(
        self, order: npt.NDArray[np.int64], generator: np.random.Generator
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the segments of an epoch, pool after pool: the place of each clip in `order`, and the number in it."""
        counts = self._counts[order]
        places = np.repeat(np.arange(len(order)), counts)
        segments = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
        if self._shuffle:
            samples = self._waveforms.samples[self._chosen[order]]
            pool = (np.cumsum(samples) - samples) // self._pool_samples
            drawn = generator.permutation(len(places))
            # A stable sort keeps the random order within a pool.
            drawn = drawn[np.argsort(pool[places[drawn]], kind="stable")]
            places, segments = places[drawn], segments[drawn]
        return places, segments

    def _targets(self, clips: npt.NDArray[np.int64], segments: npt.NDArray[np.int64]) -> Tensor:
        seconds = (segments * self._rule.hop + self._rule.centre(0)) / self._waveforms.rate_hz
        return torch.from_numpy(self._clips.table[self._clips.entry_at(clips, seconds)])


def _made_ahead(batches: Generator[tuple[Tensor, Tensor], None, None]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches in order, while a thread makes the next ones."""
    executor = ThreadPoolExecutor(1)
    try:
        waiting = deque(executor.submit(next, batches, None) for _ in range(BATCHES_AHEAD))
        while (batch := waiting.popleft().result()) is not None:
            waiting.append(executor.submit(next, batches, None))
            yield batch
    finally:
        executor.shutdown(cancel_futures=True)
        batches.close()


class _Reader:
    """A reader of segments from streamed clips, which drops a clip after its last segment."""

    def __init__(
        self,
        waveforms: Waveforms,
        clips: npt.NDArray[np.int64],
        counts: npt.NDArray[np.int64],
        rule: SegmentRule,
    ) -> None:
        self._stream = waveforms.stream(clips.tolist())
        self._left = counts.copy()
        self._rule = rule
        self._held: dict[int, Samples] = {}
        self._next = 0

    def take(
        self, places: npt.NDArray[np.int64], segments: npt.NDArray[np.int64], mine: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.int16]:
        """Read the segments of a batch at the positions `mine`: (n, samples) int16.

        `places` holds the place of each segment's clip in the order of clips, `segments` its number in the clip.
        """
        while self._next <= places.max():
            self._held[self._next] = next(self._stream)
            self._next += 1
        starts = segments * self._rule.hop
        taken = np.stack([self._held[places[at]][starts[at] : starts[at] + self._rule.length] for at in mine])
        np.subtract.at(self._left, places, 1)
        for place in dict.fromkeys(places.tolist()):
            if not self._left[place]:
                del self._held[place]
        return taken
