"""Slower, faster, higher, lower: time stretch by libav's own filter, and pitch shift by resampling and stretching.

Choice: libav's `atempo` (overlapping pieces put together where they fit best) is in every PyAV, so no phase vocoder is
kept here.
"""

from __future__ import annotations

from fractions import Fraction

import av
import av.filter
import numpy as np
import numpy.typing as npt

from earmark.audio.encode import frames_of, refuse_other_shapes
from earmark.audio.resample import Resampler
from earmark.errors import WaveformError

SLOWEST, FASTEST = 0.5, 2.0
"""What `atempo` does in one go."""


def change_tempo(samples: npt.NDArray[np.float32], rate_hz: int, factor: float) -> npt.NDArray[np.float32]:
    """Play a sound faster (`factor` above 1) or slower, at the same pitch.

    `samples`: (samples,) float32; the result has their number divided by the factor, to some milliseconds. A sound of
    which nothing would be left, a few milliseconds long, stays as it is.

    Raises WaveformError for samples of another shape and a factor outside 0.5 to 2.
    """
    refuse_other_shapes(samples)
    if not SLOWEST <= factor <= FASTEST:
        raise WaveformError(f"factor: found {factor!r}, expected {SLOWEST:g} to {FASTEST:g}. Choose another tempo.")
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=rate_hz, format="flt", layout="mono", time_base=Fraction(1, rate_hz))
    tempo, sink = graph.add("atempo", repr(factor)), graph.add("abuffersink")
    source.link_to(tempo)
    tempo.link_to(sink)
    graph.configure()
    blocks: list[npt.NDArray[np.float32]] = []
    for frame in [*frames_of(samples, rate_hz, "flt"), None]:
        source.push(frame)
        blocks += _ready(sink)
    return np.concatenate(blocks) if blocks else samples


def change_speed(samples: npt.NDArray[np.float32], rate_hz: int, factor: float) -> npt.NDArray[np.float32]:
    """Play a sound faster (`factor` above 1) or slower as a tape does: tempo and pitch move together.

    `samples`: (samples,) float32; the result has their number divided by the factor.

    Raises WaveformError for samples of another shape and a factor outside 0.5 to 2.
    """
    refuse_other_shapes(samples)
    if not SLOWEST <= factor <= FASTEST:
        raise WaveformError(f"factor: found {factor!r}, expected {SLOWEST:g} to {FASTEST:g}. Choose another speed.")
    import soxr  # here, as in resample.py

    played: npt.NDArray[np.float32] = soxr.resample(samples, rate_hz * factor, rate_hz, "HQ")
    return played


def change_pitch(samples: npt.NDArray[np.float32], rate_hz: int, semitones: float) -> npt.NDArray[np.float32]:
    """Move a sound up (`semitones` above 0) or down, at the same tempo: played faster by soxr, then stretched back.

    `samples`: (samples,) float32; the result has their number, to some milliseconds. Voices and instruments move with
    all of their overtones, as on a tape that runs faster.

    Raises WaveformError for samples of another shape and for more than an octave.
    """
    refuse_other_shapes(samples)
    factor = 2.0 ** (semitones / 12.0)
    if not SLOWEST <= factor <= FASTEST:
        raise WaveformError(f"semitones: found {semitones!r}, expected -12 to 12. Choose a smaller step.")
    resampler = Resampler(round(rate_hz * factor), rate_hz)
    faster = np.concatenate([resampler.push(samples), resampler.finish()])
    return change_tempo(faster, rate_hz, 1.0 / factor)


def _ready(sink: av.filter.FilterContext) -> list[npt.NDArray[np.float32]]:
    """What a filter graph can give now: blocks of (samples,) float32."""
    blocks: list[npt.NDArray[np.float32]] = []
    while True:
        try:
            frame = sink.pull()
        except (av.BlockingIOError, av.EOFError):  # it waits for more, or has given all
            return blocks
        if isinstance(frame, av.AudioFrame):
            blocks.append(frame.to_ndarray()[0].astype(np.float32))
