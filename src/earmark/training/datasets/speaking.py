"""Speech that programs and people read aloud, other recorded sound, and what rooms and telephones make of it."""

import fnmatch
import struct
import tempfile
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, fftconvolve, sosfilt

from earmark.audio.decode import decode
from earmark.errors import DatasetError, EarmarkError
from earmark.file_errors import file_errors
from earmark.training.datasets.debian_package import DebianPackage, download, licence_of, run

Sound = npt.NDArray[np.float32]
Engine = Literal["espeak-ng", "flite", "festival"]
Failed = Callable[[str], None]

SENTENCES = "sentences.toml"
LICENCES: Mapping[Engine, str] = {
    "espeak-ng": "spoken by espeak-ng (GPL-3+, which does not extend to its output); text by earmark",
    "flite": "spoken by flite (BSD-like); text by earmark",
    "festival": "spoken by festival (MIT-like); text by earmark",
}
SHORTEST_SECONDS = 0.3
"""Choice: shorter recordings are left out."""
LONGEST_SECONDS = 45.0
"""Choice: longer recordings are cut to this length."""
MOST_RECORDINGS = 160
"""Choice: the most recordings read from a source; they are evenly spread over the order of their paths."""
G722_RATE_HZ = 16_000
TELEPHONE_HZ = (300.0, 3400.0)
COMPANDING = 255.0
"""The constant of the mu-law, with which telephones encode a sample in 8 bits."""


@dataclass(frozen=True)
class Voice:
    """A voice of a synthesiser: the name that the synthesiser gives it, and its language."""

    engine: Engine
    name: str
    language: str

    @property
    def group(self) -> str:
        """The name of the group of tracks that the voice reads."""
        return f"{self.engine}/{self.name}"


ESPEAK_VARIANTS: Mapping[str, tuple[str, ...]] = {
    "en-us": ("f1", "m1", "klatt2", "Annie", "Alex"),
    "en-gb": ("f2", "m2", "klatt3", "Andrea"),
    "en-gb-scotland": ("f3", "m3", "Michael"),
    "de": ("f4", "m4", "klatt4", "linda"),
    "fr-fr": ("f5", "m5", "croak", "Gene"),
    "es": ("f2", "m6", "Andy"),
    "it": ("f3", "m7", "quincy"),
    "pt-br": ("f1", "m8", "Jacky"),
    "nl": ("f4", "m1", "whisper"),
    "sv": ("f5", "m2", "Lee"),
    "fi": ("f2", "m3", "steph"),
    "pl": ("f3", "m4", "max"),
}
FLITE_VOICES = ("kal16", "awb", "rms", "slt")
FESTIVAL_VOICES = ("kal_diphone", "cmu_us_slt_arctic_hts")

VOICES: tuple[Voice, ...] = (
    *(
        Voice("espeak-ng", f"{language}+{variant}", language[:2])
        for language, variants in ESPEAK_VARIANTS.items()
        for variant in variants
    ),
    *(Voice("flite", name, "en") for name in FLITE_VOICES),
    *(Voice("festival", name, "en") for name in FESTIVAL_VOICES),
)


def sentences() -> Mapping[str, tuple[str, ...]]:
    """Return the sentences of every language of `VOICES`."""
    text = (resources.files(__package__) / SENTENCES).read_text(encoding="utf-8")
    return {language: tuple(lines) for language, lines in tomllib.loads(text).items()}


def read_aloud(voice: Voice, seconds: float, rate_hz: int, generator: np.random.Generator) -> Sound:
    """Let a voice read sentences in random order, at random speed and pitch: (samples,), `seconds` long.

    Raises DatasetError where the synthesiser or its voice is not installed.
    """
    lines = sentences()[voice.language]
    # A reader keeps one speed and pitch throughout.
    speed, pitch = float(generator.uniform(0.75, 1.3)), int(generator.integers(25, 75))
    parts: list[Sound] = []
    while sum(map(len, parts)) < seconds * rate_hz:
        order = generator.permutation(len(lines))
        parts.append(_spoken(voice, " ".join(lines[place] for place in order), speed, pitch, rate_hz))
        if parts[-1].size == 0:
            raise DatasetError(f"{voice.group} said nothing; expected speech. Install its voice.")
    return np.concatenate(parts)[: round(seconds * rate_hz)]


@dataclass(frozen=True)
class RecordingSource:
    """The files of a package that match a pattern and are of one kind."""

    package: str
    pattern: str


SPEAKERS = (
    RecordingSource("asterisk-core-sounds-en-g722", "usr/share/asterisk/*.g722"),
    RecordingSource("asterisk-core-sounds-es-g722", "usr/share/asterisk/*.g722"),
    RecordingSource("asterisk-core-sounds-fr-g722", "usr/share/asterisk/*.g722"),
    RecordingSource("asterisk-core-sounds-it-g722", "usr/share/asterisk/*.g722"),
    RecordingSource("asterisk-core-sounds-ru-g722", "usr/share/asterisk/*.g722"),
    RecordingSource("asterisk-prompt-it-menardi-wav", "usr/share/asterisk/*.wav"),
    *(
        RecordingSource("ktuberling-data", f"usr/share/ktuberling/sounds/{language}/*")
        for language in ("ca", "da", "de", "el", "en", "fr", "gl", "lt")
    ),
)
"""Speakers who read announcements and words; each source has one speaker or a few."""
SURROUNDINGS = (
    RecordingSource("btanks-data", "*/sounds/*.ogg"),
    RecordingSource("colobot-common-sounds", "*/sounds/*.wav"),
    RecordingSource("flare-game", "*/soundfx/environment/*.ogg"),
    RecordingSource("scorched3d-data", "*/wav/*.wav"),
    RecordingSource("endless-sky-data", "*/sounds/*.wav"),
)
"""Engines, weather, birds, explosions and steps from games."""


@dataclass(frozen=True)
class Recordings:
    """The recordings of a source in the order of their paths, each (samples,) float32, and their licence."""

    source: RecordingSource
    licence: str
    sounds: tuple[Sound, ...]

    def joined(self, seconds: float, pause_seconds: float, rate_hz: int, generator: np.random.Generator) -> Sound:
        """Return random recordings, joined with pauses of about `pause_seconds`: (samples,), `seconds` long."""
        parts: list[Sound] = []
        while sum(map(len, parts)) < seconds * rate_hz:
            parts.append(self.sounds[int(generator.integers(len(self.sounds)))])
            parts.append(np.zeros(round(pause_seconds * float(generator.uniform(0.5, 1.5)) * rate_hz), np.float32))
        return np.concatenate(parts)[: round(seconds * rate_hz)]


def read_recordings(source: RecordingSource, packages: Path, rate_hz: int, failed: Failed) -> Recordings:
    """Read the recordings of a source from its package, which is downloaded into a folder if it is missing.

    `failed` is called for each file that cannot be decoded. Raises DatasetError where the package cannot be downloaded.
    """
    package = download(source.package, packages)
    contents = dict(package.files(_wanted(source, package)))
    said = contents.pop(package.copyright_path, b"").decode("utf-8", errors="replace")
    paths = sorted(contents)
    sounds = []
    for path in paths[:: -(-len(paths) // MOST_RECORDINGS) or 1]:
        content = _with_header(contents[path]) if path.endswith(".g722") else contents[path]
        try:
            with file_errors(path), decode(content, rate_hz) as blocks:
                sound = np.concatenate(list(blocks))[: round(LONGEST_SECONDS * rate_hz)]
        except EarmarkError as error:
            failed(f"{source.package}: {path}: {error}")
            continue
        if len(sound) >= SHORTEST_SECONDS * rate_hz and np.any(sound):
            sounds.append(sound)
    return Recordings(source, licence_of(said, paths[0]) if paths else "", tuple(sounds))


def reverberate(sound: Sound, rate_hz: int, seconds: float, generator: np.random.Generator) -> Sound:
    """Add the echo of a random room that falls by 60 dB in `seconds`: (samples,), as long as the sound."""
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    echo = generator.standard_normal(len(time)) * 10.0 ** (-3.0 * time / seconds)
    direct_to_echo = 10.0 ** (generator.uniform(-6, 10) / 20)
    echo /= np.sqrt(np.sum(echo**2)) * direct_to_echo
    echo[0] += 1.0
    return np.asarray(fftconvolve(sound, echo)[: len(sound)], np.float32)


def telephone(sound: Sound, rate_hz: int) -> Sound:
    """Send a sound through a telephone: 300 to 3400 Hz, 8 bits by the mu-law."""
    filtered = limit_band(sound, rate_hz, *TELEPHONE_HZ)
    scaled = filtered / max(float(np.abs(filtered).max()), 1e-9)
    pressed = np.sign(scaled) * np.log1p(COMPANDING * np.abs(scaled)) / np.log1p(COMPANDING)
    stored = np.round(pressed * 127) / 127
    heard = np.sign(stored) * np.expm1(np.abs(stored) * np.log1p(COMPANDING)) / COMPANDING
    return limit_band(heard.astype(np.float32), rate_hz, *TELEPHONE_HZ)


def limit_band(sound: Sound, rate_hz: int, low_hz: float, high_hz: float) -> Sound:
    """Return a sound limited to the band between two frequencies."""
    sections = butter(4, (low_hz, high_hz), "bandpass", fs=rate_hz, output="sos")
    return np.asarray(sosfilt(sections, sound), np.float32)


def add_below(sound: Sound, other: Sound, decibels: float) -> Sound:
    """Add another sound, repeated or cut to the length of the first, at a power `decibels` below that of the first."""
    background = np.resize(other, len(sound))
    power, power_below = float(np.mean(np.square(sound))), float(np.mean(np.square(background)))
    if power_below == 0.0:
        return sound
    gain = np.sqrt(power / power_below) * 10.0 ** (-decibels / 20)
    return np.asarray(sound + gain * background, np.float32)


def bring_to_peak(sound: Sound, decibels: float) -> Sound:
    """Scale a sound so that its peak is `decibels` below full scale. Silence stays silence."""
    peak = float(np.abs(sound).max()) if sound.size else 0.0
    return sound if peak == 0.0 else np.asarray(sound * (10.0 ** (-decibels / 20) / peak), np.float32)


def _spoken(voice: Voice, text: str, speed: float, pitch: int, rate_hz: int) -> Sound:
    with tempfile.TemporaryDirectory() as folder:
        said, file = Path(folder, "text.txt"), Path(folder, "speech.wav")
        said.write_text(text + "\n", encoding="utf-8")
        run(_command(voice, said, file, speed, pitch))
        with file_errors(str(file)), decode(file, rate_hz) as sound:
            return np.concatenate(list(sound))


def _command(voice: Voice, text: Path, file: Path, speed: float, pitch: int) -> Sequence[str]:
    if voice.engine == "espeak-ng":
        words_a_minute = str(round(170 * speed))
        return ["espeak-ng", "-v", voice.name, "-s", words_a_minute, "-p", str(pitch), "-f", str(text), "-w", str(file)]
    if voice.engine == "flite":
        stretch = f"duration_stretch={1 / speed:.3f}"
        return ["flite", "-voice", voice.name, "--setf", stretch, "-f", str(text), "-o", str(file)]
    return ["text2wave", str(text), "-o", str(file), "-eval", f"(voice_{voice.name})"]


def _with_header(content: bytes) -> bytes:
    """Put the header of a WAV file before a stream of G.722, which telephone systems store without a header."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 0x028F, 1, G722_RATE_HZ, G722_RATE_HZ // 2, 1, 4)
    data = struct.pack("<4sI", b"data", len(content)) + content
    return struct.pack("<4sI4s", b"RIFF", 4 + len(form) + len(data), b"WAVE") + form + data


def _wanted(source: RecordingSource, package: DebianPackage) -> Callable[[str], bool]:
    def wanted(path: str) -> bool:
        return path == package.copyright_path or fnmatch.fnmatchcase(path, source.pattern)

    return wanted
