"""Tracks that a vocabulary is taught on: windows of teachers, listeners, folds, the split that ships."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earmark.errors import DatasetError
from earmark.training.datasets.base import Dataset, DatasetTrack, WindowTargets
from earmark.training.datasets.taught import (
    KINDS,
    LISTENERS,
    RATE_HZ,
    SECONDS,
    WINDOW_SECONDS,
    blank,
    blank_files,
    load,
)


def track_of(dataset: Dataset, name: str) -> tuple[DatasetTrack, np.ndarray]:
    (track,) = dataset.select([name])
    assert track.windows is not None
    return track, track.windows.values


def scores_of(root: Path, teacher: str, track: str) -> np.ndarray:
    with np.load(root / "teacher" / f"{teacher}.npz") as archive:
        return archive[track].astype(np.float32)


def test_targets_are_those_of_the_teachers_windows(taught_files: Any) -> None:
    dataset = load(taught_files.root, **taught_files.options)
    track, windows = track_of(dataset, "m1")
    first, second = (scores_of(taught_files.root, name, "m1") for name in ("musicnn-mtat", "musicnn-msd"))
    assert track.windows is not None and track.windows.seconds == pytest.approx(2.992) == WINDOW_SECONDS
    expected = (1 - (1 - first[:, 0]) * (1 - first[:, 1]) + second[:, 0]) / 2
    np.testing.assert_allclose(windows[:, 0], expected, rtol=1e-6)
    assert np.isnan(windows[:, 1]).all(), "nobody knows the genre of free music"
    np.testing.assert_array_equal(windows[:, 2:5], first)
    np.testing.assert_array_equal(windows[:, 5:8], second)
    np.testing.assert_allclose(track.targets, np.mean(windows, axis=0), rtol=1e-6)
    assert dataset.labels[:3] == ("guitar", "classical", "guitar (musicnn-mtat)")
    assert len(dataset.labels) == 2 + 3 + 3 + sum(len(labels) for labels in LISTENERS.values())


def test_listeners_are_heard_where_they_spoke(taught_files: Any) -> None:
    dataset = load(taught_files.root, **taught_files.options)
    said = {name: dict(zip(dataset.labels, track_of(dataset, name)[0].targets, strict=True)) for name in ("t0", "t1")}
    assert said["t0"]["guitar (magnatagatune)"] == said["t0"]["no vocals (magnatagatune)"] == 1
    assert said["t0"]["techno (magnatagatune)"] == 0, "one of the twenty most frequent"
    assert math.isnan(said["t0"]["harp (magnatagatune)"]), "a rarer tag whose absence means nothing in training clips"
    assert math.isnan(said["t1"]["guitar (magnatagatune)"]), "not in MagnaTagATune at all"
    assert (said["t0"]["classical"], said["t1"]["classical"]) == (1, 0)
    alone = load(taught_files.root, **{**taught_files.options, "listeners": False, "sources": False})
    assert math.isnan(track_of(alone, "t0")[0].targets[1])
    assert alone.labels == ("guitar", "classical")
    assert track_of(alone, "t0")[0].targets[0] < said["t0"]["guitar"]


def test_a_tag_that_magnatagatune_lacks_is_refused(taught_files: Any) -> None:
    table = taught_files.root / "emotify" / "tracks.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("noVocals", "noVocalz"), encoding="utf-8")
    with pytest.raises(DatasetError, match="no tag 'noVocalz' among its fifty"):
        load(taught_files.root, **taught_files.options)


def test_the_split_that_ships_trains_on_nearly_all(taught_files: Any) -> None:
    dataset = load(taught_files.root, **taught_files.options)
    ship = dataset.splits["ship"]
    assert ship.counts == {"train": 18, "valid": 2, "test": 0}
    again = load(taught_files.root, **taught_files.options)
    assert again.splits["ship"].hash == ship.hash
    assert sorted(dataset.splits) == [*(f"fold-{fold}" for fold in range(5)), "ship"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "name: Field required"),
        ('name = "x"\ntags = []', "at least 1 item"),
        ('name = "x"\n[[tags]]\nlabel = "a"\ngroup = "b"\nsources = { a = ["b"] }\nweight = 2', "Extra inputs"),
        ('name = "x"\n' + 2 * '[[tags]]\nlabel = "a"\ngroup = "b"\nsources = { a = ["b"] }\n', "named twice: a"),
        ('name = "x"\n[[tags]]\nlabel = "a"\ngroup = "b"\nsources = { nobody = ["b"] }\n', "takes b from 'nobody'"),
        ("name = ", "is not TOML"),
    ],
)
def test_a_wrong_vocabulary_is_refused(taught_files: Any, text: str, message: str) -> None:
    Path(str(taught_files.options["vocabulary"])).write_text(text, encoding="utf-8")
    with pytest.raises(DatasetError, match=message):
        load(taught_files.root, **taught_files.options)


def test_unknown_folders_are_refused(taught_files: Any) -> None:
    for folders in ("free", [], ["other"]):
        with pytest.raises(DatasetError, match="The option folders is"):
            load(taught_files.root, **{**taught_files.options, "folders": folders})


def test_window_targets_are_checked() -> None:
    with pytest.raises(DatasetError, match="positive length"):
        WindowTargets(0.0, np.zeros((1, 2), np.float32))
    with pytest.raises(DatasetError, match="at least one window"):
        WindowTargets(1.0, np.zeros((0, 2), np.float32))
    with pytest.raises(DatasetError, match=r"outside 0\.\.1"):
        WindowTargets(1.0, np.full((1, 2), 1.5, np.float32))
    one = WindowTargets(1.0, np.array([[0.5, np.nan]], np.float32))
    assert one == WindowTargets(1.0, np.array([[0.5, np.nan]], np.float32)) != WindowTargets(2.0, one.values)
    assert hash(one) == hash(WindowTargets(1.0, one.values.copy()))


@pytest.mark.data
def test_the_real_tracks(shared_data: Path) -> None:
    words = Path(__file__).parents[3] / "vocabularies" / "earmark-1.toml"
    dataset = load(shared_data, str(words))
    assert len(dataset.tracks) == 508 + 296
    assert [len([tag for tag in dataset.tags if tag.group == name]) for name in ("musicnn-mtat", "emotify-genre")] == [
        50,
        4,
    ]
    assert dataset.splits["fold-0"].counts["test"] == 165


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_sound_drawn_by_its_seed(kind: str) -> None:
    sound = blank(kind, 7)
    assert sound.shape == (int(SECONDS * RATE_HZ),) and sound.dtype == np.float32
    assert np.abs(sound).max() <= 1
    np.testing.assert_array_equal(sound, blank(kind, 7))
    if kind != "silence":
        assert np.abs(sound).max() > 1e-3
        assert not np.array_equal(sound, blank(kind, 13))


def test_files_are_made_once(tmp_path: Path) -> None:
    files = blank_files(tmp_path / "blanks", 7)
    assert [path.name for path in files][::6] == ["000-silence.flac", "006-silence.flac"]
    before = [path.stat().st_mtime_ns for path in files]
    assert blank_files(tmp_path / "blanks", 7) == files
    assert [path.stat().st_mtime_ns for path in files] == before
    with pytest.raises(DatasetError, match=r"lacks 007-noise\.flac and 2 more"):
        blank_files(tmp_path / "blanks", 10)
    assert not list(tmp_path.glob(".*"))


def test_nothing_holds_of_them(taught_files: Any, tmp_path: Path) -> None:
    options = {**taught_files.options, "blanks": 6, "blanks_folder": str(tmp_path / "blanks")}
    dataset = load(taught_files.root, **options)
    blanks = [track for track in dataset.tracks if track.group.startswith("blanks/")]
    assert len(blanks) == 6 and all(set(track.targets) == {0.0} for track in blanks)
    names = {track.identifier for track in blanks}
    for split in dataset.splits.values():
        assert len(names & {*split.train}) == 4 and len(names & {*split.valid}) == 2 and not names & {*split.test}
    with pytest.raises(DatasetError, match="option blanks is -1"):
        load(taught_files.root, **{**options, "blanks": -1})
