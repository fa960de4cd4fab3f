import dataclasses
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pydantic", reason="needs the extra train")

from earmark.errors import TrainingError
from earmark.tagging.bundle.card import TagName
from earmark.training.datasets.base import Dataset, Split, Track
from earmark.training.datasets.windowed import WindowTargets
from earmark.training.material.clips import Clips, cut_clips
from earmark.training.material.store import FrameStore
from earmark.training.recipe.data import DataSection
from training.builders import make_clips
from training.sounds import write_noise

HOP = 512
FRAMES = (20, 9, 31)
"""The lengths of the three tracks."""


@pytest.fixture
def prepared(tmp_path: Path) -> tuple[Dataset, FrameStore]:
    """Three tracks of 20, 9 and 31 frames."""
    tracks = tuple(
        Track(
            f"t{index}",
            write_noise(tmp_path / f"{index}.flac", index, (frames - 1) * HOP),
            (index / 2, float("nan")),
            f"{index}",
        )
        for index, frames in enumerate(FRAMES)
    )
    split = Split("default", ("t0",), ("t1",), ("t2",))
    tags = (TagName("one", "tests"), TagName("two", "tests"))
    store = FrameStore(tmp_path / "store")
    store.prepare([track.path for track in tracks])
    return Dataset("three", "none", "none", "none", "multi-label", tags, tracks, {"default": split}), store


def section(**values: int) -> DataSection:
    return DataSection(dataset="table", root=Path(), splits=("default",), **values)


def cut(prepared: tuple[Dataset, FrameStore], **values: int) -> Clips:
    return cut_clips(*prepared, section(**values), {})


def test_one_clip_from_the_start_of_every_track(prepared: tuple[Dataset, FrameStore]) -> None:
    clips = cut(prepared, clip_frames=10)
    assert clips.tracks == ("t0", "t1", "t2")
    assert clips.first_row.tolist() == [0, 20, 29]
    assert clips.rows.tolist() == [10, 9, 10], "a track shorter than a clip is one shorter clip"
    np.testing.assert_array_equal(clips.targets, np.array([[0, np.nan], [0.5, np.nan], [1, np.nan]], np.float32))


def test_more_clips_lie_side_by_side(prepared: tuple[Dataset, FrameStore]) -> None:
    clips = cut(prepared, clip_frames=10, clips_per_track=5)
    assert clips.tracks == ("t0", "t0", "t1", "t2", "t2", "t2")
    assert clips.first_row.tolist() == [0, 10, 20, 29, 39, 49]
    assert clips.rows.tolist() == [10, 10, 9, 10, 10, 10]
    assert cut(prepared, clip_frames=10, clips_per_track=2).tracks == ("t0", "t0", "t1", "t2", "t2")


def test_a_track_of_exactly_one_clip_is_whole(prepared: tuple[Dataset, FrameStore]) -> None:
    assert cut(prepared, clip_frames=20).rows.tolist() == [20, 9, 20]


def test_unreadable_tracks_are_left_out_where_the_recipe_allows_them(prepared: tuple[Dataset, FrameStore]) -> None:
    dataset, store = prepared
    failures = {dataset.tracks[1].path: "no sound in it"}
    clips = cut_clips(dataset, store, section(clip_frames=10, unreadable_tracks_allowed=1), failures)
    assert clips.tracks == ("t0", "t2")
    with pytest.raises(TrainingError, match="1 tracks of three could not be read, and the recipe allows 0") as caught:
        cut_clips(dataset, store, section(clip_frames=10), failures)
    assert "no sound in it" in str(caught.value)


def test_clips_of_some_tracks() -> None:
    clips = dataclasses.replace(make_clips([5, 5, 5, 5]), tracks=("a", "b", "a", "c"))
    assert clips.of(["c", "a"]).tolist() == [0, 2, 3]
    assert clips.of([]).dtype == np.int64
    assert len(clips) == 4


def test_a_moment_has_the_targets_of_its_window(prepared: tuple[Dataset, FrameStore]) -> None:
    dataset, store = prepared
    values = np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]], np.float32)
    changing = dataclasses.replace(dataset.tracks[2], targets=(0.3, 0.4), windows=WindowTargets(0.2, values))
    dataset = dataclasses.replace(dataset, tracks=(*dataset.tracks[:2], changing))
    clips = cut_clips(dataset, store, section(clip_frames=14, clips_per_track=2), {})
    first, second = clips.of(["t2"])
    moments = np.array([0.0, 0.19, 0.21, 5.0])
    np.testing.assert_allclose(clips.table[clips.entry_at(int(first), moments)][:, 0], [0.1, 0.1, 0.3, 0.5])
    # The second clip begins 14 frames into the track, after .325 s.
    np.testing.assert_allclose(clips.table[clips.entry_at(int(second), moments)][:, 0], [0.3, 0.5, 0.5, 0.5])
    (plain,) = clips.of(["t1"])
    np.testing.assert_array_equal(
        clips.table[clips.entry_at(int(plain), moments)], np.tile(clips.targets[plain], (4, 1))
    )
    both = clips.entry_at(np.array([plain, second]), np.array([9.0, 0.0]))
    np.testing.assert_array_equal(both, [clips.first_entry[plain], clips.first_entry[second] + 1])
