"""What holds for every dataset: the same parts, tracks that decode, splits that do not leak, reports."""

import dataclasses
import math
import re
from typing import Any

import numpy as np
import pytest

from earmark.audio.decode import decode
from earmark.errors import DatasetError
from earmark.training.datasets.base import Dataset
from earmark.training.datasets.registry import DATASETS, check_dataset, load_dataset


def _load(miniature: Any) -> Dataset:
    return load_dataset(miniature.name, miniature.root, miniature.options)


def test_every_dataset_has_a_miniature_here(miniature: Any) -> None:
    assert miniature.name in DATASETS
    published = {"magnatagatune", "million_song", "tagtraum", "gtzan", "jamendo", "fma"}
    own = {"annotated", "consensus", "debian", "emotify", "rendered", "table", "taught", "teacher"}
    assert own | published == set(DATASETS)


def test_it_says_what_it_is(miniature: Any) -> None:
    dataset, entry = _load(miniature), DATASETS[miniature.name]
    assert dataset.name == miniature.name
    assert (dataset.licence, dataset.citation, dataset.layout) == (
        entry.licence,
        entry.citation,
        entry.layout,
    )
    assert dataset.licence and dataset.citation and dataset.layout
    assert all(tag.label and tag.group for tag in dataset.tags)
    assert set(miniature.options) <= set(entry.options)


def test_every_track_exists_and_decodes(miniature: Any) -> None:
    for track in _load(miniature).tracks:
        with decode(track.path) as sound:
            assert sum(block.size for block in sound) > 2_000


def test_targets_are_shares_or_unknown(miniature: Any) -> None:
    dataset = _load(miniature)
    for track in dataset.tracks:
        assert len(track.targets) == len(dataset.tags)
        assert all(math.isnan(target) or 0 <= target <= 1 for target in track.targets)
    matrix = dataset.targets(track.identifier for track in dataset.tracks)
    assert matrix.shape == (len(dataset.tracks), len(dataset.tags)) and matrix.dtype == np.float32


def test_identifiers_are_unique(miniature: Any) -> None:
    identifiers = [track.identifier for track in _load(miniature).tracks]
    assert len(set(identifiers)) == len(identifiers)


def test_no_track_and_no_group_is_in_two_sides(miniature: Any) -> None:
    dataset = _load(miniature)
    assert dataset.splits
    for name, split in dataset.splits.items():
        assert name == split.name
        sides = [set(side) for side in (split.train, split.valid, split.test)]
        # A split to ship a model with tests on nothing.
        assert all(sides if name != "ship" else sides[:2])
        assert sum(map(len, sides)) == len(set.union(*sides)) == sum(split.counts.values())
        groups = [{track.group for track in dataset.select(side)} for side in sides]
        assert sum(map(len, groups)) == len(set.union(*groups))


def test_it_loads_the_same_again(miniature: Any) -> None:
    first, second = _load(miniature), _load(miniature)
    assert first == second
    assert first.hash == second.hash
    assert [s.hash for s in first.splits.values()] == [s.hash for s in second.splits.values()]


def test_the_hash_does_not_depend_on_the_order_of_tracks(miniature: Any) -> None:
    dataset = _load(miniature)
    assert dataclasses.replace(dataset, tracks=dataset.tracks[::-1]).hash == dataset.hash
    track = dataset.tracks[0]
    renamed = dataclasses.replace(track, identifier=track.identifier + "x")
    others = dataclasses.replace(dataset, tracks=(*dataset.tracks, renamed))
    assert others.hash != dataset.hash


def test_check_finds_everything(miniature: Any) -> None:
    dataset = _load(miniature)
    report = check_dataset(miniature.name, miniature.root, miniature.options)
    assert report.ok, report.text()
    assert len(report.found) == len(dataset.tracks)
    assert not report.unexpected


def test_check_reports_a_deleted_an_empty_and_an_unlisted_file(miniature: Any) -> None:
    dataset = _load(miniature)
    others = [track.path for track in dataset.tracks if track.path != miniature.audio]
    miniature.audio.unlink()
    others[0].write_bytes(b"")
    others[1].write_bytes(b"This is no sound at all. " * 40)
    (others[1].parent / "stranger.flac").write_bytes(others[2].read_bytes())
    report = check_dataset(miniature.name, miniature.root, miniature.options)
    assert not report.ok
    assert len(report.missing) == 1 and report.missing[0].endswith(miniature.audio.name)
    assert len(report.corrupt) == (1 if miniature.empty_is_known else 2)
    assert len(report.unexpected) == 1 and report.unexpected[0].endswith("stranger.flac")
    assert len(report.found) == len(dataset.tracks) - 3
    assert (
        f"1 missing, {len(report.corrupt)} corrupt, 1 unexpected" in report.text()
        and miniature.audio.name in report.text()
    )


def test_load_refuses_a_deleted_file(miniature: Any) -> None:
    _load(miniature)
    miniature.audio.unlink()
    with pytest.raises(DatasetError, match=miniature.audio.name):
        _load(miniature)


def test_a_published_dataset_can_go_on_without_a_file(published: Any) -> None:
    whole = _load(published)
    others = [track.path for track in whole.tracks if track.path != published.audio]
    published.audio.unlink()
    others[-1].write_bytes(b"")
    if not published.empty_is_known:
        with pytest.raises(DatasetError, match=r"1 are absent .*1 hold no bytes .*allow_missing = true"):
            _load(published)
    tolerant = load_dataset(published.name, published.root, {**published.options, "allow_missing": True})
    assert len(tolerant.tracks) == len(whole.tracks) - 2
    assert published.audio not in {track.path for track in tolerant.tracks}
    text = " ".join(tolerant.left_out)
    assert published.audio.name in text and others[-1].name in text
    for name, split in tolerant.splits.items():
        assert f"split {name} has {split.counts['train']} of" in text
        assert sum(split.counts.values()) < sum(whole.splits[name].counts.values())


def test_a_published_dataset_without_any_sound_says_where_it_looked(published: Any) -> None:
    for track in _load(published).tracks:
        track.path.unlink()
    for options in (published.options, {**published.options, "allow_missing": True}):
        with pytest.raises(DatasetError, match=re.escape(str(published.root))):
            load_dataset(published.name, published.root, options)


def test_verify_refuses_a_miniature_and_check_says_what_is_known(published: Any) -> None:
    lines = check_dataset(published.name, published.root, published.options).splits
    dataset = _load(published)
    assert len(lines) == len(dataset.splits)
    if "cd2c-stratified" in dataset.splits:
        return
    with pytest.raises(DatasetError, match="is not the official one"):
        load_dataset(published.name, published.root, {**published.options, "verify": True})
    assert all("NOT the official split" in line for line in lines)


def test_options_of_a_wrong_type_are_refused(published: Any) -> None:
    for option in ("allow_missing", "verify", "audio_folder"):
        with pytest.raises(DatasetError, match=f"option {option} is 7"):
            load_dataset(published.name, published.root, {**published.options, option: 7})


def test_a_wrong_root_is_refused_with_its_name(miniature: Any) -> None:
    for root in miniature.wrong_roots:
        with pytest.raises(DatasetError) as caught:
            load_dataset(miniature.name, root, miniature.options)
        assert str(root) in str(caught.value)
        if root.exists():
            with pytest.raises(DatasetError):
                check_dataset(miniature.name, root, miniature.options)
