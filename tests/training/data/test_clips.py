import dataclasses
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pydantic", reason="needs the extra train")

from earmark.audio.decode import decode
from earmark.audio.logmel import LogMelSettings, log_mel
from earmark.errors import TrainingError
from earmark.tagging.bundle.card import TagName
from earmark.training.data.clips import Clips, TrainingData, cut_clips, prepare_data
from earmark.training.data.store import FrameStore
from earmark.training.datasets import rendered
from earmark.training.datasets.base import Dataset, DatasetTrack, Split, WindowTargets
from earmark.training.recipe.sections import DataSection
from training.builders import make_clips, make_data
from training.sounds import write_noise

HOP = 512
FRAMES = (20, 9, 31)
"""The lengths of the three tracks."""


@pytest.fixture
def prepared(tmp_path: Path) -> tuple[Dataset, FrameStore]:
    """Three tracks of 20, 9 and 31 frames."""
    tracks = tuple(
        DatasetTrack(
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


def test_values_of_clips_are_averaged_by_track() -> None:
    data = make_data(tracks=8, clips_a_track=3)
    values = np.arange(24 * 2, dtype=np.float32).reshape(24, 2)
    by_track = data.by_track(values, "default", "valid")
    assert data.tracks_of("default", "valid") == ("04", "05")
    np.testing.assert_array_equal(by_track, [values[12:15].mean(0), values[15:18].mean(0)])
    assert data.clips_of("default", "test").tolist() == list(range(18, 24))


def test_a_side_without_clips_gives_no_rows() -> None:
    data = make_data(tracks=8)
    split = dataclasses.replace(data.dataset.splits["default"], valid=())
    dataset = dataclasses.replace(data.dataset, splits={"default": split})
    empty = dataclasses.replace(data, dataset=dataset)
    assert empty.by_track(np.zeros((8, 2), np.float32), "default", "valid").shape == (0, 2)


def test_the_hash_knows_tracks_contents_lengths_and_targets() -> None:
    data = make_data(tracks=4)
    clips = data.clips
    changed = {
        "tracks": dataclasses.replace(clips, tracks=("x", *clips.tracks[1:])),
        "rows": dataclasses.replace(clips, rows=clips.rows - 1),
        "targets": dataclasses.replace(clips, targets=1 - clips.targets),
    }
    hashes = {data.hash, dataclasses.replace(data, contents=("x", *data.contents[1:])).hash}
    hashes |= {dataclasses.replace(data, clips=other).hash for other in changed.values()}
    assert len(hashes) == 5
    assert make_data(tracks=4).hash == data.hash


def prepare(folder: Path, **values: int) -> TrainingData:
    section = DataSection(
        dataset="rendered",
        root=folder / "rendered",
        options={"tracks": 3, "seconds": 2.0},
        splits=("default",),
        clip_frames=40,
        **values,
    )
    return prepare_data(section, folder / "store", 1, lambda done, total: None)


def test_a_dataset_is_loaded_decoded_and_cut(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    section = DataSection(
        dataset="rendered", root=tmp_path / "rendered", options={"tracks": 3, "seconds": 2.0}, splits=("default",)
    )
    data = prepare_data(section, tmp_path / "store", 1, lambda done, total: told.append((done, total)))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert data.clips.tracks == ("0000", "0001", "0002")
    assert data.clips.rows.tolist() == [1 + 44_100 // 512] * 3
    assert len(data.frames) == data.clips.rows.sum()
    assert len(set(data.contents)) == 3
    assert all(len(content) == 64 for content in data.contents)
    assert prepare(tmp_path).hash == prepare(tmp_path).hash != data.hash


def test_levelled_frames_have_a_store_and_a_hash_of_their_own(tmp_path: Path) -> None:
    section = DataSection(
        dataset="rendered", root=tmp_path / "rendered", options={"tracks": 3, "seconds": 2.0}, splits=("default",)
    )
    plain, levelled = (
        prepare_data(section, tmp_path / "store", 1, lambda done, total: None, front_end=front_end)
        for front_end in (LogMelSettings(), LogMelSettings(level_seconds=2.0))
    )
    assert plain.hash != levelled.hash
    with decode(levelled.dataset.tracks[0].path, 22_050) as sound:
        frames = log_mel(np.concatenate(list(sound)), LogMelSettings(level_seconds=2.0))
    np.testing.assert_array_equal(levelled.frames[: len(frames)], frames.astype(np.float16))
    assert not np.allclose(plain.frames[: len(frames)], frames, atol=1e-2)


def test_contents_stand_beside_their_clips(tmp_path: Path) -> None:
    one, two = prepare(tmp_path), prepare(tmp_path, clips_per_track=2)
    assert two.clips.tracks == ("0000", "0000", "0001", "0001", "0002", "0002")
    assert two.contents == tuple(content for content in one.contents for _ in range(2))


def test_unreadable_tracks_are_kept_as_reasons(tmp_path: Path) -> None:
    prepare(tmp_path)
    path = rendered.load(tmp_path / "rendered", 3, 0, 2.0).tracks[1].path
    path.write_bytes(b"no sound at all" * 100)
    with pytest.raises(TrainingError, match="1 tracks of rendered could not be read"):
        prepare(tmp_path)
    data = prepare(tmp_path, unreadable_tracks_allowed=1)
    assert data.clips.tracks == ("0000", "0002")
    assert len(data.contents) == 2
    assert path.name in data.unreadable[0]
