import dataclasses
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pydantic", reason="needs the extra train")

from earmark.audio.decode import decode
from earmark.audio.logmel import LogMelSettings, log_mel
from earmark.errors import TrainingError
from earmark.training.datasets import rendered
from earmark.training.material.material import Material, prepare_material
from earmark.training.recipe.data import DataSection
from training.builders import make_material


def test_values_of_clips_are_averaged_by_track() -> None:
    material = make_material(tracks=8, clips_a_track=3)
    values = np.arange(24 * 2, dtype=np.float32).reshape(24, 2)
    by_track = material.by_track(values, "default", "valid")
    assert material.tracks_of("default", "valid") == ("04", "05")
    np.testing.assert_array_equal(by_track, [values[12:15].mean(0), values[15:18].mean(0)])
    assert material.clips_of("default", "test").tolist() == list(range(18, 24))


def test_a_side_without_clips_gives_no_rows() -> None:
    material = make_material(tracks=8)
    split = dataclasses.replace(material.dataset.splits["default"], valid=())
    dataset = dataclasses.replace(material.dataset, splits={"default": split})
    empty = dataclasses.replace(material, dataset=dataset)
    assert empty.by_track(np.zeros((8, 2), np.float32), "default", "valid").shape == (0, 2)


def test_the_hash_knows_tracks_contents_lengths_and_targets() -> None:
    material = make_material(tracks=4)
    clips = material.clips
    changed = {
        "tracks": dataclasses.replace(clips, tracks=("x", *clips.tracks[1:])),
        "rows": dataclasses.replace(clips, rows=clips.rows - 1),
        "targets": dataclasses.replace(clips, targets=1 - clips.targets),
    }
    hashes = {material.hash, dataclasses.replace(material, contents=("x", *material.contents[1:])).hash}
    hashes |= {dataclasses.replace(material, clips=other).hash for other in changed.values()}
    assert len(hashes) == 5
    assert make_material(tracks=4).hash == material.hash


def prepare(folder: Path, **values: int) -> Material:
    section = DataSection(
        dataset="rendered",
        root=folder / "rendered",
        options={"tracks": 3, "seconds": 2.0},
        splits=("default",),
        clip_frames=40,
        **values,
    )
    return prepare_material(section, folder / "store", 1, lambda done, total: None)


def test_a_dataset_is_loaded_decoded_and_cut(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    section = DataSection(
        dataset="rendered", root=tmp_path / "rendered", options={"tracks": 3, "seconds": 2.0}, splits=("default",)
    )
    material = prepare_material(section, tmp_path / "store", 1, lambda done, total: told.append((done, total)))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert material.clips.tracks == ("0000", "0001", "0002")
    assert material.clips.rows.tolist() == [1 + 44_100 // 512] * 3
    assert len(material.frames) == material.clips.rows.sum()
    assert len(set(material.contents)) == 3
    assert all(len(content) == 64 for content in material.contents)
    assert prepare(tmp_path).hash == prepare(tmp_path).hash != material.hash


def test_levelled_frames_have_a_store_and_a_hash_of_their_own(tmp_path: Path) -> None:
    section = DataSection(
        dataset="rendered", root=tmp_path / "rendered", options={"tracks": 3, "seconds": 2.0}, splits=("default",)
    )
    plain, levelled = (
        prepare_material(section, tmp_path / "store", 1, lambda done, total: None, front_end=front_end)
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
    material = prepare(tmp_path, unreadable_tracks_allowed=1)
    assert material.clips.tracks == ("0000", "0002")
    assert len(material.contents) == 2
    assert path.name in material.unreadable[0]
