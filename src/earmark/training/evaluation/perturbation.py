"""Perturbations of sound on its way to a listener: gain, codecs, band limits, noise, tempo, pitch, clipping.

Each takes one channel of a whole track at the model's own rate. Choice: gain and noise may pass full scale, since the
samples are floating point; the effect of a full scale is measured by itself, as clipping.
"""

import dataclasses
import zlib
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, sosfiltfilt

from earmark.audio.decode import decode
from earmark.audio.encode import encode_mp3
from earmark.audio.tempo import change_pitch, change_tempo

Samples = npt.NDArray[np.float32]
Change = Callable[[Samples, int, np.random.Generator], Samples]

_FILTER_ORDER = 8
_PADDING_SAMPLES = 6 * _FILTER_ORDER
"""How much of the sound's mirror image a filter gets before and after it, where the sound is long enough."""


@dataclasses.dataclass(frozen=True)
class Perturbation:
    """One perturbation: it turns samples (n,) float32, their rate in Hz and a generator into samples (m,)."""

    name: str
    change: Change

    def __call__(self, samples: Samples, rate_hz: int, track: str, seed: int = 0) -> Samples:
        """Change the sound of a track; what is random about it depends on the seed, the track and the name alone."""
        generator = np.random.default_rng([seed, zlib.crc32(track.encode()), zlib.crc32(self.name.encode())])
        return self.change(samples, rate_hz, generator)


def unchanged(samples: Samples, rate_hz: int, generator: np.random.Generator) -> Samples:
    """Leave the sound as it is."""
    del rate_hz, generator
    return samples


def gain(samples: Samples, rate_hz: int, generator: np.random.Generator, *, decibels: float) -> Samples:
    """Make the sound louder or softer."""
    del rate_hz, generator
    return np.asarray(samples * 10.0 ** (decibels / 20.0), dtype=np.float32)


def mp3(samples: Samples, rate_hz: int, generator: np.random.Generator, *, kilobits: int) -> Samples:
    """Encode as MP3 at so many kilobits a second and decode again."""
    del generator
    with decode(encode_mp3(samples, rate_hz, 1000 * kilobits), rate_hz) as sound:
        return np.concatenate(list(sound))


def band_limit(samples: Samples, rate_hz: int, generator: np.random.Generator, *, high_hz: float) -> Samples:
    """Keep what lies below a frequency: a Butterworth filter of order 8, forwards and backwards, so without a delay."""
    del generator
    sections = butter(_FILTER_ORDER, high_hz, fs=rate_hz, output="sos")
    filtered = sosfiltfilt(sections, samples, padlen=min(len(samples) - 1, _PADDING_SAMPLES))
    return np.asarray(filtered, dtype=np.float32)


def noise(samples: Samples, rate_hz: int, generator: np.random.Generator, *, decibels: float) -> Samples:
    """Add white noise so many decibels below the track's own mean power; silence stays silent."""
    del rate_hz
    level = np.sqrt(np.mean(np.square(samples, dtype=np.float64))) * 10.0 ** (-decibels / 20.0)
    return np.asarray(samples + level * generator.standard_normal(len(samples)), dtype=np.float32)


def tempo(samples: Samples, rate_hz: int, generator: np.random.Generator, *, factor: float) -> Samples:
    """Play faster or slower at the same pitch."""
    del generator
    return change_tempo(samples, rate_hz, factor)


def pitch(samples: Samples, rate_hz: int, generator: np.random.Generator, *, semitones: float) -> Samples:
    """Move up or down at the same tempo."""
    del generator
    return change_pitch(samples, rate_hz, semitones)


def clipping(samples: Samples, rate_hz: int, generator: np.random.Generator, *, decibels: float) -> Samples:
    """Cut off what lies less than so many decibels below the track's own peak."""
    del rate_hz, generator
    most = np.abs(samples).max() * np.float32(10.0 ** (-decibels / 20.0))
    return np.clip(samples, -most, most)


UNCHANGED = Perturbation("unchanged", unchanged)
PERTURBATIONS: tuple[Perturbation, ...] = (
    Perturbation("gain -12 dB", partial(gain, decibels=-12.0)),
    Perturbation("gain +12 dB", partial(gain, decibels=12.0)),
    Perturbation("MP3 48 kb/s", partial(mp3, kilobits=48)),
    Perturbation("MP3 32 kb/s", partial(mp3, kilobits=32)),
    Perturbation("band limit 8 kHz", partial(band_limit, high_hz=8000.0)),
    Perturbation("band limit 4 kHz", partial(band_limit, high_hz=4000.0)),
    Perturbation("noise 20 dB", partial(noise, decibels=20.0)),
    Perturbation("tempo -10 %", partial(tempo, factor=0.9)),
    Perturbation("tempo +10 %", partial(tempo, factor=1.1)),
    Perturbation("pitch -2 semitones", partial(pitch, semitones=-2.0)),
    Perturbation("pitch +2 semitones", partial(pitch, semitones=2.0)),
    Perturbation("clipping 0.5 dB", partial(clipping, decibels=0.5)),
    Perturbation("clipping 2 dB", partial(clipping, decibels=2.0)),
)
"""Choice: disc jockeys and covers change about 10 % of tempo and two semitones."""
