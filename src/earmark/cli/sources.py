"""From what a person names on the command line to a list of files."""

from collections.abc import Sequence
from pathlib import Path

_ENDINGS = (
    ".aac .aif .aifc .aiff .alac .amr .ape .au .caf .flac .m4a .m4b .mka .mkv .mov .mp2 .mp3 .mp4 .mpc .oga .ogg .opus "
    ".snd .tta .w64 .wav .webm .wma .wv"
)
SOUND_ENDINGS = frozenset(_ENDINGS.split())
"""What is taken from a folder; a file that is named outright is tried whatever its ending."""


def sound_files(named: Sequence[Path]) -> list[Path]:
    """The files named, and the sound files under the folders named, in a stable order, each once."""
    found: dict[Path, None] = {}
    for path in named:
        if path.is_dir():
            inside = (file for file in path.rglob("*") if file.suffix.lower() in SOUND_ENDINGS and file.is_file())
            found.update(dict.fromkeys(sorted(inside)))
        else:
            found[path] = None
    return list(found)
