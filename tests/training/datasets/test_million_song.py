"""The Million Song Dataset: pickles and SQLite say the same, tags by name, empty previews left out aloud."""

import pickle
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from training.datasets.published import million_song_files, msd_identifier

from earmark.errors import DatasetError
from earmark.training.datasets.million_song import OFFICIAL, TAGS, check, load, read_msd_list
from earmark.training.datasets.splits import list_hash


@pytest.fixture
def msd(tmp_path: Path) -> Path:
    million_song_files(tmp_path / "msd")
    return tmp_path / "msd"


def test_tags_come_by_name_whatever_their_order_in_the_vectors(msd: Path) -> None:
    dataset = load(msd, train_count=5)
    assert dataset.labels == TAGS
    for number, track in enumerate(dataset.tracks):
        assert [place for place, target in enumerate(track.targets) if target] == [number]


def test_the_sqlite_file_says_the_same(msd: Path, tmp_path: Path) -> None:
    million_song_files(tmp_path / "other", database=True)
    one, other = load(msd, train_count=5), load(tmp_path / "other", train_count=5)
    assert one.hash == other.hash and one.splits == other.splits
    loose = load(tmp_path / "other", train_count=5, value_above=40)
    assert loose.tracks[0].targets[:2] == (1, 1) and one.tracks[0].targets[:2] == (1, 0)


def test_the_first_of_the_list_train_and_the_rest_validates(msd: Path) -> None:
    split = load(msd, train_count=5).split("msd-lee")
    names = tuple(msd_identifier(number) for number in range(10))
    assert (split.train, split.valid, split.test) == (names[:5], names[5:7], names[7:])
    with pytest.raises(DatasetError, match="holds 7 tracks, of which the first 201680 train"):
        load(msd)


def test_empty_previews_are_left_out_aloud(msd: Path) -> None:
    path = load(msd, train_count=5).tracks[0].path
    path.write_bytes(b"")
    dataset = load(msd, train_count=5)
    assert len(dataset.tracks) == 9 and dataset.split("msd-lee").counts["train"] == 4
    assert dataset.left_out[0] == f"1 files hold no bytes and are left out: '{path.relative_to(msd)}'"
    report = check(msd, train_count=5)
    assert report.ok and dataset.left_out[0] in report.notes and not report.unexpected


def test_without_the_pickles_previews_are_found_by_their_own_name(msd: Path) -> None:
    dataset = load(msd, train_count=5)
    for track in dataset.tracks:
        place = msd / "audio" / "A" / "A" / "A" / f"{track.identifier}.mp3"
        place.parent.mkdir(parents=True, exist_ok=True)
        track.path.rename(place)
    (msd / "MSD_id_to_7D_id.pkl").unlink()
    with pytest.raises(DatasetError, match="bring the other"):
        load(msd, train_count=5)
    (msd / "7D_id_to_path.pkl").unlink()
    assert load(msd, train_count=5).hash == dataset.hash


def _pickled(root: Path, name: str, content: object) -> None:
    (root / name).write_bytes(pickle.dumps(content, protocol=2))


def test_faults_in_the_files_are_refused(msd: Path) -> None:
    def refused(**options: object) -> str:
        with pytest.raises(DatasetError) as caught:
            load(msd, train_count=5, **options)  # type: ignore[arg-type]
        return str(caught.value)

    vectors = (msd / "msd_id_to_tag_vector.cP").read_bytes()
    names = (msd / "50tagList.txt").read_text()
    (msd / "50tagList.txt").write_text(names.replace("Hip-Hop", "Hip Hop"))
    assert "'Hip Hop'" in refused() and "Did you mean 'Hip-Hop'?" in refused()
    (msd / "50tagList.txt").unlink()
    assert "Cannot read" in refused()
    (msd / "50tagList.txt").write_text(names)
    _pickled(msd, "msd_id_to_tag_vector.cP", {msd_identifier(0): np.ones((49, 1))})
    assert "has 49 values" in refused()
    _pickled(msd, "msd_id_to_tag_vector.cP", {msd_identifier(0): np.ones((50, 1))})
    assert "9 of the 10 tracks" in refused()
    (msd / "msd_id_to_tag_vector.cP").write_bytes(vectors[: len(vectors) // 2])
    assert "no pickle of plain data" in refused()
    (msd / "msd_id_to_tag_vector.cP").unlink()
    assert "no msd_id_to_tag_vector.cP nor lastfm_tags.db" in refused()
    assert "no lastfm_tags.db" in refused(tags_from="sqlite")
    assert "option tags_from is 'sql'" in refused(tags_from="sql")
    (msd / "lastfm_tags.db").write_bytes(b"This is no database. " * 50)
    assert "not Last.fm's file of tags" in refused()
    (msd / "lastfm_tags.db").unlink()
    sqlite3.connect(msd / "lastfm_tags.db").close()
    assert "no such table" in refused()
    _pickled(msd, "filtered_list_test.cP", ["song.mp3"])
    assert "1 names that are no Million Song identifiers" in refused()
    _pickled(msd, "7D_id_to_path.pkl", {"1": "/etc/passwd"})


def test_a_path_outside_the_previews_is_refused(msd: Path) -> None:
    for outside in ("/elsewhere/1.mp3", "../1.mp3"):
        _pickled(msd, "7D_id_to_path.pkl", {"1": outside})
        with pytest.raises(DatasetError, match="outside the folder"):
            load(msd, train_count=5)


@pytest.mark.data
def test_the_hashing_rule_gives_the_official_hash(shared_data: Path) -> None:
    official = OFFICIAL["msd-lee"].sides["test"]
    names = read_msd_list(shared_data / "splits" / "msd_lastfm_test.txt")
    assert (len(names), list_hash(names)) == (official.count, official.hash)


@pytest.mark.data
def test_the_tags_are_the_authors(shared_data: Path) -> None:
    assert tuple((shared_data / "splits" / "msd_lastfm_tags.txt").read_text().splitlines()) == TAGS
