"""Small sounds; to make them takes nothing of the extra train."""

from pathlib import Path

import numpy as np

from earmark.audio.encode import write_flac

RATE_HZ = 22_050


def write_noise(path: Path, seed: int, samples: int = 20_000) -> Path:
    """Write noise with a tone in it, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    tone = np.sin(np.arange(samples) * 2 * np.pi * (200 + 300 * seed) / RATE_HZ)
    write_flac(path, (0.3 * tone + 0.05 * generator.standard_normal(samples)).astype(np.float32), RATE_HZ)
    return path
