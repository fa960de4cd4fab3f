"""Miniature copies of every dataset, with sound made on the spot."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from training.datasets.published import (
    MTAT_CLIPS,
    fma_files,
    gtzan_files,
    jamendo_files,
    magnatagatune_files,
    million_song_files,
    tagtraum_files,
)

from earmark.audio.encode import write_flac
from earmark.training.datasets.annotated import AnnotatedTrack, write_tracks
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
    """A dataset's name, root and options, one of its audio files, and roots that it has to refuse.

    empty_is_known: that files without bytes belong to the official set.
    """

    name: str
    root: Path
    audio: Path
    wrong_roots: tuple[Path, ...]
    options: dict[str, object] = field(default_factory=dict)
    empty_is_known: bool = False


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


def _magnatagatune(folder: Path) -> Miniature:
    root = magnatagatune_files(folder / "mtat")
    return Miniature("magnatagatune", root, root / f"{MTAT_CLIPS[3]}.mp3", (folder, folder / "nowhere"))


def _million_song(folder: Path, database: bool) -> Miniature:
    root = folder / "msd"
    audio = million_song_files(root, database=database)[3]
    wrong = (folder, folder / "nowhere")
    return Miniature("million_song", root, audio, wrong, {"train_count": 5}, empty_is_known=True)


def _tagtraum(folder: Path, **options: object) -> Miniature:
    root = folder / "tagtraum"
    audio = tagtraum_files(root, lists="train_count" in options)[3]
    return Miniature("tagtraum", root, audio, (folder, folder / "nowhere"), options, empty_is_known=True)


def _gtzan(folder: Path) -> Miniature:
    root = gtzan_files(folder / "gtzan")
    return Miniature("gtzan", root, root / "blues" / "blues.00030.wav", (folder, folder / "nowhere"))


def _jamendo(folder: Path) -> Miniature:
    root = jamendo_files(folder / "jamendo")
    return Miniature("jamendo", root, root / "audio" / "51" / "1376251.mp3", (folder, folder / "nowhere"))


def _fma(folder: Path, subset: str) -> Miniature:
    root = fma_files(folder / "fma", subset)
    audio = root / f"fma_{subset}" / "000" / "000002.mp3"
    return Miniature("fma", root, audio, (folder, folder / "nowhere"), {"subset": subset})


TEACHER_LABELS = ("guitar", "slow", "no vocals")


def _teacher(folder: Path) -> Miniature:
    root = folder / "teachers"
    lines = ["track,file,fold,source,licence,may_ship"]
    names = [f"m{index}" for index in range(10)]
    for index, name in enumerate(names):
        write_tone(root / "free" / "audio" / f"{name}.flac")
        lines.append(f"{name},audio/{name}.flac,{index // 2},source {index // 2},CC0,yes")
    (root / "free" / "tracks.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (root / "teacher").mkdir()
    generator = np.random.default_rng(0)
    for teacher in ("one", "two"):
        windows = {name: generator.uniform(0, 1, (1 + index, 3)) for index, name in enumerate(names)}
        scores = {name: values.astype(np.float16) for name, values in windows.items()}
        np.savez(root / "teacher" / f"{teacher}.npz", labels=np.array(TEACHER_LABELS), **scores)
    wrong = (folder, folder / "nowhere")
    return Miniature("teacher", root, root / "free" / "audio" / "m3.flac", wrong, {"teachers": ["one", "two"]})


def _debian(folder: Path) -> Miniature:
    root = _teacher(folder).root
    for name in ("audio", "tracks.csv"):
        (root / "free" / name).rename(root / name)
    return Miniature("debian", root, root / "audio" / "m3.flac", (folder, folder / "nowhere"), {"teachers": ["two"]})


def _annotated(folder: Path) -> Miniature:
    root = folder / "made"
    for fold in range(5):
        write_tone(root / "audio" / f"{fold}.flac")
    write_tracks(
        root,
        [
            AnnotatedTrack(
                *(f"a{fold}", f"audio/{fold}.flac", "ensemble", "nobody", f"group {fold}", "CC0-1.0", fold, 1.0),
                *((("guitar",), ()) if fold % 2 else ((), ("*",))),
            )
            for fold in range(5)
        ],
    )
    words = folder / "words.toml"
    words.write_text(VOCABULARY, encoding="utf-8")
    wrong = (folder, folder / "nowhere")
    return Miniature("annotated", root, root / "audio" / "3.flac", wrong, {"vocabulary": str(words)})


VOCABULARY = """
name = "small"
[[tags]]
label = "guitar"
group = "instruments"
sources = { musicnn-mtat = ["guitar", "slow"], musicnn-msd = ["guitar"], magnatagatune = ["guitar"] }
[[tags]]
label = "classical"
group = "genres"
sources = { emotify-genre = ["classical"] }
"""


def _taught(folder: Path, **options: object) -> Miniature:
    root = _teacher(folder).root
    _emotify(root)
    table = root / "emotify" / "tracks.csv"
    header, *rows = table.read_text(encoding="utf-8").splitlines()
    said = ("guitar;noVocals,train", "", "rock,valid", "harp,test")
    rows = [f"{row},{said[index % 4] or ','}" for index, row in enumerate(rows)]
    table.write_text("\n".join([f"{header},mtat_tags,mtat_split", *rows]) + "\n", encoding="utf-8")
    names = [f"m{index}" for index in range(10)] + [f"t{index}" for index in range(10)]
    generator = np.random.default_rng(1)
    for teacher in ("musicnn-mtat", "musicnn-msd"):
        scores = {name: generator.uniform(0, 1, (1 + index % 3, 3)).astype("f2") for index, name in enumerate(names)}
        np.savez(root / "teacher" / f"{teacher}.npz", labels=np.array(TEACHER_LABELS), **scores)
    words = folder / "words.toml"
    words.write_text(VOCABULARY, encoding="utf-8")
    wrong = (folder, folder / "nowhere")
    audio = root / "emotify" / "audio" / "t3.flac"
    folders = options.get("folders", ["emotify"])
    audio = audio if "emotify" in folders else root / "free" / "audio" / "m3.flac"  # type: ignore[operator]
    return Miniature("taught", root, audio, wrong, {"vocabulary": str(words), **options})


def _consensus(folder: Path, **options: object) -> Miniature:
    """The tracks, scores and vocabulary of `taught`."""
    taught = _taught(folder)
    given = {"teachers": ["musicnn-mtat", "musicnn-msd"], "scores": str(taught.root / "teacher")}
    return Miniature("consensus", taught.root, taught.audio, taught.wrong_roots, {**taught.options, **given, **options})


MINIATURES: dict[str, Callable[[Path], Miniature]] = {
    "annotated": _annotated,
    "consensus": _consensus,
    "consensus tags alone": lambda folder: _consensus(folder, listeners=False, folders={"emotify": "emotify"}),
    "debian": _debian,
    "emotify genre": lambda folder: _emotify(folder, target="genre"),
    "emotify emotions": lambda folder: _emotify(folder, target="emotions"),
    "emotify both": _emotify,
    "table csv": _csv,
    "table folders": _folders,
    "rendered": _rendered,
    "magnatagatune": _magnatagatune,
    "million song pickles": lambda folder: _million_song(folder, database=False),
    "million song sqlite": lambda folder: _million_song(folder, database=True),
    "tagtraum lists": lambda folder: _tagtraum(folder, train_count=10),
    "tagtraum stratified": lambda folder: _tagtraum(folder, seed=2),
    "gtzan": _gtzan,
    "jamendo": _jamendo,
    "fma small": lambda folder: _fma(folder, "small"),
    "fma medium": lambda folder: _fma(folder, "medium"),
    "teacher": _teacher,
    "taught": _taught,
    "taught teachers alone": lambda folder: _taught(folder, folders=["free"], listeners=False, sources=False),
}


@pytest.fixture(params=sorted(MINIATURES))
def miniature(request: pytest.FixtureRequest, tmp_path: Path) -> Miniature:
    """Every dataset in turn, small."""
    return MINIATURES[request.param](tmp_path)


PUBLISHED = ("magnatagatune", "million song", "tagtraum", "gtzan", "jamendo", "fma")


@pytest.fixture(params=sorted(name for name in MINIATURES if name.startswith(PUBLISHED)))
def published(request: pytest.FixtureRequest, tmp_path: Path) -> Miniature:
    """Every published dataset in turn, small."""
    return MINIATURES[request.param](tmp_path)


@pytest.fixture
def emotify(tmp_path: Path) -> Miniature:
    """Ten tracks of five artists."""
    return MINIATURES["emotify both"](tmp_path)


@pytest.fixture
def teacher_files(tmp_path: Path) -> Miniature:
    """Ten tracks of five sources with the scores of two teachers."""
    return MINIATURES["teacher"](tmp_path)


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


@pytest.fixture
def taught_files(tmp_path: Path) -> Miniature:
    """Ten tracks of five sources and ten of five artists, with two teachers' scores, listeners and a vocabulary."""
    return MINIATURES["taught"](tmp_path)
