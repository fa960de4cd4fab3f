"""Emotify: its targets, its folds, its refusals, and the real data where it is."""

from pathlib import Path
from typing import Any

import pytest

from earmark.errors import DatasetError
from earmark.training.datasets.emotify import EMOTIONS, GENRES, check, load


def test_genre_is_one_label(emotify: Any) -> None:
    dataset = load(emotify.root, target="genre")
    assert (dataset.task, dataset.labels, dataset.positive_threshold) == ("one-label", GENRES, 0.5)
    assert dataset.tracks[1].targets == (0, 1, 0, 0)
    assert {tag.group for tag in dataset.tags} == {"genres"}


def test_emotions_are_shares(emotify: Any) -> None:
    dataset = load(emotify.root, target="emotions")
    assert (dataset.task, dataset.labels, dataset.positive_threshold) == ("multi-label", EMOTIONS, 0.25)
    assert dataset.tracks[0].targets == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
    assert {tag.group for tag in dataset.tags} == {"moods"}


def test_both_puts_genres_before_emotions(emotify: Any) -> None:
    dataset = load(emotify.root)
    assert dataset.labels == GENRES + EMOTIONS
    assert dataset.tracks[0].targets[:5] == (1, 0, 0, 0, 0.0)


def test_fold_k_tests_and_the_next_one_validates(emotify: Any) -> None:
    splits = load(emotify.root).splits
    assert list(splits) == [f"fold-{fold}" for fold in range(5)]
    assert splits["fold-4"].test == ("t8", "t9")
    assert splits["fold-4"].valid == ("t0", "t1")
    assert splits["fold-4"].train == ("t2", "t3", "t4", "t5", "t6", "t7")


def _rewrite(root: Path, old: str, new: str) -> None:
    table = root / "tracks.csv"
    table.write_text(table.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "sentences"),
    [
        ("genre", "genres", ["lacks 'genre'", "Is it 'genres'?", "'artist'"]),
        ("joyful_activation", "joy", ["lacks 'joyful_activation'"]),
        ("classical", "baroque", ["Line 2", "'baroque'", "'classical'"]),
        ("0.8,0\n", "0.8,7\n", ["Line 2", "'7'", "'fold'", "0..4"]),
        ("0.8,0\n", "0.8,first\n", ["'first'", "'fold'"]),
        ("0.8,0\n", "1.8,0\n", ["'1.8'", "'sadness'", "0..1"]),
        ("0.8,0\n", "nan,0\n", ["'nan'", "'sadness'"]),
        ("0.8,0\n", "0.8,1\n", ["'Artist 0' in two sides"]),
        ("A title", "A, title", ["Line 2", "16 cells"]),
        ("t1,", "t0,", ["repeated track names: 't0'"]),
    ],
)
def test_a_changed_table_is_refused(emotify: Any, old: str, new: str, sentences: list[str]) -> None:
    _rewrite(emotify.root, old, new)
    with pytest.raises(DatasetError) as caught:
        load(emotify.root)
    for sentence in sentences:
        assert sentence in str(caught.value)


def test_an_unknown_target_is_refused(emotify: Any) -> None:
    with pytest.raises(DatasetError, match="Did you mean 'genre'"):
        load(emotify.root, target="genres")  # type: ignore[arg-type]


@pytest.mark.data
def test_the_real_data(shared_data: Path) -> None:
    root = shared_data / "emotify"
    dataset = load(root, target="both")
    assert len(dataset.tracks) == 296
    assert len({track.group for track in dataset.tracks}) == 100
    assert [len(dataset.split(f"fold-{fold}").test) for fold in range(5)] == [60, 59, 59, 58, 60]
    for fold in range(5):
        split = dataset.split(f"fold-{fold}")
        assert sum(split.counts.values()) == 296
        artists = [{track.group for track in dataset.select(split.side(side))} for side in split.counts]
        assert sum(map(len, artists)) == 100
        assert split.valid == dataset.split(f"fold-{(fold + 1) % 5}").test
    genres = load(root, target="genre")
    counts = genres.targets(track.identifier for track in genres.tracks).sum(axis=0)
    assert (genres.labels, counts.tolist()) == (("classical", "electronic", "pop", "rock"), [75, 74, 74, 73])
    report = check(root)
    assert report.ok and len(report.found) == 296 and not report.unexpected, report.text()
