"""Sound makers: a sound that shows any shift, and the reference ffmpeg that makes and reads every format."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

RATE_HZ = 44_100
SAMPLES = 66_177  # one and a half seconds, and no round number of any codec's frames


def make_sound(samples: int = SAMPLES, channels: int = 2, rate_hz: int = RATE_HZ) -> npt.NDArray[np.float64]:
    """Return (samples, channels): a sweep, noise and two clicks, each channel different."""
    time = np.arange(samples) / rate_hz
    noise = np.random.default_rng(7).standard_normal(samples)
    sound = 0.2 * np.sin(2 * np.pi * (200 * time + 900 * time**2)) + 0.02 * noise
    sound[samples // 3] += 0.7
    sound[2 * samples // 3] -= 0.7
    return np.stack([np.roll(sound, 40 * channel) / (1 + channel) for channel in range(channels)], axis=1)


@dataclass(frozen=True)
class FFmpeg:
    """The reference: makes files in its folder from its sound, and decodes them."""

    program: str
    folder: Path
    source: Path
    video: Path

    def run(self, *arguments: str | Path) -> bytes:
        """Run ffmpeg and return what it writes to stdout."""
        command = [self.program, "-v", "error", "-nostdin", "-y", *map(str, arguments)]
        return subprocess.run(command, check=True, capture_output=True).stdout

    def make(self, name: str, *options: str, source: Path | None = None, video: bool = False) -> Path:
        """Return a file of that name, made from the sound (and the silent video) with those options."""
        path = self.folder / name
        inputs: list[str | Path] = ["-i", source or self.source]
        if video:
            inputs += ["-i", self.video, "-map", "1:v", "-map", "0:a"]
        self.run(*inputs, *options, path)
        return path

    def decoded(self, path: Path, channels: int) -> npt.NDArray[np.float32]:
        """Return (samples, channels) as ffmpeg decodes it; a broken file is decoded as far as it goes."""
        command = [self.program, "-v", "quiet", "-nostdin", "-i", str(path), "-f", "f32le", "-"]
        raw = subprocess.run(command, check=False, capture_output=True).stdout
        return np.frombuffer(raw, np.float32).reshape(-1, channels)


@pytest.fixture(scope="session")
def sound_maker() -> Callable[..., npt.NDArray[np.float64]]:
    """The maker of sounds: (samples, channels, rate_hz) -> (samples, channels) float64."""
    return make_sound


@pytest.fixture(scope="session")
def sound_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stereo WAV of 16 bits."""
    path = tmp_path_factory.mktemp("sound") / "sound.wav"
    soundfile.write(path, make_sound(), RATE_HZ, subtype="PCM_16")
    return path


@pytest.fixture(scope="session")
def ffmpeg(tmp_path_factory: pytest.TempPathFactory, sound_path: Path) -> FFmpeg:
    """The reference ffmpeg, or a skip with the reason."""
    program = shutil.which("ffmpeg")
    if program is None:
        pytest.skip("needs the program ffmpeg, the reference for every format, which is not installed")
    folder = tmp_path_factory.mktemp("ffmpeg")
    video = folder / "silent.mp4"
    picture = ["-f", "lavfi", "-i", "testsrc=d=1.5:s=64x64:r=10", "-c:v", "mpeg4", "-an"]
    subprocess.run([program, "-v", "error", "-nostdin", *picture, str(video)], check=True, capture_output=True)
    return FFmpeg(program, folder, sound_path, video)
