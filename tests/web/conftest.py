"""A tiny model, short sounds, and a server that most tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tagging.builders import make_bundle
from training.sounds import write_noise
from web.served import Served, served

from earmark.library.library import Library
from earmark.tagging.tagger import Tagger


@pytest.fixture(scope="session")
def tagger() -> Tagger:
    """A thin model with random weights."""
    return Tagger(make_bundle(tags=5, calibrated=True))


@pytest.fixture(scope="session")
def song_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve seconds of noise with a tone."""
    return write_noise(tmp_path_factory.mktemp("songs") / "song.flac", 1, 12 * 22_050)


@pytest.fixture(scope="session")
def song(song_file: Path) -> bytes:
    """The same as bytes."""
    return song_file.read_bytes()


@pytest.fixture(scope="session")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of four songs."""
    folder = tmp_path_factory.mktemp("music")
    for number in range(4):
        write_noise(folder / f"song {number}.flac", number, (6 + number) * 22_050)
    return folder


@pytest.fixture(scope="session")
def library_file(tmp_path_factory: pytest.TempPathFactory, tagger: Tagger, music: Path) -> Path:
    """A library of them."""
    path = tmp_path_factory.mktemp("library") / "music.earmark"
    with Library(path, tagger) as library:
        library.add(music, jobs=1, low_priority=False)
    return path


@pytest.fixture(scope="package")
def usual(tagger: Tagger, library_file: Path) -> Iterator[Served]:
    """A server with the usual limits and a library."""
    with served(tagger, library_file) as running:
        yield running
