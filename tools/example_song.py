"""Render the example song of the page: `python tools/example_song.py` (needs mma, fluidsynth and the soundfonts).

The song is made by earmark as `earmark data make soundfont` makes its tracks: a piece for violins, then one with a
guitar, so that the tags change halfway. The soundfonts have the MIT licence, and the song is free of any claim (CC0).
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

from earmark.audio.decode import decode
from earmark.training.datasets.soundfont import draw_tracks, render_track

SONG = Path(__file__).resolve().parent.parent / "src/earmark/web/page/example.ogg"
SEED = 11
PARTS = (4, 34)
"""The places of the two pieces among the tracks of the seed."""
PART_SECONDS = 21.0
FADE_SECONDS = 1.0
RATE_HZ = 32_000
COMPRESSION = 0.85
"""From 0, large and good, to 1, small."""


def song(folder: Path, seed: int, parts: tuple[int, int]) -> np.ndarray:
    """Return the samples of the song at RATE_HZ, whose two parts fade into each other."""
    (folder / "audio").mkdir()
    plans = draw_tracks(max(parts) + 1, seed)
    fade = np.linspace(0, 1, round(FADE_SECONDS * RATE_HZ), dtype=np.float32)
    whole = np.zeros(0, np.float32)
    for place in parts:
        track = render_track(folder, plans[place])
        with decode(folder / track.file, RATE_HZ) as sound:
            samples = np.concatenate(list(sound))[: round(PART_SECONDS * RATE_HZ)]
        samples = samples / max(1e-6, float(np.abs(samples).max())) * 0.8
        samples[: len(fade)] *= fade
        samples[-len(fade) :] *= fade[::-1]
        overlap = min(len(fade), len(whole))
        joined = np.zeros(len(whole) + len(samples) - overlap, np.float32)
        joined[: len(whole)] += whole
        joined[len(whole) - overlap :] += samples
        whole = joined
    return whole


def main() -> None:
    """Write the song."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--output", type=Path, default=SONG)
    options.add_argument("--seed", type=int, default=SEED)
    options.add_argument("--parts", type=int, nargs=2, default=PARTS)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        samples = song(Path(folder), chosen.seed, tuple(chosen.parts))
    soundfile.write(chosen.output, samples, RATE_HZ, format="OGG", subtype="VORBIS", compression_level=COMPRESSION)
    sys.stdout.write(
        f"wrote {chosen.output.name}: {len(samples) / RATE_HZ:.0f} s, {chosen.output.stat().st_size / 1000:.0f} kB\n"
    )


if __name__ == "__main__":
    main()
