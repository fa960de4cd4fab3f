"""Miniature copies of every dataset, with sound made on the spot."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from earmark.audio.write import write_flac
from earmark.training.datasets.emotify import EMOTIONS, GENRES


def write_tone(path: Path) -> Path:
    """Write a tenth of a second of sound, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_flac(path, np.full(2_205, 0.1, dtype=np.float32), 22_050)
    return path


@pytest.fixture
def tone() -> Callable[[Path], Path]:
    """Write a tenth of a second of sound to a path."""
    return write_tone


@pytest.fixture
def six(tmp_path: Path) -> list[str]:
    """The names of six files of sound in the temporary folder."""
    return [write_tone(tmp_path / f"{index}.flac").name for index in range(6)]


@dataclass(frozen=True)
class Miniature:
    """A dataset's name, root and options, one of its audio files, and roots that it has to refuse."""

    name: str
    root: Path
    audio: Path
    wrong_roots: tuple[Path, ...]
    options: dict[str, object] = field(default_factory=dict)


def _emotify(folder: Path, **options: object) -> Miniature:
    root = folder / "emotify"
    lines = [",".join(("track", "file", "genre", "artist", "title", *EMOTIONS, "fold"))]
    for index in range(10):
        write_tone(root / "audio" / f"t{index}.flac")
        shares = [f"{(index + shift) % 10 / 10}" for shift in range(len(EMOTIONS))]
        genre, fold = GENRES[index % 4], index // 2
        artist = f"Artist {fold}"
        cells = (f"t{index}", f"audio/t{index}.flac", genre, artist, "A title", *shares, f"{fold}")
        lines.append(",".join(cells))
    (root / "tracks.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Miniature("emotify", root, root / "audio" / "t3.flac", (folder, folder / "nowhere"), options)


def _csv(folder: Path) -> Miniature:
    root = folder / "music.csv"
    tags = ("slow", "guitar;slow", "guitar", "Élan;guitar", "slow;Élan", "Élan")
    rows = []
    for index, cell in enumerate(tags):
        write_tone(folder / "sound" / f"é{index}.flac")
        rows.append(f"sound/é{index}.flac,{cell},artist {index}")
    root.write_text("\n".join(["path,tags,artist", *rows]) + "\n", encoding="utf-8")
    return Miniature("table", root, folder / "sound" / "é2.flac", (folder / "nowhere.csv", folder))


def _folders(folder: Path) -> Miniature:
    root = folder / "music"
    for tag in ("blues", "jazz"):
        for index in range(4):
            write_tone(root / tag / f"{index}.flac")
    empty = folder / "empty"
    empty.mkdir()
    return Miniature("table", root, root / "jazz" / "2.flac", (empty, folder / "nowhere"))


def _rendered(folder: Path) -> Miniature:
    root = folder / "rendered"
    other = folder / "other"
    write_tone(other / "song.flac")
    options: dict[str, object] = {"tracks": 6, "seed": 3, "seconds": 2.5}
    return Miniature("rendered", root, root / "audio" / "0002.flac", (other, other / "song.flac"), options)


MINIATURES: dict[str, Callable[[Path], Miniature]] = {
    "emotify genre": lambda folder: _emotify(folder, target="genre"),
    "emotify emotions": lambda folder: _emotify(folder, target="emotions"),
    "emotify both": _emotify,
    "table csv": _csv,
    "table folders": _folders,
    "rendered": _rendered,
}


@pytest.fixture(params=sorted(MINIATURES))
def miniature(request: pytest.FixtureRequest, tmp_path: Path) -> Miniature:
    """Every dataset in turn, small."""
    return MINIATURES[request.param](tmp_path)


@pytest.fixture
def emotify(tmp_path: Path) -> Miniature:
    """Ten tracks of five artists."""
    return MINIATURES["emotify both"](tmp_path)


@pytest.fixture
def table_csv(tmp_path: Path) -> Miniature:
    """Six tracks of six artists."""
    return MINIATURES["table csv"](tmp_path)


@pytest.fixture
def table_folders(tmp_path: Path) -> Miniature:
    """Two tags of four tracks."""
    return MINIATURES["table folders"](tmp_path)


@pytest.fixture
def rendered(tmp_path: Path) -> Miniature:
    """Six tracks of two and a half seconds, not rendered yet."""
    return MINIATURES["rendered"](tmp_path)
