"""Encoded sound for tests of what arrives, and a file that gives it piece by piece and counts."""

import io

import av
import numpy as np
import soundfile

RATE_HZ = 44_100

FORMATS = {
    "wav": ("wav", "pcm_s16le", "s16", "stereo"),
    "mp3": ("mp3", "libmp3lame", "s16p", "stereo"),
    "adts": ("adts", "aac", "fltp", "stereo"),
    "flac": ("flac", "flac", "s16", "stereo"),
}
STREAMS = (*FORMATS, "ogg")


def make_music(seconds: float, rate_hz: int = RATE_HZ) -> np.ndarray:
    """(samples, 2) float32: a chord that moves, and some noise; nowhere silent."""
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    noise = np.random.default_rng(3).standard_normal((len(time), 2))
    left = sum(np.sin(2 * np.pi * hertz * time * (1 + 0.02 * np.sin(time))) for hertz in (220, 277, 330))
    sound = 0.15 * np.stack([left, np.roll(left, 300)], axis=1) + 0.02 * noise
    return sound.astype(np.float32)


def encoded(name: str, sound: np.ndarray, rate_hz: int = RATE_HZ) -> bytes:
    """A stereo sound in one of the formats, as it would be written to a pipe."""
    if name == "ogg":
        return _ogg_vorbis(sound, rate_hz)
    container_name, codec, sample_format, layout = FORMATS[name]
    file = io.BytesIO()
    with av.open(file, "w", format=container_name) as container:
        stream = container.add_stream(codec, rate=rate_hz, layout=layout, format=sample_format)
        if name in ("mp3", "adts"):
            stream.bit_rate = 128_000
        resampler = av.AudioResampler(sample_format, layout, rate_hz, stream.frame_size or 1_024)
        for start in range(0, len(sound), 4_096):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(sound[start : start + 4_096].reshape(1, -1)), format="flt", layout=layout
            )
            frame.sample_rate = rate_hz
            for part in resampler.resample(frame):
                container.mux(stream.encode(part))
        for part in resampler.resample(None):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return file.getvalue()


def _ogg_vorbis(sound: np.ndarray, rate_hz: int) -> bytes:
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", rate_hz, sound.shape[1], format="OGG", subtype="VORBIS") as written:
        for start in range(0, len(sound), 4_096):
            written.write(sound[start : start + 4_096])
    return file.getvalue()


class Trickle(io.RawIOBase):
    """A pipe that gives a few bytes at a time, and counts what was read of it."""

    def __init__(self, data: bytes, piece: int = 256) -> None:
        self._data = data
        self._piece = piece
        self.given = 0

    def readable(self) -> bool:
        return True

    def read(self, count: int = -1) -> bytes:
        some = self._data[self.given : self.given + min(count, self._piece)]
        self.given += len(some)
        return some
