"""Voices of Debian's speech synthesisers, and sentences for them to read."""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from earmark.audio.decode import decode
from earmark.errors import DatasetError
from earmark.file_errors import file_errors
from earmark.training.datasets.debian_package import run

Sound = npt.NDArray[np.float32]
Engine = Literal["espeak-ng", "flite", "festival"]

SENTENCES = "sentences.toml"
LICENCES: Mapping[Engine, str] = {
    "espeak-ng": "spoken by espeak-ng (GPL-3+, which does not extend to its output); text by earmark",
    "flite": "spoken by flite (BSD-like); text by earmark",
    "festival": "spoken by festival (MIT-like); text by earmark",
}


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
