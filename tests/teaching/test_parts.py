"""The parts that teaching stands on: labels, folds, quality, regression, columns, what to label next."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teaching.made_up import base, made_up

pytest.importorskip("sklearn", reason="needs the extra teach")

from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from earmark.errors import TeachingError
from earmark.tagging.engines.network import Classifier
from earmark.teaching.columns import choices_of
from earmark.teaching.folds import fold_numbers, parts
from earmark.teaching.labels import read_labels
from earmark.teaching.next_tracks import Candidate, next_tracks
from earmark.teaching.quality import auc_interval, quality_of, roc_auc
from earmark.teaching.regression import Space
from earmark.teaching.teach import Lesson, teach
from earmark.training.bundling.platt import fit_calibration


def labels(folder: Path, text: str) -> Path:
    file = folder / "labels.csv"
    file.write_text(text, encoding="utf-8-sig")
    return file


def test_labels_are_read_as_a_spreadsheet_writes_them(tmp_path: Path) -> None:
    file = labels(tmp_path, 'Path,Tags,Artist\na.mp3,sunny; stormy ;sunny,A\n"b, c.mp3",,\n\n/x/d.mp3,calm,\n')
    first, second, third = read_labels(file)
    assert (first.path, first.words, first.group) == (tmp_path / "a.mp3", ("sunny", "stormy"), "A")
    assert (second.path, second.words, second.group) == (tmp_path / "b, c.mp3", (), str(tmp_path))
    assert (third.path, third.group) == (Path("/x/d.mp3"), "/x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path;tags\na;b\n", "Name a column 'path'"),
        ("path,words\na,b\n", "Name a column 'tags'"),
        ("path,tags,tags\n", "found two columns of one name"),
        ("path,tags\n", "found no rows"),
        ("", "found no rows"),
        ("path,tags\na.mp3\n", "line 2: found 1 cells, expected 2"),
        ("path,tags\n,b\n", "line 2: found no path"),
        ("path,tags\na,b\na,c\n", "line 3: found .* a second time"),
    ],
)
def test_wrong_labels_are_refused_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TeachingError, match=message):
        read_labels(labels(tmp_path, text))


def test_labels_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    with pytest.raises(TeachingError, match="it cannot be read"):
        read_labels(tmp_path / "absent.csv")
    (tmp_path / "bytes.csv").write_bytes(b"path,tags\n\xff,a\n")
    with pytest.raises(TeachingError, match="no UTF-8"):
        read_labels(tmp_path / "bytes.csv")
    (tmp_path / "long.csv").write_text(f"path,tags\na.mp3,{'x' * 200_000}\n")
    with pytest.raises(TeachingError, match="no table that can be read"):
        read_labels(tmp_path / "long.csv")


def test_a_path_may_begin_with_the_mark_of_a_home_that_is_nobodys(tmp_path: Path) -> None:
    (label,) = read_labels(labels(tmp_path, "path,tags\n~nobody at all/a.mp3,calm\n"))
    assert label.path == tmp_path / "~nobody at all" / "a.mp3"


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 100), st.integers(20, 60), st.integers(2, 5))
def test_groups_stay_together_and_words_are_spread(seed: int, groups: int, folds: int) -> None:
    generator = np.random.default_rng(seed)
    names = [f"artist {number}" for number in generator.integers(0, groups, 200)]
    has = generator.random((200, 3)) < [0.5, 0.2, 0.06]
    numbers = fold_numbers(names, has, folds, seed)
    assert set(numbers.tolist()) <= set(range(folds))
    for name in set(names):
        assert len({fold for fold, each in zip(numbers.tolist(), names, strict=True) if each == name}) == 1
    rare = len({name for name, there in zip(names, has[:, 2].tolist(), strict=True) if there})
    holding = {fold for fold, there in zip(numbers.tolist(), has[:, 2].tolist(), strict=True) if there}
    assert len(holding) >= min(folds, rare) - 1
    rows = np.concatenate([rest for _, rest in parts(numbers)])
    assert sorted(rows.tolist()) == list(range(200))


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 40))
def test_the_area_is_scikit_learns(seed: int, tracks: int) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, 6, tracks).astype(np.float64)
    has = generator.random(tracks) < 0.5
    if has.all() or not has.any():
        assert np.isnan(roc_auc(scores, has))
    else:
        assert roc_auc(scores, has) == pytest.approx(roc_auc_score(has, scores))


@settings(deadline=None)
@given(st.floats(0, 1), st.integers(2, 200), st.integers(2, 200))
def test_the_interval_holds_the_area_and_narrows_with_tracks(auc: float, positives: int, negatives: int) -> None:
    low, high = auc_interval(auc, positives, negatives)
    assert 0 <= low <= auc <= high <= 1
    more_low, more_high = auc_interval(auc, positives * 4, negatives * 4)
    assert more_high - more_low <= high - low + 1e-9


def test_a_perfect_area_of_few_examples_promises_little() -> None:
    assert auc_interval(1.0, 5, 20)[0] < 0.85
    assert auc_interval(1.0, 200, 800)[0] > 0.98


@pytest.mark.parametrize(("distance", "positives", "negatives"), [(0.0, 10, 40), (1.0, 10, 40), (2.0, 20, 20)])
def test_nineteen_of_twenty_intervals_hold_the_truth(distance: float, positives: int, negatives: int) -> None:
    from statistics import NormalDist

    generator = np.random.default_rng(5)
    true = NormalDist().cdf(distance / 2**0.5)
    held = 0
    for _ in range(400):
        scores = np.concatenate([generator.normal(distance, 1, positives), generator.normal(0, 1, negatives)])
        has = np.arange(positives + negatives) < positives
        low, high = auc_interval(roc_auc(scores, has), positives, negatives)
        held += low <= true <= high
    assert 0.92 <= held / 400 <= 0.99


def test_songs_of_one_artist_are_no_independent_witnesses() -> None:
    scores, has = np.linspace(0, 1, 40), np.arange(40) >= 20
    alone = quality_of(scores, has, np.arange(40))
    together = quality_of(scores, has, np.arange(40) // 10)
    assert alone.auc == together.auc == 1.0
    assert together.low < alone.low


@pytest.mark.parametrize("tracks", [40, 400])
def test_fits_are_those_of_scikit_learn_on_the_columns_themselves(tracks: int) -> None:
    bundle = base()
    examples = made_up(bundle, tracks, strength=1.0)
    standardised = (examples.vectors - bundle.weights["head.mean"]) / bundle.weights["head.deviation"]
    space = Space(standardised, bundle.card.layout)
    for columns in choices_of(bundle.card.layout)[:3]:
        width = len(columns.numbers)
        plain = LogisticRegression(C=3.0 / width, tol=1e-8, max_iter=5_000)
        plain.fit(standardised[:, columns.numbers].astype(np.float64), examples.has[:, 0])
        weights, intercept = space.weights(columns, examples.has[:, 0], 3.0)
        np.testing.assert_allclose(weights[columns.numbers], plain.coef_[0], atol=2e-3)
        assert intercept == pytest.approx(plain.intercept_[0], abs=1e-2)
        train, rest = np.arange(0, tracks, 2), np.arange(1, tracks, 2)
        features, others = space.fold(train, rest, columns)
        part = standardised[:, columns.numbers].astype(np.float64) / width**0.5
        np.testing.assert_allclose(features @ features.T, part[train] @ part[train].T, atol=1e-6)
        np.testing.assert_allclose(others @ features.T, part[rest] @ part[train].T, atol=1e-6)


def test_the_choices_are_all_scales_levels_and_the_highest() -> None:
    layout = base().card.layout
    names = [choice.name for choice in choices_of(layout)]
    assert names == [
        "all scales and levels",
        "scale 18",
        "scale 27",
        *(f"level {level} of all scales" for level in (1, 2, 3)),
    ], "the highest level is the third of both"
    assert len(choices_of(layout)[0].numbers) == base().card.vector_width


def test_next_come_the_tracks_in_doubt_each_from_somewhere_else() -> None:
    bundle = base()
    every = made_up(bundle, 260, strength=1.0, a_group=1)
    taught = teach(bundle, every.rows(np.arange(60)), Lesson("words"), fit_calibration).bundle
    classifier = Classifier(taught.card.head, taught.weights)
    candidates = [
        Candidate(every.names[row], f"folder {row % 50}", every.vectors[row].astype(np.float16))
        for row in range(60, 260)
    ]
    weights = {"sunny": 1.0, "stormy": 0.0}
    found = next_tracks(taught.card, classifier, candidates, weights, 10)
    assert len(found) == 10
    groups = {candidate.name: candidate.group for candidate in candidates}
    assert len({groups[each.name] for each in found}) == 10
    assert [each.worth for each in found] == sorted((each.worth for each in found), reverse=True)
    assert all(each.doubts[0][0] == "sunny" for each in found)
    assert all(0.3 < each.doubts[0][1] < 0.7 for each in found)
    assert next_tracks(taught.card, classifier, [], weights, 10) == []
