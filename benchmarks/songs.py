"""The files that are listened to: one piece of music at any length, in the forms that music comes in."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import av
import numpy as np
import numpy.typing as npt
import soundfile
from av.audio.stream import AudioStream

from earmark.audio.decode import decode

RATE_HZ = 44_100
BLOCK_SECONDS = 1
FORMS = {
    "mp3": ("libmp3lame", 128_000),
    "flac": ("flac", None),
    "ogg": ("vorbis", None),
    "m4a": ("aac", 128_000),
    "wav": ("pcm_s16le", None),
}
"""Encoder and bits a second, by ending; Vorbis is libsndfile's, as PyAV's wheels have none."""
NOISE_DEVIATION = 0.002
"""Music of 22 050 Hz has nothing above 11 kHz; this gives an encoder something to do there."""


def music(song: Path | None) -> npt.NDArray[np.float32]:
    """A minute or so of a real song at 44 100 Hz, or chords that are made here: (samples,) float32."""
    if song is not None:
        with decode(song, RATE_HZ) as sound:
            samples = np.concatenate(list(sound))
    else:
        seconds = np.arange(60 * RATE_HZ) / RATE_HZ
        samples = np.zeros(len(seconds), np.float32)
        for number, hertz in enumerate((110.0, 138.6, 164.8, 220.0, 277.2, 329.6)):
            swell = np.sin(np.pi * (seconds * (0.25 + 0.05 * number) % 1.0)) ** 2
            samples += (0.1 * swell * np.sin(2 * np.pi * hertz * seconds + np.sin(6 * seconds))).astype(np.float32)
    noise = np.random.default_rng(0).normal(0.0, NOISE_DEVIATION, len(samples)).astype(np.float32)
    return np.clip(samples + noise, -1.0, 1.0)


def write_song(path: Path, samples: npt.NDArray[np.float32], seconds: int) -> None:
    """Write a stereo file of a length, in the form of its ending, with the music over and over; not where it is."""
    if path.exists():
        return
    encoder, bits_a_second = FORMS[path.suffix[1:]]
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"part-{path.name}")
    if encoder == "vorbis":
        with soundfile.SoundFile(part, "w", RATE_HZ, 2, format="OGG", subtype="VORBIS") as file:
            for block in _stereo(samples, seconds):
                file.write(block.reshape(-1, 2))
        part.replace(path)
        return
    with av.open(str(part), "w") as container:
        stream = cast(AudioStream, container.add_stream(encoder, rate=RATE_HZ))
        stream.layout = "stereo"
        if bits_a_second is not None:
            stream.bit_rate = bits_a_second
        for block in _stereo(samples, seconds):
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="stereo")
            frame.sample_rate = RATE_HZ
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    part.replace(path)


def _stereo(samples: npt.NDArray[np.float32], seconds: int) -> Iterator[npt.NDArray[np.int16]]:
    """The music over and over, (1, 2 · samples) int16; the right side is a little late and quieter."""
    late = RATE_HZ // 100
    for start in range(0, seconds * RATE_HZ, BLOCK_SECONDS * RATE_HZ):
        places = np.arange(start, min(start + BLOCK_SECONDS * RATE_HZ, seconds * RATE_HZ))
        left, right = samples[places % len(samples)], 0.8 * samples[(places - late) % len(samples)]
        yield np.rint(np.stack([left, right], axis=1) * 32_767.0).astype(np.int16).reshape(1, -1)
