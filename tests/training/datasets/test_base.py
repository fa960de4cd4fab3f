"""Tracks, splits, datasets and reports refuse what does not fit."""

import dataclasses
import math
from pathlib import Path

import pytest

from earmark.errors import DatasetError
from earmark.tagging.bundle.card import TagName
from earmark.training.datasets.base import Dataset, DatasetTrack, Report, Split

NAN = math.nan


def _track(identifier: str, *targets: float, group: str = "") -> DatasetTrack:
    return DatasetTrack(identifier, Path(f"{identifier}.flac"), targets, group or identifier)


def _dataset(**changes: object) -> Dataset:
    parts: dict[str, object] = {
        "name": "toy",
        "licence": "CC0",
        "citation": "none",
        "layout": "none",
        "task": "multi-label",
        "tags": (TagName("a", "g"), TagName("b", "g")),
        "tracks": (_track("x", 0, 1), _track("y", 0.5, NAN), _track("z", 1, 1)),
        "splits": {"only": Split("only", ("x",), ("y",), ("z",))},
    }
    return Dataset(**{**parts, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("target", [-0.1, 1.1, math.inf])
def test_a_target_outside_its_range_is_refused(target: float) -> None:
    with pytest.raises(DatasetError, match=r"0\.\.1"):
        _track("x", target)


@pytest.mark.parametrize("identifier", ["", " ", "a\tb", "a\nb"])
def test_an_identifier_that_would_break_a_list_is_refused(identifier: str) -> None:
    with pytest.raises(DatasetError, match="identifier"):
        DatasetTrack(identifier, Path("x.flac"), (), "group")


def test_a_split_refuses_a_track_in_two_sides_or_twice_in_one() -> None:
    with pytest.raises(DatasetError, match="'a'"):
        Split("s", ("a", "b"), ("a",), ())
    with pytest.raises(DatasetError, match="'b'"):
        Split("s", ("a", "b", "b"), (), ())
    with pytest.raises(DatasetError, match="no tracks to train"):
        Split("s", (), ("a",), ())


def test_a_split_hash_is_that_of_its_sorted_lines() -> None:
    split = Split("s", ("b", "a"), ("c",), ())
    assert split.hash == Split("other name", ("a", "b"), ("c",), ()).hash
    assert split.hash != Split("s", ("a", "b"), (), ("c",)).hash
    assert split.counts == {"train": 2, "valid": 1, "test": 0}
    assert split.text() == f"s: 2 train, 1 valid, 0 test (hash {split.hash[:12]})"
    assert split.side("valid") == ("c",)
    with pytest.raises(DatasetError, match="no side 'dev'"):
        split.side("dev")


def test_a_dataset_gives_targets_tracks_and_splits() -> None:
    dataset = _dataset()
    assert dataset.labels == ("a", "b")
    assert [track.identifier for track in dataset.select(["z", "x"])] == ["z", "x"]
    targets = dataset.targets(["y", "x"])
    assert targets.shape == (2, 2) and targets[0, 0] == 0.5 and math.isnan(targets[0, 1])
    assert dataset.targets([]).shape == (0, 2)
    assert dataset.split("only").train == ("x",)
    with pytest.raises(DatasetError, match="Did you mean 'only'"):
        dataset.split("onyl")
    with pytest.raises(DatasetError, match="identifier 'w'"):
        dataset.select(["w"])


def test_the_hash_follows_targets_and_tag_names() -> None:
    dataset = _dataset()
    assert dataset.hash == _dataset().hash
    assert _dataset(tracks=(_track("x", 0, 1), _track("y", 0.5, 0), _track("z", 1, 1))).hash != dataset.hash
    assert _dataset(tags=(TagName("a", "g"), TagName("c", "g"))).hash != dataset.hash
    signed = (_track("x", -0.0, 1), _track("y", 0.5, NAN), _track("z", 1, 1))
    assert _dataset(tracks=signed).hash == dataset.hash


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"task": "regression"}, "task 'regression'"),
        ({"positive_threshold": 0.0}, "positive threshold 0.0"),
        ({"tags": (TagName("a", "g"), TagName("a", "h"))}, "repeated tag names: 'a'"),
        ({"tags": (TagName("a", "g"),)}, "has 2 targets"),
        ({"tags": ()}, "has no tags"),
        ({"tracks": ()}, "has no tracks"),
        ({"splits": {}}, "has no splits"),
        ({"splits": {"other": Split("only", ("x",), (), ())}}, "under the name 'other'"),
        ({"splits": {"only": Split("only", ("x", "w"), (), ())}}, "does not have: 'w'"),
        ({"tracks": (_track("x", 0, 1), _track("x", 0, 1))}, "repeated track names: 'x'"),
        ({"task": "one-label"}, "exactly one is 1"),
    ],
)
def test_parts_that_disagree_are_refused(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(DatasetError, match=sentence):
        _dataset(**changes)


def test_a_group_in_two_sides_is_refused() -> None:
    tracks = (_track("x", 0, 1, group="Bach"), _track("y", 0, 0), _track("z", 1, 1, group="Bach"))
    with pytest.raises(DatasetError, match="'Bach' in two sides, train and test"):
        _dataset(tracks=tracks)


def test_a_one_label_dataset_has_one_label_a_track() -> None:
    tracks = (_track("x", 0, 1), _track("y", 1, 0), _track("z", 0, 1))
    assert _dataset(task="one-label", tracks=tracks).task == "one-label"
    with pytest.raises(DatasetError, match="exactly one is 1"):
        _dataset(task="one-label", tracks=(*tracks[:2], _track("z", 0, NAN)))


def test_a_report_reads_well() -> None:
    report = Report(("a",), (), (), ("b",))
    assert report.ok
    assert report.text() == "1 found, 0 missing, 0 corrupt, 1 unexpected\nunexpected: 'b'"
    many = dataclasses.replace(report, missing=tuple("abcdefghijklm"))
    assert not many.ok
    assert many.text().splitlines()[1].endswith("'j' and 3 more")
