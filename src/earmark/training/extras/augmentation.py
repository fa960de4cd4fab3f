"""Augment training data: random changes of segments for local CNNs, random windows of clips for the classifier.

Segments are changed as log-mel frames. A log-mel value x stands for a mel magnitude m = (10^x - 1)/10, so gain,
equalisation, band limits and noise are products and sums of magnitudes. Choice: the magnitude of two mixed sounds is
the sum of their magnitudes, because mel bands have no phase. Pitch moves the bands along frequency, and tempo reads the
rows faster or slower. Every epoch draws new changes.
"""

import dataclasses
import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from earmark.audio.logmel import LogMelSettings, hz_from_mel, mel_from_hz
from earmark.audio.segments import SegmentRule
from earmark.training.data.batches import SegmentBatches, Share, shuffled_batches, updates_an_epoch
from earmark.training.data.clips import Clips
from earmark.training.recipe.sections import AugmentationSection, WindowSection
from earmark.training.steps.features import ScaleFeatures

COSINES = 3
"""Choice: equalisation is a sum of three cosines over the mel bands, as smooth as tone controls."""
LOWEST_BAND_LIMIT_HZ = 3_000.0
NOISE_DECIBELS = (-40.0, -10.0)
"""Choice: the range of the level of added noise, relative to the mean magnitude of the segment."""


@dataclasses.dataclass(frozen=True)
class Draws:
    """The random changes of a batch of n segments.

    Attributes:
        gain: (n,) float32, the factor of the magnitude.
        tempo: (n,) float32, the speed at which rows are read; 1 is unchanged.
        tone: (n, COSINES) float32, the amplitudes of the equalisation in decibels.
        limit_hz: (n,) float32, the band limit; inf for none.
        noise_decibels: (n,) float32, the level of noise relative to the segment; -inf for none.
        noise_seed: the seed of the noise.
        pitch_semitones: (n,) float32, the change of pitch.
        partner: (n,) int64, the position in the batch of the segment that is mixed in.
        share: (n,) float32, the share of that segment in the mixture; 0 for none.
    """

    gain: npt.NDArray[np.float32]
    tempo: npt.NDArray[np.float32]
    tone: npt.NDArray[np.float32]
    limit_hz: npt.NDArray[np.float32]
    noise_decibels: npt.NDArray[np.float32]
    noise_seed: int
    pitch_semitones: npt.NDArray[np.float32]
    partner: npt.NDArray[np.int64]
    share: npt.NDArray[np.float32]

    def of(self, position: npt.NDArray[np.int64]) -> "Draws":
        """Return the changes of the items at some positions of the batch."""
        return Draws(
            self.gain[position],
            self.tempo[position],
            self.tone[position],
            self.limit_hz[position],
            self.noise_decibels[position],
            self.noise_seed,
            self.pitch_semitones[position],
            self.partner[position],
            self.share[position],
        )


class Augmentation:
    """The random changes of training segments that a recipe asks for.

    Args:
        section: the recipe's section; without it only the gain changes.
        gain_deviation: the deviation of the logarithm of the gain.
        settings: the front end of the frames.
    """

    def __init__(
        self,
        section: AugmentationSection | None = None,
        gain_deviation: float = 0.0,
        settings: LogMelSettings = LogMelSettings(),
    ) -> None:
        self._section, self._gain_deviation = section or AugmentationSection(), gain_deviation
        edges = np.linspace(mel_from_hz(settings.low_hz), mel_from_hz(settings.high_hz), settings.mel_bands + 2)
        self._centres_hz = hz_from_mel(edges[1:-1])
        self._edges = edges
        bands = np.arange(settings.mel_bands) / max(settings.mel_bands - 1, 1)
        self._cosines = torch.from_numpy(
            np.stack([np.cos(math.pi * order * bands) for order in range(1, COSINES + 1)]).astype(np.float32)
        )

    @property
    def changes_tempo(self) -> bool:
        """Whether rows are read at another speed."""
        return self._section.tempo_deviation > 0

    @property
    def mixes(self) -> bool:
        """Whether segments are mixed with others of their batch."""
        return self._section.mixing_share > 0

    def draw(self, items: int, generator: np.random.Generator) -> Draws:
        """Draw the changes of a whole batch; each item gets the same ones however processes share the batch."""
        section = self._section
        gain = np.exp(self._gain_deviation * generator.standard_normal(items, np.float32))
        ones, zeros = np.ones(items, np.float32), np.zeros(items, np.float32)
        tempo, limit, noise, pitch, share = ones, np.full(items, np.inf, np.float32), zeros - np.inf, zeros, zeros
        tone = np.zeros((items, COSINES), np.float32)
        partner, seed = np.arange(items), 0
        if section.tempo_deviation:
            tempo = np.exp(generator.uniform(-1, 1, items) * math.log1p(section.tempo_deviation)).astype(np.float32)
        if section.equalisation_decibels:
            tone = (section.equalisation_decibels * generator.standard_normal((items, COSINES))).astype(np.float32)
        if section.band_limit_share:
            highest = float(self._centres_hz[-1])
            drawn = np.exp(generator.uniform(math.log(LOWEST_BAND_LIMIT_HZ), math.log(highest), items))
            limited = generator.uniform(size=items) < section.band_limit_share
            limit = np.where(limited, drawn, np.inf).astype(np.float32)
        if section.noise_share:
            drawn = generator.uniform(*NOISE_DECIBELS, items)
            noise = np.where(generator.uniform(size=items) < section.noise_share, drawn, -np.inf).astype(np.float32)
            seed = int(generator.integers(2**31))
        if section.pitch_semitones:
            pitch = generator.uniform(-section.pitch_semitones, section.pitch_semitones, items).astype(np.float32)
        if section.mixing_share:
            partner = generator.permutation(items)
            drawn = generator.uniform(0.0, 0.5, items)
            share = np.where(generator.uniform(size=items) < section.mixing_share, drawn, 0).astype(np.float32)
        return Draws(gain, tempo, tone, limit, noise, seed, pitch, partner, share)

    def apply(self, rows: Tensor, draws: Draws, others: Tensor | None) -> Tensor:
        """Change segments: log-mel (n, length, mel_bands) float32 to the same shape.

        `others` are the segments that are mixed in, of the same shape; None where the recipe does not mix.
        """
        section = self._section
        if not (self._gain_deviation or section.changes_magnitudes or section.pitch_semitones):
            return rows
        if section.pitch_semitones:
            rows = self._moved(rows, draws.pitch_semitones)
        magnitudes = torch.pow(10.0, rows) - 1
        factor = torch.from_numpy(draws.gain).reshape(-1, 1, 1)
        if section.equalisation_decibels:
            decibels = torch.from_numpy(draws.tone) @ self._cosines
            factor = factor * torch.pow(10.0, decibels / 20).unsqueeze(1)
        magnitudes = magnitudes * factor
        if others is not None:
            share = torch.from_numpy(draws.share).reshape(-1, 1, 1)
            magnitudes = (1 - share) * magnitudes + share * (torch.pow(10.0, others) - 1) * factor
        noisy = np.flatnonzero(np.isfinite(draws.noise_decibels))
        if len(noisy):
            magnitudes[noisy] += self._noise(magnitudes[noisy], draws, noisy)
        if section.band_limit_share:
            limit = torch.from_numpy(draws.limit_hz).reshape(-1, 1, 1)
            above = torch.from_numpy(self._centres_hz.astype(np.float32)).reshape(1, 1, -1) > limit
            magnitudes = magnitudes.masked_fill(above, 0.0)
        return torch.log10(1 + magnitudes)

    def mixed(self, targets: Tensor, draws: Draws, others: Tensor) -> Tensor:
        """Mix the targets (n, tags) of segments by share; a mixed target is unknown (NaN) where either target is."""
        share = torch.from_numpy(draws.share).reshape(-1, 1)
        return torch.where(share > 0, (1 - share) * targets + share * others, targets)

    def _noise(self, magnitudes: Tensor, draws: Draws, noisy: npt.NDArray[np.int64]) -> Tensor:
        """Draw the magnitudes of white noise for the segments at some positions, exponentially distributed."""
        generator = torch.Generator().manual_seed(draws.noise_seed)
        level = torch.pow(10.0, torch.from_numpy(draws.noise_decibels[noisy]) / 20).reshape(-1, 1, 1)
        level = level * magnitudes.mean(dim=(1, 2), keepdim=True)
        return level * torch.empty_like(magnitudes).exponential_(generator=generator)

    def _moved(self, rows: Tensor, semitones: npt.NDArray[np.float32]) -> Tensor:
        """Move the bands of every segment along frequency, with linear interpolation between neighbouring bands."""
        bands = len(self._centres_hz)
        source_hz = self._centres_hz[None, :] / 2.0 ** (semitones[:, None] / 12)
        step = self._edges[1] - self._edges[0]
        place = np.clip((mel_from_hz(source_hz) - self._edges[1]) / step, 0, bands - 1)
        low = np.minimum(place.astype(np.int64), bands - 2)
        part = torch.from_numpy((place - low).astype(np.float32)).unsqueeze(1)
        below = torch.from_numpy(low).unsqueeze(1).expand(-1, rows.shape[1], -1)
        return rows.gather(2, below) * (1 - part) + rows.gather(2, below + 1) * part


class AugmentedBatches:
    """Shuffled segments of log-mel frames with random changes, new in every epoch."""

    def __init__(self, plain: SegmentBatches, augmentation: Augmentation) -> None:
        self._plain, self._augmentation = plain, augmentation

    def __len__(self) -> int:
        return len(self._plain)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of an epoch: (n, length, mel_bands) float32 and (n, tags) float32."""
        plain, augmentation = self._plain, self._augmentation
        generator = plain.generator(number)
        for batch in plain.shuffled(generator):
            # Every process draws for the whole batch, so that the changes of an item do not depend on the shares.
            draws = augmentation.draw(len(batch), generator).of(plain.share.of(np.arange(len(batch))))
            chosen = plain.share.of(batch)
            segments, targets = self._read(chosen, draws), plain.targets(chosen)
            if not augmentation.mixes:
                yield augmentation.apply(segments, draws, None), targets
                continue
            partners = batch[draws.partner]
            mixed = augmentation.mixed(targets, draws, plain.targets(partners))
            yield augmentation.apply(segments, draws, self._read(partners, draws)), mixed

    def _read(self, batch: npt.NDArray[np.int64], draws: Draws) -> Tensor:
        """Read segments by their positions, each at its tempo: (n, length, mel_bands) float32."""
        plain = self._plain
        if not self._augmentation.changes_tempo:
            return plain.segments(batch)
        # Rows are read around the middle, whose targets the segment has; positions outside the store are clipped.
        middle = (plain.segment_frames - 1) / 2
        place = plain.starts[batch][:, None] + middle
        place = place + (np.arange(plain.segment_frames)[None, :] - middle) * draws.tempo[:, None]
        place = np.clip(place, 0, len(plain.frames) - 1)
        low = np.minimum(place.astype(np.int64), len(plain.frames) - 2)
        part = torch.from_numpy((place - low).astype(np.float32)).unsqueeze(-1)
        below, above = (torch.from_numpy(plain.frames[at]).float() for at in (low, low + 1))
        return torch.lerp(below, above, part)


class WindowBatches:
    """Batches of random windows of clips, so that the classifier also learns short stretches of sound.

    Every epoch has `windows_per_clip` windows of each clip, with uniformly drawn lengths and places. The vector of a
    window is the mean over the segments whose centre lies in it; a scale without such a segment contributes the nearest
    one. Where targets change along a track, a window has the mean of the targets that it touches.

    Args:
        features: the features of all scales, for each loudness of the clips; every window draws one loudness.
        levels: the levels of the vectors (empty: all).
        chosen: the positions of the clips, (clips,) int64.
        clips: the table of all clips.
        windows: the recipe's section.
        batch_clips: the number of windows in a batch.
        seed: the seed of windows and order.
        share: the part of every batch that this process takes.
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
    """The segments of one scale, read from the memory map."""

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
        """Return the seconds from the start of each clip to the end of its last segment: (n,) float64."""
        count = self._first[clips + 1] - self._first[clips]
        return np.asarray((count - 1) * self._hop_seconds + self._length_seconds, np.float64)

    def means(
        self,
        clips: npt.NDArray[np.int64],
        start_seconds: npt.NDArray[np.float64],
        stop_seconds: npt.NDArray[np.float64],
    ) -> npt.NDArray[np.float32]:
        """Average the segments of each clip whose centre lies between two moments: (n, columns) float32."""
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
        """Return the number of the first segment whose centre does not lie before each moment: (n,) int64."""
        return np.ceil((seconds - self._centre_seconds) / self._hop_seconds).astype(np.int64)


def _means(
    rows: npt.NDArray[np.floating], first: npt.NDArray[np.int64], stop: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Average the rows from `first` to `stop` of each run; no run may be empty: (runs, columns) float32."""
    counts = stop - first
    begins = np.cumsum(counts) - counts
    places = np.arange(counts.sum()) + np.repeat(first - begins, counts)
    # torch converts and sums float16 several times as fast as numpy.
    run = torch.repeat_interleave(torch.arange(len(counts)), torch.from_numpy(counts))
    sums = torch.zeros(len(counts), rows.shape[1]).index_add_(0, run, torch.from_numpy(rows[places]).float())
    means: npt.NDArray[np.float32] = (sums / torch.from_numpy(counts).unsqueeze(1)).numpy()
    return means
