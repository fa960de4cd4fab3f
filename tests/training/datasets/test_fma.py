"""FMA: the table with two header rows, subsets, clips without sound, refusals."""

from pathlib import Path

import pytest
from training.datasets.published import fma_files

from earmark.errors import DatasetError
from earmark.training.datasets.fma import MEDIUM_GENRES, SMALL_GENRES, check, load


def test_medium_holds_small(tmp_path: Path) -> None:
    small = load(fma_files(tmp_path / "small"))
    medium = load(fma_files(tmp_path / "medium", "medium"), subset="medium")
    assert (small.labels, medium.labels) == (SMALL_GENRES, MEDIUM_GENRES)
    assert len(SMALL_GENRES) == 8 and len(MEDIUM_GENRES) == 16 and set(SMALL_GENRES) < set(MEDIUM_GENRES)
    assert small.split("fma-small").test == ("000419", "000558")
    assert medium.split("fma-medium").test == ("000419", "000558", "005001")
    assert small.tracks[1].group == "8"


def test_clips_without_sound_are_left_out_aloud(tmp_path: Path) -> None:
    root = fma_files(tmp_path / "fma")
    dataset = load(root)
    assert "099134" not in {track.identifier for track in dataset.tracks}
    assert any("099134.mp3" in note for note in dataset.left_out)
    assert check(root).ok and check(root).notes == dataset.left_out[:1]


def test_the_large_archive_holds_the_subsets_too(tmp_path: Path) -> None:
    root = fma_files(tmp_path / "fma", "medium")
    (root / "fma_medium").rename(root / "fma_large")
    assert len(load(root, audio_folder="fma_large").tracks) == 6
    assert not check(root, audio_folder="fma_large").unexpected


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("genre_top", "genretop", r"lacks 'track\.genre_top'.* Is it 'track\.genretop'"),
        ("track_id", "id", "lacks 'track_id'"),
        ("Folk", "Volk", r"Line 5 .*'Volk' as track\.genre_top.*Did you mean 'Folk'"),
        ("training", "train", r"'train' as set\.split.*Did you mean 'training'"),
        ("small", "tiny", ""),
        ("7,training,small", "training,small", "Line 5 .* has 6 cells"),
    ],
)
def test_a_changed_table_is_refused(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    root = fma_files(tmp_path / "fma")
    table = root / "fma_metadata" / "tracks.csv"
    table.write_text(table.read_text().replace(old, new, -1 if old == "small" else 1))
    with pytest.raises(DatasetError, match=sentence or "lists no track of the subset 'small'"):
        load(root)


def test_an_artist_in_two_sides_and_an_unknown_subset_are_refused(tmp_path: Path) -> None:
    root = fma_files(tmp_path / "fma")
    table = root / "fma_metadata" / "tracks.csv"
    table.write_text(table.read_text().replace("x,7,", "x,11,"))
    with pytest.raises(DatasetError, match="'11' in two sides"):
        load(root)
    with pytest.raises(DatasetError, match="option subset is 'large'"):
        load(root, subset="large")  # type: ignore[arg-type]
