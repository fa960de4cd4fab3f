"""MTG-Jamendo: official split files, tags by name and group, refusals."""

from pathlib import Path

import pytest
from training.datasets.published import jamendo_files

from earmark.errors import DatasetError
from earmark.training.datasets.jamendo import load


@pytest.fixture
def mtg(tmp_path: Path) -> Path:
    return jamendo_files(tmp_path / "jamendo")


def test_tags_come_by_name_with_their_group(mtg: Path) -> None:
    dataset = load(mtg)
    assert len(dataset.labels) == 50
    assert {tag.group for tag in dataset.tags} == {"genres", "instruments", "moods"}
    by_name = {track.identifier: track for track in dataset.tracks}
    targets = by_name["track_1376250"].targets
    assert [label for label, target in zip(dataset.labels, targets, strict=True) if target] == [
        "rock",
        "piano",
        "happy",
    ]
    assert by_name["track_1376251"].group == "artist_000001"


def test_the_splits_that_are_there_are_offered(mtg: Path) -> None:
    dataset = load(mtg)
    assert list(dataset.splits) == ["split-0", "split-3"]
    assert dataset.split("split-3").train[0] == "track_1376252"
    assert list(load(mtg, splits=[3]).splits) == ["split-3"]
    with pytest.raises(DatasetError, match="'split-1'"):
        load(mtg, splits=[1])
    for wrong in ([], [7], "0"):
        with pytest.raises(DatasetError, match="option splits"):
            load(mtg, splits=wrong)  # type: ignore[arg-type]


def test_low_quality_audio_will_do(mtg: Path) -> None:
    whole = load(mtg)
    for track in whole.tracks:
        track.path.rename(track.path.with_suffix(".low.mp3"))
    low = load(mtg)
    assert low.hash == whole.hash and low.tracks[0].path.name.endswith(".low.mp3")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("ARTIST_ID", "ARTIST", "Is it 'ARTIST'"),
        ("genre---rock", "genre---rok", "Did you mean 'genre---rock'"),
        ("\t166.0\tgenre---rock\tinstrument---piano\tmood/theme---happy", "", "Row 2 of .* has 4 cells"),
        ("genre---rock", "genre---pop", "differently than another split file"),
        ("artist_000000", "artist_000007", "differently"),
    ],
)
def test_a_changed_file_is_refused(mtg: Path, old: str, new: str, sentence: str) -> None:
    path = mtg / "data" / "splits" / "split-0" / "autotagging_top50tags-train.tsv"
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DatasetError, match=sentence):
        load(mtg)


def test_an_artist_in_two_sides_is_refused(mtg: Path) -> None:
    path = mtg / "data" / "splits" / "split-0" / "autotagging_top50tags-train.tsv"
    path.write_text(path.read_text().replace("artist_000000", "artist_000007"))
    with pytest.raises(DatasetError, match="'artist_000007' in two sides"):
        load(mtg, splits=[0])
    path.unlink()
    with pytest.raises(DatasetError, match="Cannot read"):
        load(mtg)
