"""Changing the tempo, speed or pitch of a sound.

Choice: tempo is changed by libav's `atempo` (overlapping pieces joined where they fit best), which is in every PyAV, so
that no phase vocoder is kept here.
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
"""The range of factors that `atempo` applies in one step."""


def change_tempo(samples: npt.NDArray[np.float32], rate_hz: int, factor: float) -> npt.NDArray[np.float32]:
    """Return a sound played faster (`factor` above 1) or slower, at the same pitch.

    `samples`: (samples,) float32; the result has their number divided by the factor, to some milliseconds. A sound of a
    few milliseconds, of which nothing would be left, is returned unchanged.

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
    """Return a sound played faster (`factor` above 1) or slower as on a tape: tempo and pitch change together.

    `samples`: (samples,) float32; the result has their number divided by the factor.

    Raises WaveformError for samples of another shape and a factor outside 0.5 to 2.
    """
    refuse_other_shapes(samples)
    if not SLOWEST <= factor <= FASTEST:
        raise WaveformError(f"factor: found {factor!r}, expected {SLOWEST:g} to {FASTEST:g}. Choose another speed.")
    import soxr  # imported here, as in resample.py

    played: npt.NDArray[np.float32] = soxr.resample(samples, rate_hz * factor, rate_hz, "HQ")
    return played


def change_pitch(samples: npt.NDArray[np.float32], rate_hz: int, semitones: float) -> npt.NDArray[np.float32]:
    """Return a sound moved up (`semitones` above 0) or down, at the same tempo: resampled, then stretched back.

    `samples`: (samples,) float32; the result has their number, to some milliseconds. Formants move with the pitch, as
    on a tape that runs faster.

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
    """Return the blocks that a filter graph has ready, (samples,) float32 each."""
    blocks: list[npt.NDArray[np.float32]] = []
    while True:
        try:
            frame = sink.pull()
        except (av.BlockingIOError, av.EOFError):  # it needs more input, or has returned everything
            return blocks
        if isinstance(frame, av.AudioFrame):
            blocks.append(frame.to_ndarray()[0].astype(np.float32))
