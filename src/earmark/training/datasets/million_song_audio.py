"""Where the sound of a Million Song track lies: 7digital's preview, by the authors' two pickles, or its own name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from earmark.errors import DatasetError
from earmark.training.datasets.restricted_pickle import read_pickle

TO_7DIGITAL = "MSD_id_to_7D_id.pkl"
TO_PATH = "7D_id_to_path.pkl"
PREVIEW = re.compile(r"\d+\.clip\.mp3|TR[A-Z]{5}[0-9A-F]{11}\.mp3")
"""How a preview's file is named."""


def preview_paths(root: Path, audio: Path, identifiers: Iterable[str]) -> dict[str, Path]:
    """Return the file of each track, whether it is there or not.

    A track that the pickles `MSD_id_to_7D_id.pkl` and `7D_id_to_path.pkl` know is `audio`/8/9/8947470.clip.mp3 or what
    they say; any other (or all, where neither pickle is there) is `audio`/A/B/C/TRABC….mp3, as the Million Song Dataset
    lays out its own files.

    Raises DatasetError for one pickle without the other, and for one that holds something else.
    """
    there = [name for name in (TO_7DIGITAL, TO_PATH) if (root / name).is_file()]
    if len(there) == 1:
        raise DatasetError(f"{root} holds {there[0]} but not both of {TO_7DIGITAL} and {TO_PATH}; bring the other.")
    to_7digital = _mapping(root / TO_7DIGITAL) if there else {}
    to_path = _mapping(root / TO_PATH) if there else {}
    paths = {}
    for identifier in identifiers:
        inside = to_path.get(to_7digital.get(identifier, ""))
        own = "/".join((*identifier[2:5], f"{identifier}.mp3"))
        paths[identifier] = audio / (inside if inside is not None else own)
    return paths


def _mapping(path: Path) -> Mapping[str, str]:
    content = read_pickle(path)
    if not isinstance(content, dict) or not content:
        raise DatasetError(f"{path} holds {type(content).__name__}; expected a dict of names.")
    mapping = {str(key): str(value) for key, value in content.items()}
    outside = [value for value in mapping.values() if value.startswith("/") or ".." in Path(value).parts]
    if outside:
        raise DatasetError(f"{path} holds {outside[0]!r}, a path outside the folder of the previews.")
    return mapping
