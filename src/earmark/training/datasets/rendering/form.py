"""The shape of a whole track: whether it grows, and whether its second half is of another texture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.training.datasets.rendering.plan import Plan

_GROWTH_SHARE = 2 / 3
"""How much of the track a build-up lasts: 20 of 30 seconds."""


@dataclass(frozen=True)
class Texture:
    """How a stretch is set: the pad's octave, its brightness in 0..1, and beats between bass notes."""

    octave: int
    brightness: float
    bass_beats: float


@dataclass(frozen=True)
class Form:
    """Textures before and after `change_seconds` (alike without a contrast), and the rise of a build-up."""

    before: Texture
    after: Texture
    change_seconds: float
    rise_decibels: float
    rise_seconds: float

    def texture(self, seconds: float) -> Texture:
        """Return the texture at a time."""
        return self.before if seconds < self.change_seconds else self.after

    def gain(self, samples: int, rate_hz: int) -> npt.NDArray[np.float32]:
        """Return the factor on every sample, (samples,): rising to 1 in a build-up, else 1."""
        time = np.arange(samples, dtype=np.float32) / np.float32(rate_hz)
        share = np.clip(time / np.float32(self.rise_seconds), 0, 1)
        decibels = np.float32(self.rise_decibels) * (share - 1)
        gain: npt.NDArray[np.float32] = np.power(np.float32(10), decibels / np.float32(20))
        return gain


def draw_form(plan: Plan, seconds: float, beat_seconds: float, rng: np.random.Generator) -> Form:
    """Return a form. Each texture occurs in tracks with and without a contrast: only both in one track tell.

    The change falls on the beat nearest to a random time in 45 % to 55 % of the track, about 15 of 30
    seconds.
    """
    textures = [
        Texture(octave=0, brightness=float(rng.uniform(0.0, 0.25)), bass_beats=1.0),
        Texture(octave=1, brightness=float(rng.uniform(0.75, 1.0)), bass_beats=2.0),
    ]
    first = int(rng.integers(2))
    beats = max(1, round(rng.uniform(0.45, 0.55) * seconds / beat_seconds))
    return Form(
        before=textures[first],
        after=textures[1 - first] if plan.contrast else textures[first],
        change_seconds=beats * beat_seconds if plan.contrast else seconds,
        rise_decibels=float(rng.uniform(14, 22)) if plan.build_up else 0.0,
        rise_seconds=_GROWTH_SHARE * seconds,
    )
