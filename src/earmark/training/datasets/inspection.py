"""Which of the files that a dataset should have are there and can be opened."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from earmark.audio.decode import decode
from earmark.errors import AudioError
from earmark.training.datasets.base import Report

AUDIO_SUFFIXES = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".aif", ".aiff", ".au", ".wma", ".mp4"}
)


def inspect_files(expected: Mapping[str, Path], others: re.Pattern[str] | None = None) -> Report:
    """Return which of the expected files (by name) are found, missing or corrupt, and unexpected audio.

    A file is corrupt when it holds no bytes or its first seconds cannot be decoded; the rest is not decoded here.
    Unexpected is audio that lies in the same folder as an expected file, unless its whole name has the form `others`.
    """
    found, missing, corrupt = [], [], []
    for name, path in sorted(expected.items()):
        if not path.is_file():
            missing.append(name)
        elif opens(path):
            found.append(name)
        else:
            corrupt.append(name)
    known = set(expected.values())
    folders = sorted({path.parent for path in expected.values()})
    unexpected = [
        str(path)
        for folder in folders
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        if is_audio(path) and path not in known and not (others and others.fullmatch(path.name))
    ]
    return Report(tuple(found), tuple(missing), tuple(corrupt), tuple(unexpected))


def is_audio(path: Path) -> bool:
    """Whether a path names an audio file by its suffix and is one; hidden files (`._song.mp3`) are not."""
    return path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".") and path.is_file()


def opens(path: Path) -> bool:
    """Whether a file holds bytes and its first seconds can be decoded."""
    try:
        if path.stat().st_size == 0:
            return False
        with decode(path):
            return True
    except (AudioError, OSError):
        return False
