"""Where a track seems to have been recorded: echoes, the colour of the microphone, noise and level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
_ECHOES = 16


@dataclass(frozen=True)
class Room:
    """`echoes`: delays in samples and gains. `tilt` in -0.5..0.5: below 0 brighter, above 0 duller."""

    echoes: tuple[tuple[int, float], ...]
    tilt: float
    noise_decibels: float
    peak_decibels: float


def draw_room(rate_hz: int, rng: np.random.Generator) -> Room:
    """Return a random room: from dry to an echo that dies in a second."""
    decay_seconds, wet = rng.uniform(0.15, 1.0), rng.uniform(0.0, 0.5)
    delays = np.sort(rng.uniform(0.011, decay_seconds, _ECHOES))
    gains = wet * rng.choice((-1.0, 1.0), _ECHOES) * 10 ** (-2.0 * delays / decay_seconds)
    return Room(
        echoes=tuple((round(float(d) * rate_hz), float(g)) for d, g in zip(delays, gains, strict=True)),
        tilt=float(rng.uniform(-0.4, 0.4)),
        noise_decibels=float(rng.uniform(-75, -48)),
        peak_decibels=float(rng.uniform(-14, -1)),
    )


def place(samples: Samples, room: Room, rng: np.random.Generator) -> Samples:
    """Return the sound as heard in a room, (samples,), with its peak at the room's level.

    Echoes are a few scattered taps of random sign, which are far cheaper than a convolution.
    """
    heard = samples.copy()
    for delay, gain in room.echoes:
        if 0 < delay < samples.size:
            heard[delay:] += np.float32(gain) * samples[:-delay]
    heard[1:] += np.float32(room.tilt) * heard[:-1].copy()
    heard /= np.float32(max(float(np.abs(heard).max()), 1e-6))
    heard += np.float32(10 ** (room.noise_decibels / 20)) * rng.standard_normal(heard.size, dtype=np.float32)
    peak = 10 ** (room.peak_decibels / 20)
    heard *= np.float32(peak / max(float(np.abs(heard).max()), 1e-6))
    return heard
