"""Batches of vectors of random windows of clips, for a classifier that is at home on short stretches too."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from earmark.audio.segments import SegmentRule
from earmark.training.batches import Share, shuffled_batches, updates_an_epoch
from earmark.training.features import ScaleFeatures
from earmark.training.recipe import WindowSection


class WindowBatches:
    """A window of random length and place of every clip, once an epoch.

    A window's vector is the mean over the segments whose centre lies in it; a scale with no such segment gives the
    nearest one. Lengths are uniform between the two of the recipe, and never longer than the clip.
    """

    def __init__(
        self,
        features: Sequence[ScaleFeatures],
        levels: tuple[int, ...],
        chosen: npt.NDArray[np.int64],
        targets: Tensor,
        windows: WindowSection,
        batch_clips: int,
        seed: int = 0,
        share: Share = Share(),
    ) -> None:
        self._scales = [_Scale(scale, levels) for scale in features]
        self._chosen, self._targets = chosen, targets
        self._windows, self._batch_clips, self._seed, self._share = windows, batch_clips, seed, share

    def __len__(self) -> int:
        return updates_an_epoch(len(self._chosen), self._batch_clips)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch: (n, columns) float32 and (n, tags) float32."""
        generator = np.random.default_rng([self._seed, number])
        for batch in shuffled_batches(len(self._chosen), self._batch_clips, generator):
            lengths = generator.uniform(self._windows.shortest_seconds, self._windows.longest_seconds, len(batch))
            places = generator.uniform(size=len(batch))
            taken = self._share.of(np.arange(len(batch)))
            vectors = [
                self._vector(int(self._chosen[batch[at]]), float(lengths[at]), float(places[at])) for at in taken
            ]
            yield torch.from_numpy(np.stack(vectors)), self._targets[torch.from_numpy(batch[taken])]

    def _vector(self, clip: int, seconds: float, place: float) -> npt.NDArray[np.float32]:
        clip_seconds = max(scale.clip_seconds(clip) for scale in self._scales)
        seconds = min(seconds, clip_seconds)
        start = place * (clip_seconds - seconds)
        return np.concatenate([scale.mean(clip, start, start + seconds) for scale in self._scales])


class _Scale:
    """One scale's segments, read from the memory map a window at a time."""

    def __init__(self, features: ScaleFeatures, levels: tuple[int, ...]) -> None:
        extractor = features.extractor
        rule = SegmentRule(extractor.segment_length, extractor.segment_hop)
        self._hop_seconds = rule.hop * extractor.row_seconds
        self._centre_seconds = rule.centre(0) * extractor.row_seconds
        self._length_seconds = rule.length * extractor.row_seconds
        self._first = features.first
        self._segments = features.segments
        self._columns = features.columns(levels)

    def clip_seconds(self, clip: int) -> float:
        """From the start of a clip to the end of its last segment."""
        count = int(self._first[clip + 1] - self._first[clip])
        return (count - 1) * self._hop_seconds + self._length_seconds

    def mean(self, clip: int, start_seconds: float, stop_seconds: float) -> npt.NDArray[np.float32]:
        """The mean over a clip's segments whose centre lies between two moments: (columns,) float32."""
        count = int(self._first[clip + 1] - self._first[clip])
        low = int(np.ceil((start_seconds - self._centre_seconds) / self._hop_seconds))
        high = int(np.ceil((stop_seconds - self._centre_seconds) / self._hop_seconds))
        low, high = max(low, 0), min(high, count)
        if low >= high:
            middle_seconds = (start_seconds + stop_seconds) / 2
            low = min(max(round((middle_seconds - self._centre_seconds) / self._hop_seconds), 0), count - 1)
            high = low + 1
        first = int(self._first[clip])
        mean: npt.NDArray[np.float32] = self._segments[first + low : first + high].mean(axis=0, dtype=np.float32)
        return mean[self._columns]
