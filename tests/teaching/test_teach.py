from pathlib import Path

import numpy as np
import pytest

from teaching.made_up import base, made_up

pytest.importorskip("sklearn", reason="needs the extra teach")

from earmark.errors import TeachingError
from earmark.tagging.bundle.bundle import read_bundle, write_bundle
from earmark.tagging.bundle.card import TagCalibration
from earmark.tagging.engines.network import Classifier
from earmark.tagging.tagger import Tagger
from earmark.teaching.examples import Examples, examples_of
from earmark.teaching.quality import roc_auc
from earmark.teaching.regression import fit_regression
from earmark.teaching.teach import HIDDEN, Lesson, Taught, teach
from earmark.training.bundling.platt import fit_calibration


def taught_on(examples: Examples, **lesson: object) -> Taught:
    return teach(base(), examples, Lesson("my-words", **lesson), fit_calibration)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def taught() -> Taught:
    return taught_on(made_up(base(), strength=1.6))


def test_words_that_are_in_the_sound_are_learned_and_that_is_known_beforehand(taught: Taught) -> None:
    assert [report.word for report in taught.reports] == ["stormy", "sunny"]
    for report in taught.reports:
        assert report.quality is not None
        assert report.quality.low < report.quality.auc <= report.quality.high <= 1
        assert report.quality.auc > 0.85
        assert report.groups <= report.examples
    assert taught.columns == "scale 27", "the words stand in this scale alone"
    assert {name for name, _ in taught.searched} >= {"all scales and levels", "scale 18", "scale 27"}


def test_the_head_reads_only_what_was_chosen_and_is_a_bundle_like_any_other(taught: Taught, tmp_path: Path) -> None:
    bundle = taught.bundle
    own = base()
    assert [each.hash for each in bundle.card.extractors] == [each.hash for each in own.card.extractors]
    assert bundle.card.head.hidden_units == ()
    assert bundle.card.head.hash != own.card.head.hash
    assert len(bundle.card.calibration) == 2
    weights = bundle.weights["head.layer.1.weight"]
    for block in bundle.card.layout:
        assert (weights[:, block.columns] == 0).all() == (block.extractor == "18")
    write_bundle(bundle, tmp_path / "my-words")
    again = read_bundle(tmp_path / "my-words")
    assert again.card == bundle.card
    assert again.card.metrics["tracks"] == 80
    assert 'columns = "scale 27"' in again.card.provenance.recipe
    prediction = Tagger(again).tag((np.random.default_rng(0).normal(0, 0.1, 60_000).astype(np.float32), 22_050))
    assert prediction.labels == ("stormy", "sunny")
    assert prediction.local_scores is None


def test_words_that_stand_in_the_hidden_layer_are_read_there() -> None:
    """The base's layer stays as it is, and the whole says what was fitted on the layer's units."""
    own = base()
    generator = np.random.default_rng(3)
    vectors = made_up(own, 90, strength=0.0).vectors
    hidden = Classifier(own.card.head, own.weights).hidden(vectors)
    told = hidden @ generator.normal(size=hidden.shape[1])
    words = [["high"] if value > np.quantile(told, 0.6) else ["low"] for value in told]
    names = [f"{number}.mp3" for number in range(90)]
    found = taught_on(examples_of(vectors, words, names, names))
    assert found.columns == HIDDEN == "the classifier's hidden layer"
    card, weights = found.bundle.card, found.bundle.weights
    assert card.head.hidden_units == own.card.head.hidden_units[:1] == (hidden.shape[1],)
    for part in ("weight", "bias"):
        np.testing.assert_array_equal(weights[f"head.layer.1.{part}"], own.weights[f"head.layer.1.{part}"])
    standardised = (hidden - hidden.mean(axis=0)) / hidden.std() / np.sqrt(hidden.shape[1])
    for number, word in enumerate(card.labels):
        fitted, intercept = fit_regression(
            standardised.astype(np.float64), np.array([word in each for each in words]), found.strength
        )
        logits = Classifier(card.head, weights)(vectors)[:, number]
        np.testing.assert_allclose(logits, standardised @ fitted + intercept, atol=2e-3)


def test_what_is_measured_is_about_what_happens_on_other_tracks() -> None:
    """The AUC that is promised lies near that on a thousand tracks that nobody has seen."""
    every = made_up(base(), 1_100, strength=1.2, a_group=1)
    known, unseen = every.rows(np.arange(100)), every.rows(np.arange(100, 1_100))
    found = taught_on(known)
    classifier = Classifier(found.bundle.card.head, found.bundle.weights)
    logits = classifier(unseen.vectors).astype(np.float64)
    for number, report in enumerate(found.reports):
        true = roc_auc(logits[:, number], unseen.has[:, number])
        assert report.quality is not None
        assert report.quality.low - 0.03 <= true <= report.quality.high + 0.03


def test_words_that_mean_nothing_are_seen_to_be_chance() -> None:
    found = taught_on(made_up(base(), strength=0.0))
    for report in found.reports:
        assert report.quality is not None
        assert report.quality.low < 0.5
        assert report.promises == ()
        assert report.advice.startswith("perhaps no better than chance")


def test_words_with_too_few_examples_are_left_out_with_what_to_do() -> None:
    examples = made_up(base(), 60)
    words = [[word for word, there in zip(examples.words, row, strict=True) if there] for row in examples.has.tolist()]
    words[0].append("rare")
    words[1].append("rare")
    for number in range(6):
        words[number].append("one artist")
    groups = ["the one" if number < 6 else group for number, group in enumerate(examples.groups)]
    for each in words:
        each.append("always")
    found = taught_on(examples_of(examples.vectors, words, groups, examples.names))
    advice = {report.word: report.advice for report in found.reports if report.quality is None}
    assert advice == {
        "rare": "left out: 2 examples, expected at least 5; label 3 more",
        "one artist": "left out: all tracks with it are of one artist or folder; label some of others",
        "always": "left out: every track has it; label tracks that do not",
    }
    assert found.bundle.card.labels == ("stormy", "sunny")


def test_ten_examples_are_enough_to_be_useful_and_few_are_told_to_be_few() -> None:
    examples = made_up(base(), 24, strength=4.0, a_group=1)
    found = {report.word: report for report in taught_on(examples).reports}
    assert found["sunny"].examples == 8
    assert "label 2 more tracks with it" in found["sunny"].advice
    assert found["sunny"].quality is not None
    assert found["sunny"].quality.auc > 0.8
    assert found["sunny"].quality.low < 0.9, "eight examples cannot promise more"


def test_the_same_examples_make_the_same_model() -> None:
    first, second = (taught_on(made_up(base(), 40)).bundle.card.head.hash for _ in range(2))
    assert first == second


def test_without_words_or_with_other_vectors_it_is_refused() -> None:
    examples = made_up(base(), 40)
    with pytest.raises(TeachingError, match=r"found no word that can be taught \(stormy: left out: 10 examples"):
        taught_on(examples, least_examples=100)
    narrow = Examples(examples.vectors[:, :-1], examples.words, examples.has, examples.groups, examples.names)
    with pytest.raises(TeachingError, match=r"found vectors of \d+ columns, expected \d+"):
        taught_on(narrow)
    with pytest.raises(TeachingError, match="Label some tracks"):
        examples_of(examples.vectors, [[] for _ in range(40)], examples.groups, examples.names)


def test_the_calibration_is_fitted_on_what_was_said_without_each_group() -> None:
    told: list[tuple[np.ndarray, np.ndarray]] = []

    def calibrate(logits: np.ndarray, targets: np.ndarray, tags: object, groups: object) -> tuple[TagCalibration, ...]:
        told.append((logits, targets))
        return tuple(TagCalibration(tag.label, 2.0, 0.5, {}) for tag in tags)  # type: ignore[attr-defined]

    examples = made_up(base(), 60, strength=0.5)
    found = teach(base(), examples, Lesson("my-words"), calibrate)
    assert found.bundle.card.calibration[0].slope == 2.0
    [(logits, targets)] = told
    assert logits.shape == targets.shape == (60, 2)
    inside = Classifier(found.bundle.card.head, found.bundle.weights)(examples.vectors)
    assert roc_auc(inside[:, 0].astype(float), examples.has[:, 0]) > roc_auc(
        logits[:, 0].astype(float), examples.has[:, 0]
    )
