"""From what a person names on the command line to a list of files."""

from collections.abc import Sequence
from pathlib import Path

from earmark.audio.endings import SOUND_ENDINGS


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
