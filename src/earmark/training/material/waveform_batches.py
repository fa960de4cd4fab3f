"""Batches of raw segments for sample-level CNNs, from clips that stream by.

The segments of a training set need not fit into memory; so an epoch shuffles twice. All clips are put in random order
and cut into pools of a bounded size; the segments of a pool are shuffled among themselves. What an epoch holds follows
from its seed and number alone, and never from the processes that decode or the memory that there is. A set that fits
into one pool (three hours) is shuffled whole, as log-mel segments are.
"""

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from earmark.audio.segments import SegmentRule
from earmark.training.material.batches import Share, updates_an_epoch
from earmark.training.material.clips import Clips
from earmark.training.material.waveforms import FULL_SCALE, Samples, Waveforms

POOL_SAMPLES = 1 << 28
"""How much sound is shuffled together: 3.4 hours, half a gigabyte; with as much decoded ahead it is twice that."""
BATCHES_AHEAD = 4
"""Batches of a few segments are a few megabytes; on a GPU making one takes as long as learning from it."""


class WaveformBatches:
    """Raw segments of one length, shuffled across clips, each with the targets of its clip, or of its middle's moment.

    They leave as (n, samples, 1) float32. With `gain_deviation` each is made louder or softer by exp(N(0, deviation)).
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
        """The batches of an epoch, made ahead: (n, samples, 1) float32 and (n, tags) float32."""
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
        """Every segment of an epoch: which clip of the order, and which of its segments; pool after pool."""
        counts = self._counts[order]
        places = np.repeat(np.arange(len(order)), counts)
        segments = np.arange(len(places)) - np.repeat(np.cumsum(counts) - counts, counts)
        if self._shuffle:
            samples = self._waveforms.samples[self._chosen[order]]
            pool = (np.cumsum(samples) - samples) // self._pool_samples
            drawn = generator.permutation(len(places))
            # Stable: what is drawn stays in its random order within a pool.
            drawn = drawn[np.argsort(pool[places[drawn]], kind="stable")]
            places, segments = places[drawn], segments[drawn]
        return places, segments

    def _targets(self, clips: npt.NDArray[np.int64], segments: npt.NDArray[np.int64]) -> Tensor:
        seconds = (segments * self._rule.hop + self._rule.centre(0)) / self._waveforms.rate_hz
        return torch.from_numpy(self._clips.table[self._clips.entry_at(clips, seconds)])


def _made_ahead(batches: Generator[tuple[Tensor, Tensor], None, None]) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches in their order, the next few made by a thread while the device is at work on this one."""
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
    """Takes segments out of clips that stream by in order, and lets go of a clip after its last segment."""

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
        """Of a batch of segments, by their clips' places in the order, those at some positions: (n, samples) int16."""
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
