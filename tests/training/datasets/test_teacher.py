"""Scores of published taggers as targets: means over windows, what may ship, folds, refusals, and the real data."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training.datasets.conftest import TEACHER_LABELS

from earmark.errors import DatasetError
from earmark.training.datasets import registry, splits
from earmark.training.datasets.teacher import FOLDS, check, load

NAMES = tuple(f"m{index}" for index in range(10))


def scores_of(root: Path, name: str = "one") -> dict[str, np.ndarray]:
    """What a teacher's file holds."""
    with np.load(root / "teacher" / f"{name}.npz") as archive:
        return {key: archive[key] for key in archive.files}


def test_targets_are_means_over_windows_teacher_by_teacher(teacher_files: Any) -> None:
    dataset = load(teacher_files.root, teachers=["two", "one"])
    assert dataset.labels == tuple(f"{label} ({name})" for name in ("two", "one") for label in TEACHER_LABELS)
    assert [tag.group for tag in dataset.tags] == ["two"] * 3 + ["one"] * 3
    assert (dataset.task, dataset.positive_threshold) == ("multi-label", 0.2)
    both = [scores_of(teacher_files.root, name) for name in ("two", "one")]
    for track in dataset.tracks:
        expected = np.concatenate([scores[track.identifier].astype(np.float64).mean(axis=0) for scores in both])
        np.testing.assert_allclose(track.targets, expected, rtol=1e-12)
        assert track.path == teacher_files.root / "free" / "audio" / f"{track.identifier}.flac"


def test_only_what_may_ship_is_taken_unless_asked(teacher_files: Any) -> None:
    _rewrite(teacher_files.root, "source 2,CC0,yes", "source 2,CC0,no")
    _rewrite(teacher_files.root, "source 4,CC0,yes", "source 4,CC0,perhaps")
    dataset = load(teacher_files.root, teachers=["one"])
    assert [track.identifier for track in dataset.tracks] == [name for name in NAMES if name not in ("m4", "m8")]
    assert sum(dataset.splits["fold-2"].counts.values()) == 8
    everything = load(teacher_files.root, teachers=["one"], may_ship_only=False)
    assert tuple(track.identifier for track in everything.tracks) == NAMES
    for row in range(5):
        _rewrite(teacher_files.root, f"source {row},CC0,yes", f"source {row},CC0,no", count=-1)
    with pytest.raises(DatasetError, match=r"No row of .* says yes in the column may_ship"):
        load(teacher_files.root, teachers=["one"])


def test_a_track_that_may_not_ship_needs_no_file_and_no_scores(teacher_files: Any) -> None:
    _rewrite(teacher_files.root, "m4,audio/m4.flac,2,source 2,CC0,yes", "m4,audio/gone.flac,2,source 2,CC0,no")
    _write_scores(teacher_files.root, lambda scores: scores.pop("m4"))
    assert len(load(teacher_files.root, teachers=["one"]).tracks) == 9
    assert check(teacher_files.root).missing == ("audio/gone.flac",)


def test_no_group_is_in_two_sides(teacher_files: Any) -> None:
    dataset = load(teacher_files.root, teachers=["one"])
    assert list(dataset.splits) == [f"fold-{fold}" for fold in range(FOLDS)]
    for split in dataset.splits.values():
        groups = [{track.group for track in dataset.select(split.side(side))} for side in ("train", "valid", "test")]
        assert [len(group) for group in groups] == [3, 1, 1]
        assert len(set.union(*groups)) == 5
    _rewrite(teacher_files.root, "source 3", "source 1")
    with pytest.raises(DatasetError, match="has the group 'source 1'"):
        load(teacher_files.root, teachers=["one"])


def test_another_column_can_be_the_group(teacher_files: Any) -> None:
    table = teacher_files.root / "free" / "tracks.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("source,", "artist,", 1), encoding="utf-8")
    assert {track.group for track in load(teacher_files.root, group_by="artist", teachers=["one"]).tracks} == {
        f"source {fold}" for fold in range(5)
    }
    with pytest.raises(DatasetError, match="lacks 'source'"):
        load(teacher_files.root, teachers=["one"])


def test_folds_are_made_as_those_of_emotify(teacher_files: Any, emotify: Any) -> None:
    for files in (teacher_files, emotify):
        dataset = registry.load_dataset(files.name, files.root, files.options)
        fold_of = {track.identifier: index // 2 for index, track in enumerate(dataset.tracks)}
        assert dict(dataset.splits) == splits.fold_splits(fold_of, 5)


def _rewrite(root: Path, old: str, new: str, count: int = 1) -> None:
    table = root / "free" / "tracks.csv"
    table.write_text(table.read_text(encoding="utf-8").replace(old, new, count), encoding="utf-8")


def _write_scores(root: Path, change: Callable[[dict[str, np.ndarray]], object]) -> None:
    scores = scores_of(root)
    change(scores)
    np.savez(root / "teacher" / "one.npz", **scores)


@pytest.mark.parametrize(
    ("old", "new", "sentences"),
    [
        ("track,", "name,", ["lacks 'track'"]),
        ("may_ship", "ship", ["lacks 'may_ship'", "Is it 'ship'?"]),
        (",0,source", ",5,source", ["Line 2", "'5' as 'fold'", "0 to 4"]),
        (",0,source", ",first,source", ["'first' as 'fold'"]),
        ("audio/m0.flac", "audio/away.flac", ["1 of the 10 audio files", "away.flac", "take their rows out"]),
        ("m1,", "m0,", ["repeated track names: 'm0'"]),
    ],
)
def test_a_changed_table_is_refused(teacher_files: Any, old: str, new: str, sentences: list[str]) -> None:
    _rewrite(teacher_files.root, old, new)
    with pytest.raises(DatasetError) as caught:
        load(teacher_files.root, teachers=["one"])
    for sentence in sentences:
        assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "shape"),
    [
        (np.zeros((0, 3)), "(0, 3)"),
        (np.zeros((2, 4)), "(2, 4)"),
        (np.zeros(3), "(3,)"),
        (np.full((2, 3), 1.5), "(2, 3)"),
        (np.full((2, 3), np.nan), "(2, 3)"),
    ],
    ids=["no window", "a tag too many", "no windows' axis", "beyond 1", "not a number"],
)
def test_scores_of_a_wrong_shape_or_range_are_refused(teacher_files: Any, wrong: np.ndarray, shape: str) -> None:
    _write_scores(teacher_files.root, lambda scores: scores.update(m3=wrong.astype(np.float16)))
    with pytest.raises(DatasetError) as caught:
        load(teacher_files.root, teachers=["one"])
    assert f"scores of track 'm3' have the shape {shape}" in str(caught.value)
    assert "at least one window of 3 numbers in 0..1" in str(caught.value)


def test_missing_scores_are_refused(teacher_files: Any) -> None:
    _write_scores(teacher_files.root, lambda scores: (scores.pop("m3"), scores.pop("m7")))
    with pytest.raises(DatasetError, match=r"no scores of 2 tracks \('m3', 'm7'\)"):
        load(teacher_files.root, teachers=["one"])
    with pytest.raises(DatasetError, match=r"three\.npz cannot be read as scores"):
        load(teacher_files.root, teachers=["three"])


def _damaged(path: Path, scores: dict[str, np.ndarray]) -> bytes:
    """An archive with other bytes where its first array is deflated."""
    np.savez_compressed(path, **scores)
    with zipfile.ZipFile(path) as archive:
        header = archive.infolist()[0]
    data = bytearray(path.read_bytes())
    start = header.header_offset + 30 + len(header.filename) + 20
    data[start : start + 8] = b"\xff" * 8
    return bytes(data)


def test_a_file_that_holds_no_scores_is_refused(teacher_files: Any, tmp_path: Path) -> None:
    path = teacher_files.root / "teacher" / "one.npz"
    whole = path.read_bytes()
    damaged = _damaged(tmp_path / "damaged.npz", scores_of(teacher_files.root))
    np.save(tmp_path / "array.npy", np.zeros((2, 3)))
    wrong = (b"", b"no scores", whole[: len(whole) // 2], (tmp_path / "array.npy").read_bytes())
    for data in (*wrong, damaged):
        path.write_bytes(data)
        with pytest.raises(DatasetError, match=r"one\.npz cannot be read as scores"):
            load(teacher_files.root, teachers=["one"])


def test_options_of_a_wrong_kind_are_refused(teacher_files: Any) -> None:
    for teachers in ("one", []):
        with pytest.raises(DatasetError, match="expected a list of names"):
            load(teacher_files.root, teachers=teachers)
    with pytest.raises(DatasetError, match="option may_ship_only is 'no'"):
        load(teacher_files.root, teachers=["one"], may_ship_only="no")  # type: ignore[arg-type]


@pytest.mark.data
def test_the_real_data(shared_data: Path) -> None:
    dataset = load(shared_data)
    assert len(dataset.tags) == 100
    assert 0 < len(dataset.tracks) <= len(load(shared_data, may_ship_only=False).tracks)
    tested = [name for split in dataset.splits.values() for name in split.test]
    assert sorted(tested) == sorted(track.identifier for track in dataset.tracks)
    matrix = dataset.targets(tested)
    assert np.isfinite(matrix).all() and matrix.max() > 0.05
    music = load(shared_data, folder="emotify", group_by="artist", may_ship_only=False)
    assert len(music.tracks) == 296
