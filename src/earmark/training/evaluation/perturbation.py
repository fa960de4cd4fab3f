"""Perturb sound as codecs, loudspeakers and disc jockeys do, and tag the perturbed tracks.

A perturbation takes one channel of a whole track at the model's rate. Choice: gain and noise may exceed full scale,
because samples are floating point; the effect of full scale is measured separately, as clipping.
"""

import dataclasses
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, sosfiltfilt

from earmark.audio.decode import decode
from earmark.audio.encode import encode_mp3
from earmark.audio.tempo import change_pitch, change_tempo
from earmark.errors import AudioError, TrainingError
from earmark.tagging.tagger import Tagger
from earmark.training.datasets.base import DatasetTrack

Samples = npt.NDArray[np.float32]
Change = Callable[[Samples, int, np.random.Generator], Samples]

_FILTER_ORDER = 8
_PADDING_SAMPLES = 6 * _FILTER_ORDER
"""The length of the mirrored sound that the filter gets at both ends, where the sound is long enough."""


@dataclasses.dataclass(frozen=True)
class Perturbation:
    """A named change of sound.

    `change` takes samples (n,) float32 in -1..1, their rate in Hz and a random generator, and returns samples (m,).
    """

    name: str
    change: Change

    def __call__(self, samples: Samples, rate_hz: int, track: str, seed: int = 0) -> Samples:
        """Change the sound of a track; randomness follows from the seed, the track and the perturbation's name."""
        generator = np.random.default_rng([seed, zlib.crc32(track.encode()), zlib.crc32(self.name.encode())])
        return self.change(samples, rate_hz, generator)


def unchanged(samples: Samples, rate_hz: int, generator: np.random.Generator) -> Samples:
    """Return the sound without a change."""
    del rate_hz, generator
    return samples


def gain(samples: Samples, rate_hz: int, generator: np.random.Generator, *, decibels: float) -> Samples:
    """Multiply the sound by a gain in decibels."""
    del rate_hz, generator
    return np.asarray(samples * 10.0 ** (decibels / 20.0), dtype=np.float32)


def mp3(samples: Samples, rate_hz: int, generator: np.random.Generator, *, kilobits: int) -> Samples:
    """Encode the sound as MP3 at `kilobits` per second, and decode it."""
    del generator
    with decode(encode_mp3(samples, rate_hz, 1000 * kilobits), rate_hz) as sound:
        return np.concatenate(list(sound))


def band_limit(samples: Samples, rate_hz: int, generator: np.random.Generator, *, high_hz: float) -> Samples:
    """Remove frequencies above `high_hz` by a Butterworth filter of order 8, run in both directions to avoid delay."""
    del generator
    sections = butter(_FILTER_ORDER, high_hz, fs=rate_hz, output="sos")
    filtered = sosfiltfilt(sections, samples, padlen=min(len(samples) - 1, _PADDING_SAMPLES))
    return np.asarray(filtered, dtype=np.float32)


def noise(samples: Samples, rate_hz: int, generator: np.random.Generator, *, decibels: float) -> Samples:
    """Add white noise `decibels` below the mean power of the track; silence stays silent."""
    del rate_hz
    level = np.sqrt(np.mean(np.square(samples, dtype=np.float64))) * 10.0 ** (-decibels / 20.0)
    return np.asarray(samples + level * generator.standard_normal(len(samples)), dtype=np.float32)


def tempo(samples: Samples, rate_hz: int, generator: np.random.Generator, *, factor: float) -> Samples:
    """Change the tempo by a factor and keep the pitch."""
    del generator
    return change_tempo(samples, rate_hz, factor)


def pitch(samples: Samples, rate_hz: int, generator: np.random.Generator, *, semitones: float) -> Samples:
    """Change the pitch by semitones and keep the tempo."""
    del generator
    return change_pitch(samples, rate_hz, semitones)


def clipping(samples: Samples, rate_hz: int, generator: np.random.Generator, *, decibels: float) -> Samples:
    """Clip the sound at a level `decibels` below the peak of the track."""
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
"""Choice: disc jockeys and cover versions change tempo by about 10 % and pitch by about two semitones."""


Logits = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class TrackLogits:
    """Logits of a model for some tracks.

    Attributes:
        tracks: the tracks that could be decoded, in the order given.
        logits: (perturbations, tracks, tags) float32, in the order of the perturbations asked for.
        unreadable: the reason for every track that could not be decoded.
    """

    tracks: tuple[DatasetTrack, ...]
    logits: Logits
    unreadable: tuple[str, ...]


def track_logits(
    tagger: Tagger,
    tracks: Sequence[DatasetTrack],
    progress: Callable[[int, int], None],
    perturbations: Sequence[Perturbation] = (UNCHANGED,),
    threads: int = 1,
) -> TrackLogits:
    """Decode every track once, and tag it under every perturbation.

    `progress` is called with the number of tracks done and the number of all tracks. Each thread holds one whole track
    in memory; the number of threads does not change the logits.

    Raises:
        TrainingError: none of the tracks can be decoded.
    """
    tagged: list[tuple[DatasetTrack, Logits]] = []
    unreadable: list[str] = []
    with ThreadPoolExecutor(threads) as pool:
        results = pool.map(lambda track: _tag_track(tagger, track, perturbations), tracks)
        for done, (track, result) in enumerate(zip(tracks, results, strict=True), start=1):
            if isinstance(result, AudioError):
                unreadable.append(str(result))
            else:
                tagged.append((track, result))
            progress(done, len(tracks))
    if not tagged:
        raise TrainingError(
            f"None of {len(tracks)} tracks could be decoded; expected at least one. "
            + (f"The first reason: {unreadable[0]}" if unreadable else "Name a side of a split that has tracks.")
        )
    logits = np.stack([values for _, values in tagged], axis=1)
    return TrackLogits(tuple(track for track, _ in tagged), logits, tuple(unreadable))


def _tag_track(tagger: Tagger, track: DatasetTrack, perturbations: Sequence[Perturbation]) -> Logits | AudioError:
    """Return the logits of one track under every perturbation, (perturbations, tags), or the error of its decoding."""
    rate_hz = tagger.card.rate_hz
    try:
        with decode(track.path, rate_hz) as sound:
            samples = np.concatenate(list(sound))
        return np.stack(
            [tagger.tag((change(samples, rate_hz, track.identifier), rate_hz)).logits for change in perturbations]
        )
    except AudioError as error:
        return error
