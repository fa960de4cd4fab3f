"""Batches of random windows of clips, so that a classifier learns short stretches too."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from earmark.audio.segments import SegmentRule
from earmark.training.data.batches import Share, shuffled_batches, updates_an_epoch
from earmark.training.data.clips import Clips
from earmark.training.recipe.sections import WindowSection
from earmark.training.steps.features import ScaleFeatures


class WindowBatches:
    """Windows of random length and place, `windows_per_clip` of every clip an epoch.

    A window's vector is the mean over the segments whose centre lies in it; a scale without such a segment contributes
    the nearest one. Lengths are uniform between the two of the recipe, and never longer than the clip. Where targets
    change along a track, a window has the mean of those that it touches. `features` are those of all scales, one
    loudness after another; every window draws one of them.
    """

    def __init__(
        self,
        features: Sequence[Sequence[ScaleFeatures]],
        levels: tuple[int, ...],
        chosen: npt.NDArray[np.int64],
        clips: Clips,
        windows: WindowSection,
        batch_clips: int,
        seed: int = 0,
        share: Share = Share(),
    ) -> None:
        self._loudnesses = [[_ScaleSegments(scale, levels) for scale in scales] for scales in features]
        self._chosen, self._clips = np.repeat(chosen, windows.windows_per_clip), clips
        self._windows, self._batch_clips, self._seed, self._share = windows, batch_clips, seed, share

    def __len__(self) -> int:
        return updates_an_epoch(len(self._chosen), self._batch_clips)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of an epoch: (n, columns) float32 and (n, tags) float32."""
        generator = np.random.default_rng([self._seed, number])
        for batch in shuffled_batches(len(self._chosen), self._batch_clips, generator):
            lengths = generator.uniform(self._windows.shortest_seconds, self._windows.longest_seconds, len(batch))
            places = generator.uniform(size=len(batch))
            loudness = np.zeros(len(batch), np.int64)
            if len(self._loudnesses) > 1:
                loudness = generator.integers(len(self._loudnesses), size=len(batch))
            taken = self._share.of(np.arange(len(batch)))
            clips = self._chosen[batch[taken]]
            clip_seconds = np.max([scale.clip_seconds(clips) for scale in self._loudnesses[0]], axis=0)
            seconds = np.minimum(lengths[taken], clip_seconds)
            start = places[taken] * (clip_seconds - seconds)
            vectors = self._vectors(loudness[taken], clips, start, start + seconds)
            yield torch.from_numpy(vectors), torch.from_numpy(self._targets(clips, start, start + seconds))

    def _vectors(
        self,
        loudness: npt.NDArray[np.int64],
        clips: npt.NDArray[np.int64],
        start_seconds: npt.NDArray[np.float64],
        stop_seconds: npt.NDArray[np.float64],
    ) -> npt.NDArray[np.float32]:
        """Compute the vectors of windows, each at its loudness: (n, columns) float32."""
        parts = []
        for number, scales in enumerate(self._loudnesses):
            here = np.flatnonzero(loudness == number)
            if len(here):
                means = [scale.means(clips[here], start_seconds[here], stop_seconds[here]) for scale in scales]
                parts.append((here, np.concatenate(means, axis=1)))
        vectors = np.empty((len(clips), parts[0][1].shape[1]), np.float32)
        for here, part in parts:
            vectors[here] = part
        return vectors

    def _targets(
        self,
        clips: npt.NDArray[np.int64],
        start_seconds: npt.NDArray[np.float64],
        stop_seconds: npt.NDArray[np.float64],
    ) -> npt.NDArray[np.float32]:
        first = self._clips.entry_at(clips, start_seconds)
        # A window of targets that begins where this one ends is not counted.
        last = self._clips.entry_at(clips, np.nextafter(stop_seconds, start_seconds))
        return _means(self._clips.table, first, last + 1)


class _ScaleSegments:
    """The segments of one scale, read from the memory map for one batch of windows at a time."""

    def __init__(self, features: ScaleFeatures, levels: tuple[int, ...]) -> None:
        extractor = features.extractor
        rule = SegmentRule(extractor.segment_length, extractor.segment_hop)
        self._hop_seconds = rule.hop * extractor.row_seconds
        self._centre_seconds = rule.centre(0) * extractor.row_seconds
        self._length_seconds = rule.length * extractor.row_seconds
        self._first = features.first
        self._segments = features.segments
        self._columns = features.columns(levels)

    def clip_seconds(self, clips: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Measure clips from their start to the end of their last segment: (n,) float64."""
        count = self._first[clips + 1] - self._first[clips]
        return np.asarray((count - 1) * self._hop_seconds + self._length_seconds, np.float64)

    def means(
        self,
        clips: npt.NDArray[np.int64],
        start_seconds: npt.NDArray[np.float64],
        stop_seconds: npt.NDArray[np.float64],
    ) -> npt.NDArray[np.float32]:
        """Average the segments of clips whose centre lies between two moments: (n, columns) float32."""
        count = self._first[clips + 1] - self._first[clips]
        low = self._following(start_seconds).clip(0, None)
        high = np.minimum(self._following(stop_seconds), count)
        middle_seconds = (start_seconds + stop_seconds) / 2
        nearest = np.rint((middle_seconds - self._centre_seconds) / self._hop_seconds).astype(np.int64)
        nearest = nearest.clip(0, count - 1)
        empty = low >= high
        low, high = np.where(empty, nearest, low), np.where(empty, nearest + 1, high)
        first = self._first[clips]
        return _means(self._segments, first + low, first + high)[:, self._columns]

    def _following(self, seconds: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """Find the first segment whose centre does not lie before a moment."""
        return np.ceil((seconds - self._centre_seconds) / self._hop_seconds).astype(np.int64)


def _means(
    rows: npt.NDArray[np.floating], first: npt.NDArray[np.int64], stop: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Average runs of rows, none of them empty: (runs, columns) float32."""
    counts = stop - first
    begins = np.cumsum(counts) - counts
    places = np.arange(counts.sum()) + np.repeat(first - begins, counts)
    # torch converts float16 and sums several times as fast as numpy.
    run = torch.repeat_interleave(torch.arange(len(counts)), torch.from_numpy(counts))
    sums = torch.zeros(len(counts), rows.shape[1]).index_add_(0, run, torch.from_numpy(rows[places]).float())
    means: npt.NDArray[np.float32] = (sums / torch.from_numpy(counts).unsqueeze(1)).numpy()
    return means
