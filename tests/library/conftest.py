"""A tiny model, and a library of a few sounds, for all tests of the library."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from library.poison import write_good
from tagging.builders import make_bundle

from earmark.library.library import Library
from earmark.tagging.tagger import Tagger


@pytest.fixture(scope="session")
def tagger() -> Tagger:
    """A thin model with random weights."""
    return Tagger(make_bundle(tags=5, calibrated=True))


@pytest.fixture(scope="session")
def ray_alone() -> Iterator[None]:
    """Ray as it is on one machine for tests: it tells nobody, and leaves no token in the home folder."""
    if "usearch" in sys.modules and "ray" not in sys.modules:
        pytest.skip("usearch was loaded before Ray; test_cluster.py runs this test in a process of its own")
    pytest.importorskip("ray", reason="needs the extra cluster")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        environment.setenv("RAY_AUTH_MODE", "disabled")
        yield


@pytest.fixture
def library(tmp_path: Path, tagger: Tagger) -> Iterator[Library]:
    """An empty library."""
    with Library(tmp_path / "music.earmark", tagger) as opened:
        yield opened


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """A folder of four recordings in five files."""
    write_good(tmp_path / "music")
    return tmp_path / "music"
