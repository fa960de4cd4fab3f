import dataclasses
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs the extra train")

from earmark.errors import TrainingError
from earmark.tagging.tagger import Tagger, load
from earmark.training.datasets.base import DatasetTrack
from earmark.training.datasets.table import load as load_table
from earmark.training.evaluation.perturbation import PERTURBATIONS, UNCHANGED
from earmark.training.evaluation.track_logits import track_logits
from training.sounding import LABELS, Sounding, make_sounding


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Sounding:
    return make_sounding(tmp_path_factory.mktemp("logits"))


@pytest.fixture(scope="module")
def tagger(place: Sounding) -> Tagger:
    return load(place.model)


@pytest.fixture(scope="module")
def tracks(place: Sounding) -> tuple[DatasetTrack, ...]:
    return load_table(place.table, tags=LABELS).tracks[:3]


def silent(done: int, total: int) -> None:
    del done, total


def test_they_are_what_tagging_says(tagger: Tagger, tracks: tuple[DatasetTrack, ...]) -> None:
    heard = track_logits(tagger, tracks, silent)
    assert heard.tracks == tracks
    assert heard.unreadable == ()
    assert heard.logits.shape == (1, 3, 3)
    for logits, track in zip(heard.logits[0], tracks, strict=True):
        np.testing.assert_array_equal(logits, tagger.tag(track.path).logits)


def test_threads_change_nothing_and_progress_is_told(tagger: Tagger, tracks: tuple[DatasetTrack, ...]) -> None:
    changes = (UNCHANGED, *(change for change in PERTURBATIONS if change.name in ("noise 20 dB", "MP3 32 kb/s")))
    told: list[tuple[int, int]] = []
    alone = track_logits(tagger, tracks, lambda done, total: told.append((done, total)), changes)
    together = track_logits(tagger, tracks, silent, changes, threads=3)
    np.testing.assert_array_equal(alone.logits, together.logits)
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert alone.logits.shape == (3, 3, 3)
    assert (alone.logits[0] != alone.logits[1]).any()


def test_a_broken_track_is_told_and_left_out(tagger: Tagger, tracks: tuple[DatasetTrack, ...], tmp_path: Path) -> None:
    broken = dataclasses.replace(tracks[1], path=tmp_path / "broken.mp3")
    broken.path.write_bytes(b"no sound" * 100)
    heard = track_logits(tagger, (tracks[0], broken, tracks[2]), silent)
    assert heard.tracks == (tracks[0], tracks[2])
    assert len(heard.unreadable) == 1
    assert "broken.mp3" in heard.unreadable[0]
    with pytest.raises(TrainingError, match=r"None of 1 tracks could be decoded.*broken.mp3"):
        track_logits(tagger, (broken,), silent)
    with pytest.raises(TrainingError, match="Name a side of a split that has tracks"):
        track_logits(tagger, (), silent)
