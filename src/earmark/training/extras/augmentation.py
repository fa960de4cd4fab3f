"""Augmentation: segments varied anew in every epoch, on their log-mel frames.

A log-mel value x stands for a mel magnitude m = (10^x - 1)/10. So gain, equalisation, band limits and noise are
products and sums of magnitudes, and the magnitudes of two sounds together are about the sum of theirs (Choice: phases
are left out, as no mel band holds any). Pitch moves the bands along frequency; tempo reads the rows faster or slower.
"""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from earmark.audio.logmel import LogMelSettings
from earmark.audio.mel import hz_from_mel, mel_from_hz
from earmark.training.data.batches import SegmentBatches
from earmark.training.recipe.sections import AugmentationSection

COSINES = 3
"""Choice: equalisation is a sum of so many cosines over the mel bands: tone controls, not resonances."""
LOWEST_BAND_LIMIT_HZ = 3_000.0
NOISE_DECIBELS = (-40.0, -10.0)
"""Choice: the level of added noise against the segment's mean magnitude."""


@dataclasses.dataclass(frozen=True)
class Draws:
    """The random draws for a batch of segments, one item each; `of` selects some of them.

    Attributes:
        gain: (n,) float32, factor of the magnitude.
        tempo: (n,) float32, how fast the rows are read.
        tone: (n, COSINES) float32, decibels.
        limit_hz: (n,) float32, the band limit.
        noise_decibels: (n,) float32, -inf for none.
        noise_seed: a seed of the noise itself.
        pitch_semitones: (n,) float32.
        partner: (n,) int64, the position in the batch that is mixed in.
        share: (n,) float32, its share of the targets; 0 for none.
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
        """Select the draws of some items of the batch."""
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
    """The variation of segments in training; what is off costs nothing."""

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
        """Whether rows are read faster or slower than they are stored."""
        return self._section.tempo_deviation > 0

    @property
    def mixes(self) -> bool:
        """Whether segments are mixed with others of their batch."""
        return self._section.mixing_share > 0

    def draw(self, items: int, generator: np.random.Generator) -> Draws:
        """Draw for a whole batch, so that what an item gets does not depend on how processes share it."""
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
        """Vary segments: (n, length, mel_bands) float32 log-mel in and out; `others` are the rows of their partners."""
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
        """Mix the targets of segments by share; they are unknown where either is, if the segment is mixed at all."""
        share = torch.from_numpy(draws.share).reshape(-1, 1)
        return torch.where(share > 0, (1 - share) * targets + share * others, targets)

    def _noise(self, magnitudes: Tensor, draws: Draws, noisy: npt.NDArray[np.int64]) -> Tensor:
        """Draw magnitudes of white noise for some segments: exponential, as those of a Gaussian's power are."""
        generator = torch.Generator().manual_seed(draws.noise_seed)
        level = torch.pow(10.0, torch.from_numpy(draws.noise_decibels[noisy]) / 20).reshape(-1, 1, 1)
        level = level * magnitudes.mean(dim=(1, 2), keepdim=True)
        return level * torch.empty_like(magnitudes).exponential_(generator=generator)

    def _moved(self, rows: Tensor, semitones: npt.NDArray[np.float32]) -> Tensor:
        """Move the bands of every segment along frequency, between neighbouring bands by a straight line."""
        bands = len(self._centres_hz)
        source_hz = self._centres_hz[None, :] / 2.0 ** (semitones[:, None] / 12)
        step = self._edges[1] - self._edges[0]
        place = np.clip((mel_from_hz(source_hz) - self._edges[1]) / step, 0, bands - 1)
        low = np.minimum(place.astype(np.int64), bands - 2)
        part = torch.from_numpy((place - low).astype(np.float32)).unsqueeze(1)
        below = torch.from_numpy(low).unsqueeze(1).expand(-1, rows.shape[1], -1)
        return rows.gather(2, below) * (1 - part) + rows.gather(2, below + 1) * part


class AugmentedBatches:
    """Segments of log-mel frames, shuffled as in the letter and varied anew in every epoch."""

    def __init__(self, plain: SegmentBatches, augmentation: Augmentation) -> None:
        self._plain, self._augmentation = plain, augmentation

    def __len__(self) -> int:
        return len(self._plain)

    def epoch(self, number: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of an epoch: (n, length, mel_bands) float32 and (n, tags) float32."""
        plain, augmentation = self._plain, self._augmentation
        generator = plain.generator(number)
        for batch in plain.shuffled(generator):
            # Every process draws for the whole batch, so that an item's draws do not depend on the shares.
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
        """Read segments by their positions, each at its own speed: (n, length, mel_bands) float32."""
        plain = self._plain
        if not self._augmentation.changes_tempo:
            return plain.segments(batch)
        # Rows are read around the middle, whose targets hold; positions beyond the store are clipped.
        middle = (plain.segment_frames - 1) / 2
        place = plain.starts[batch][:, None] + middle
        place = place + (np.arange(plain.segment_frames)[None, :] - middle) * draws.tempo[:, None]
        place = np.clip(place, 0, len(plain.frames) - 1)
        low = np.minimum(place.astype(np.int64), len(plain.frames) - 2)
        part = torch.from_numpy((place - low).astype(np.float32)).unsqueeze(-1)
        below, above = (torch.from_numpy(plain.frames[at]).float() for at in (low, low + 1))
        return torch.lerp(below, above, part)
