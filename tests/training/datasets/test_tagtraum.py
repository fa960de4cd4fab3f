"""Tagtraum's CD2C: the authors' split or a stratified one, genres spelled as in the file, refusals."""

from pathlib import Path

import pytest
from training.datasets.published import msd_identifier, tagtraum_files

from earmark.errors import DatasetError
from earmark.training.datasets.million_song import read_msd_list
from earmark.training.datasets.splits import list_hash
from earmark.training.datasets.tagtraum import OFFICIAL, load, stratified_split


@pytest.fixture
def cd2c(tmp_path: Path) -> Path:
    tagtraum_files(tmp_path / "cd2c")
    return tmp_path / "cd2c"


def test_genres_are_spelled_as_in_the_file(cd2c: Path) -> None:
    dataset = load(cd2c, train_count=10)
    assert (dataset.task, dataset.labels) == ("one-label", ("New Age", "Rock"))
    assert dataset.tracks[0].targets == (0, 1)


def test_the_authors_split_is_taken_where_it_is_there(cd2c: Path) -> None:
    dataset = load(cd2c, train_count=10)
    names = tuple(msd_identifier(number) for number in range(20))
    split = dataset.split("cd2c-lee")
    assert (split.train, split.valid, split.test) == (names[:10], names[10:14], names[14:19])
    assert len(dataset.tracks) == 19
    drawn = load(cd2c, split="cd2c-stratified", seed=4)
    assert drawn.split("cd2c-stratified").counts == {"train": 14, "valid": 2, "test": 4} and len(drawn.tracks) == 20


def test_the_stratified_split_is_seeded_and_keeps_shares() -> None:
    genre_of = {msd_identifier(number): ("rock", "pop")[number % 4 == 0] for number in range(1_000)}
    split = stratified_split(genre_of, seed=1)
    assert split.counts == {"train": 720, "valid": 80, "test": 200}
    assert sum(genre_of[name] == "pop" for name in split.test) == 50
    assert split == stratified_split(dict(reversed(genre_of.items())), seed=1) != stratified_split(genre_of, seed=2)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("\tRock", "\tRok", "Did you mean 'rock'"),
        ("\tRock", "\tROCK", "spells 'Rock' also 'ROCK'"),
        ("\tRock", " Rock", "a tab and a genre"),
        ("\tRock", "\tRock\tPop", "a tab and a genre"),
        (msd_identifier(0), msd_identifier(1), "twice"),
        (msd_identifier(0), msd_identifier(999), "1 tracks that"),
        (msd_identifier(0), "TR1", "Million Song identifier"),
    ],
)
def test_a_changed_file_is_refused(cd2c: Path, old: str, new: str, sentence: str) -> None:
    table = cd2c / "msd_tagtraum_cd2c.cls"
    table.write_text(table.read_text().replace(old, new, 1))
    with pytest.raises(DatasetError, match=sentence):
        load(cd2c, train_count=10)


def test_half_of_the_authors_split_is_refused(cd2c: Path) -> None:
    (cd2c / "test_list.cP").unlink()
    with pytest.raises(DatasetError, match=r"lacks 'test_list\.cP'"):
        load(cd2c, train_count=10)
    with pytest.raises(DatasetError, match="Did you mean 'cd2c-lee'"):
        load(cd2c, split="cd2c-le")  # type: ignore[arg-type]
    assert load(cd2c, split="cd2c-stratified").splits
    (cd2c / "msd_tagtraum_cd2c.cls").write_text("# nothing\n")
    with pytest.raises(DatasetError, match="names no tracks"):
        load(cd2c)


@pytest.mark.data
def test_the_hashing_rule_gives_the_official_hash(shared_data: Path) -> None:
    official = OFFICIAL["cd2c-lee"].sides["test"]
    names = read_msd_list(shared_data / "splits" / "tagtraum_cd2c_test.txt")
    assert (len(names), list_hash(names)) == (official.count, official.hash)
