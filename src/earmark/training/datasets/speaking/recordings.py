"""Recordings in Debian's packages that are not music: speakers, engines, weather and sound effects."""

from __future__ import annotations

import fnmatch
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.audio.decode import decode
from earmark.errors import EarmarkError
from earmark.file_errors import file_errors
from earmark.training.datasets.debian_package import DebianPackage, download, licence_of

Sound = npt.NDArray[np.float32]
Failed = Callable[[str], None]

SHORTEST_SECONDS = 0.3
"""Choice: shorter recordings are left out."""
LONGEST_SECONDS = 45.0
"""Choice: longer recordings are cut to this length."""
MOST_RECORDINGS = 160
"""Choice: the most recordings read from a source; they are evenly spread over the order of their paths."""
G722_RATE_HZ = 16_000


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


def _with_header(content: bytes) -> bytes:
    """Put the header of a WAV file before a stream of G.722, which telephone systems store without a header."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 0x028F, 1, G722_RATE_HZ, G722_RATE_HZ // 2, 1, 4)
    data = struct.pack("<4sI", b"data", len(content)) + content
    return struct.pack("<4sI4s", b"RIFF", 4 + len(form) + len(data), b"WAVE") + form + data


def _wanted(source: RecordingSource, package: DebianPackage) -> Callable[[str], bool]:
    def wanted(path: str) -> bool:
        return path == package.copyright_path or fnmatch.fnmatchcase(path, source.pattern)

    return wanted
