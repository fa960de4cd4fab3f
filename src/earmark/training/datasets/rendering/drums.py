"""A drum kit, and two patterns with the same hits a bar (4 kicks, 2 snares, 8 hats) at other times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.training.datasets.rendering.plan import DrumPatternName

Samples = npt.NDArray[np.float32]
BEATS_A_BAR = 4
_OFF_BEATS = (0.5, 1.5, 2.5, 3.5)
_HATS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5)


@dataclass(frozen=True)
class DrumPattern:
    """When the drums are hit in a bar, in beats from its start."""

    kick: tuple[float, ...]
    snare: tuple[float, ...]
    hat: tuple[float, ...]


@dataclass(frozen=True)
class Kit:
    """One track's sounds, each (samples,) float32."""

    kick: Samples
    snare: Samples
    hat: Samples


def draw_pattern(name: DrumPatternName, rng: np.random.Generator) -> DrumPattern:
    """Return a pattern of this name, an empty one for `none`.

    Four on the floor: a kick on every beat, snares on two off-beats. Backbeat: snares on the second and
    fourth beat, kicks on the first and third and on two off-beats. Kick and snare never fall together in
    either, so no moment of one pattern could not be one of the other: the distance to the next hits has to
    be heard.
    """
    first, second = sorted(float(beat) for beat in rng.choice(_OFF_BEATS, size=2, replace=False))
    if name == "four on the floor":
        return DrumPattern(kick=(0.0, 1.0, 2.0, 3.0), snare=(first, second), hat=_HATS)
    if name == "backbeat":
        return DrumPattern(kick=(0.0, 2.0, first, second), snare=(1.0, 3.0), hat=_HATS)
    return DrumPattern((), (), ())


def draw_kit(rate_hz: int, rng: np.random.Generator) -> Kit:
    """Return a random kit: a falling sine, noise over a short tone, and bright noise."""
    time = np.arange(round(0.35 * rate_hz)) / rate_hz
    low, fall, length = rng.uniform(42, 60), rng.uniform(60, 140), rng.uniform(7, 14)
    kick = np.exp(-length * time) * np.sin(2 * np.pi * (low * time + fall / 30 * (1 - np.exp(-30 * time))))
    body = np.exp(-25 * time) * np.sin(2 * np.pi * rng.uniform(160, 230) * time)
    rattle = np.exp(-rng.uniform(12, 25) * time) * rng.standard_normal(time.size)
    snare = 0.5 * body + rng.uniform(0.25, 0.45) * rattle
    hiss = np.diff(rng.standard_normal(time.size + 2), n=2)
    hat = 0.12 * np.exp(-rng.uniform(30, 70) * time) * hiss
    gains = rng.uniform(0.8, 1.2, 3)
    sounds = (gain * sound for gain, sound in zip(gains, (kick, snare, hat), strict=True))
    return Kit(*(sound.astype(np.float32) for sound in sounds))
