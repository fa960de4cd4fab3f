import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tagging.builders import log_mel_extractor, make_bundle, make_bundle_of, raw_extractor

from earmark.errors import TagError
from earmark.tagging import evidence as evidence_module
from earmark.tagging.bundle.bundle import seal
from earmark.tagging.engines.network import Classifier
from earmark.tagging.evidence import strongest_seconds
from earmark.tagging.tagger import Tagger
from earmark.tagging.windows import OverTimeSettings

RATE_HZ = 22_050


def swelling_noise(seconds, seed=0):
    samples = np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE_HZ))
    return (samples * (1.2 + np.sin(np.arange(len(samples)) / RATE_HZ))).astype(np.float32)


def explained(bundle, samples):
    prediction = Tagger(bundle).tag((samples, RATE_HZ), keep_features=True)
    return prediction, prediction.explainer.explain(prediction.embedding, prediction.features)


def by_orders(bundle, vector):
    """Shapley values by their definition: every order of the scale and level blocks, one pass a set."""
    blocks = {}
    for block in bundle.card.layout:
        blocks.setdefault((block.extractor, block.level), []).append(block.columns)
    classifier = Classifier(bundle.card.head, bundle.weights)

    def value(chosen):
        mixed = bundle.weights["vector.mean"].copy()
        for key in chosen:
            for columns in blocks[key]:
                mixed[columns] = vector[columns]
        return classifier(mixed[np.newaxis])[0].astype(np.float64)

    values = {
        frozenset(chosen): value(chosen)
        for size in range(len(blocks) + 1)
        for chosen in itertools.combinations(blocks, size)
    }
    shares = dict.fromkeys(blocks, 0.0)
    for order in itertools.permutations(blocks):
        for place, key in enumerate(order):
            before = frozenset(order[:place])
            shares[key] = shares[key] + (values[before | {key}] - values[before]) / math.factorial(len(blocks))
    return np.stack(list(shares.values()))


@pytest.mark.parametrize("track_statistic", ["mean", "mean+deviation"])
def test_contributions_are_shapley_values_by_definition(track_statistic):
    labels = ["a", "b", "c"]
    extractors = [
        dataclasses.replace(log_mel_extractor(18, labels, 16), levels=(1, 3), track_statistic=track_statistic),
        dataclasses.replace(log_mel_extractor(54, labels, 16), track_statistic=track_statistic),
    ]
    bundle = make_bundle_of(extractors, labels, hidden_units=(24, 16))
    prediction, found = explained(bundle, swelling_noise(8))
    assert found.blocks == (("18", 1), ("18", 3), ("54", 1), ("54", 2), ("54", 3), ("54", 4))
    assert found.shares.exact
    np.testing.assert_allclose(found.shares.contributions, by_orders(bundle, prediction.embedding), atol=2e-5)


@pytest.mark.parametrize("hidden_units", [(), (32,), (32, 16)])
@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_contributions_add_up(hidden_units, activation):
    bundle = make_bundle_of(
        [log_mel_extractor(frames, ["a", "b"], 16) for frames in (18, 27)],
        ["a", "b"],
        hidden_units=hidden_units,
        activation=activation,
    )
    prediction, found = explained(bundle, swelling_noise(6))
    np.testing.assert_allclose(
        found.shares.contributions.sum(axis=0), found.shares.whole - found.shares.base, atol=1e-9
    )
    mean = Classifier(bundle.card.head, bundle.weights)(bundle.weights["vector.mean"][np.newaxis])[0]
    if activation == "sigmoid":
        np.testing.assert_allclose(found.shares.whole, prediction.logits, atol=1e-4)
        np.testing.assert_allclose(found.shares.base, mean, atol=1e-4)
    else:
        np.testing.assert_allclose(found.shares.whole[0], prediction.logits[0] - prediction.logits[1], atol=1e-4)
        np.testing.assert_allclose(found.shares.contributions[:, 0], -found.shares.contributions[:, 1], atol=1e-9)


def test_more_blocks_are_drawn_with_their_error(monkeypatch):
    labels = ["a", "b"]
    extractors = [*(log_mel_extractor(frames, labels, 16) for frames in (18, 27, 54)), raw_extractor(labels)]
    bundle = make_bundle_of(extractors, labels)
    samples = swelling_noise(4)
    _, drawn = explained(bundle, samples)
    _, again = explained(bundle, samples)
    monkeypatch.setattr(evidence_module, "EXACT_BLOCKS", 13)
    _, exact = explained(bundle, samples)
    assert (drawn.shares.exact, exact.shares.exact, len(drawn.blocks)) == (False, True, 13)
    np.testing.assert_array_equal(drawn.shares.contributions, again.shares.contributions)
    np.testing.assert_allclose(
        drawn.shares.contributions.sum(axis=0), drawn.shares.whole - drawn.shares.base, atol=1e-9
    )
    assert (drawn.shares.errors > 0).all()
    assert (exact.shares.errors == 0).all()
    assert (np.abs(drawn.shares.contributions - exact.shares.contributions) < 5 * drawn.shares.errors).all()


def test_a_block_that_does_not_matter_has_no_part():
    bundle = make_bundle(scales=(18, 27))
    weights = {name: weight.copy() for name, weight in bundle.weights.items()}
    silent = next(block for block in bundle.card.layout if (block.extractor, block.level) == ("27", 2))
    weights["head.layer.1.weight"][:, silent.columns] = 0.0
    _, found = explained(seal(bundle.card, weights), swelling_noise(3))
    assert found.blocks[4] == ("27", 2)
    np.testing.assert_array_equal(found.shares.contributions[4], 0.0)
    assert (found.shares.contributions[:4] != 0.0).all()


def test_evidence_of_a_prediction():
    tagger = Tagger(make_bundle(calibrated=True))
    prediction = tagger.tag((swelling_noise(20), RATE_HZ), keep_features=True)
    found = prediction.evidence("tag 2")
    assert found.label == "tag 2"
    assert len(found.parts) == 10
    assert sum(part.contribution for part in found.parts) == pytest.approx(found.log_odds - found.base)
    np.testing.assert_array_equal(found.seconds, np.arange(16.0))
    windows = tagger.tag((swelling_noise(20), RATE_HZ), over_time=OverTimeSettings(5.0, 1.0)).over_time
    np.testing.assert_allclose(found.curve, windows.probabilities[:, 1], atol=0.05)
    record = found.to_dict()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert repr(found).startswith("<Evidence of 'tag 2': ")
    assert prediction.to_dict(evidence=["tag 2"])["evidence"] == {"tag 2": record}
    with pytest.raises(TagError, match="keep_features"):
        tagger.tag((swelling_noise(2), RATE_HZ)).evidence("tag 2")


def test_strongest_seconds_by_hand():
    strengths = np.array([0, 0, 0, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5], dtype=np.float64)
    assert strongest_seconds(strengths, 1.0, 1.0, 16.0) == ((3.0, 5.0), (15.0, 16.0))
    assert strongest_seconds(np.zeros(1), 5.0, 1.0, 0.25) == ((0.0, 0.25),)
    assert strongest_seconds(np.zeros(1), 5.0, 1.0, 3.0) == ((0.0, 1.0),)
    # Second 12 alone is loud: it lies in the windows from 8 to 12, and is the middle of what they name.
    loud = np.isin(np.arange(26), np.arange(8, 13)).astype(np.float64)
    assert strongest_seconds(loud, 5.0, 1.0, 30.0) == ((9.0, 15.0),)


def test_the_ends_of_a_track_lie_in_fewer_windows_and_count_as_much():
    """Seconds are compared by the mean of their windows: by the sum the ends lose, or win where it is negative."""
    at_the_end = np.ones(26)
    at_the_end[-1] = 3.0
    assert strongest_seconds(at_the_end, 5.0, 1.0, 30.0) == ((0.0, 1.0), (25.0, 30.0))
    in_the_middle = np.full(26, -2.0)
    in_the_middle[10:15] = -1.0
    assert strongest_seconds(in_the_middle, 5.0, 1.0, 30.0) == ((11.0, 17.0),)


@given(
    st.lists(st.integers(-1000, 1000), min_size=1, max_size=40),
    st.integers(-1000, 1000),
)
def test_the_strongest_seconds_are_those_of_any_other_zero(strengths, added):
    """Log odds have no natural zero: as much added to all of them changes nothing. Two windows a second stay exact."""
    exact = np.array(strengths, dtype=np.float64)
    seconds = len(strengths) + 1.0
    assert strongest_seconds(exact + added, 2.0, 1.0, seconds) == strongest_seconds(exact, 2.0, 1.0, seconds)


@pytest.mark.parametrize("seconds", [0.01, 0.5, 3.0])
def test_short_sounds_have_evidence(seconds):
    prediction = Tagger(make_bundle()).tag((swelling_noise(seconds), RATE_HZ), keep_features=True)
    found = prediction.evidence("tag 1")
    assert len(found.curve) == 1
    assert found.strongest[0][0] == 0.0
    assert found.strongest[-1][1] <= prediction.duration_seconds + 1e-9


def tone_or_noise(is_tone, generator):
    """A stretch of (samples,) float32: a chord with a little noise, or noise alone, equally loud."""
    seconds = np.arange(len(is_tone)) / RATE_HZ
    chord = sum(np.sin(2 * np.pi * pitch * seconds) for pitch in (440.0, 554.4, 659.3)) * 0.1
    noise = generator.normal(0, 0.12, len(is_tone))
    return np.where(is_tone, chord + 0.05 * noise, noise).astype(np.float32)


@pytest.fixture(scope="module")
def chord_tagger():
    """A model of random extractors with a head that least squares taught what a chord is, from other sounds."""
    labels = ["chord", "noise"]
    bundle = make_bundle_of([log_mel_extractor(frames, labels, 16) for frames in (18, 27, 54)], labels, hidden_units=())
    tagger, generator = Tagger(bundle), np.random.default_rng(1)
    vectors, targets = [], []
    for share in np.linspace(0, 1, 41):
        is_tone = np.arange(6 * RATE_HZ) < share * 6 * RATE_HZ
        vectors.append(tagger.embed((tone_or_noise(is_tone, generator), RATE_HZ)))
        targets.append([8 * share - 4, 4 - 8 * share])
    matrix = np.stack(vectors).astype(np.float64)
    mean, deviation = matrix.mean(axis=0), matrix.std(axis=0) + 1e-3
    standardised = (matrix - mean) / deviation
    solved = standardised.T @ np.linalg.solve(standardised @ standardised.T + np.eye(len(matrix)), np.array(targets))
    weights = dict(bundle.weights)
    weights["head.mean"] = weights["vector.mean"] = mean.astype(np.float32)
    weights["head.deviation"] = deviation.astype(np.float32)
    weights["head.layer.1.weight"] = np.ascontiguousarray(solved.T, dtype=np.float32)
    weights["head.layer.1.bias"] = np.zeros(2, dtype=np.float32)
    return Tagger(seal(bundle.card, weights))


def test_the_seconds_named_are_those_in_which_the_tag_sounds(chord_tagger):
    """Generated sound: a chord from 24 to 30 seconds in 50 seconds of noise."""
    seconds = np.arange(50 * RATE_HZ) / RATE_HZ
    samples = tone_or_noise((seconds >= 24) & (seconds < 30), np.random.default_rng(2))
    prediction = chord_tagger.tag((samples, RATE_HZ), keep_features=True)
    found = prediction.evidence("chord")
    named = np.zeros(50, dtype=bool)
    for start, end in found.strongest:
        named[int(start) : int(end)] = True
    assert named.sum() == 10
    assert named[24:30].all()
    assert found.curve[25] > 0.9 > 0.1 > found.curve[5]
    np.testing.assert_allclose(found.curve, 1 - prediction.evidence("noise").curve, atol=0.05)
    # Removing them lowers the tag more than removing any other ten seconds in a row.
    without = chord_tagger.tag((samples[~np.repeat(named, RATE_HZ)], RATE_HZ)).logits[0]
    others = [
        chord_tagger.tag((np.delete(samples, np.s_[start * RATE_HZ : (start + 10) * RATE_HZ]), RATE_HZ)).logits[0]
        for start in (0, 10, 35, 40)
    ]
    assert without < prediction.logits[0] - 0.5
    assert without < min(others) - 0.5


def test_a_linear_head_has_the_parts_that_one_can_read_off_its_weights(chord_tagger):
    samples = tone_or_noise(np.ones(6 * RATE_HZ, dtype=bool), np.random.default_rng(3))
    prediction = chord_tagger.tag((samples, RATE_HZ), keep_features=True)
    weights = chord_tagger.bundle.weights
    difference = (prediction.embedding - weights["vector.mean"]) / weights["head.deviation"]
    expected = [
        weights["head.layer.1.weight"][0, block.columns] @ difference[block.columns]
        for block in chord_tagger.card.layout
    ]
    np.testing.assert_allclose([part.contribution for part in prediction.evidence("chord").parts], expected, atol=1e-4)


@pytest.mark.parametrize("tags", [3, 5])
def test_a_stretch_is_explained_with_the_probability_of_its_window(tags):
    tagger = Tagger(make_bundle(tags=tags, calibrated=True))
    prediction = tagger.tag((swelling_noise(20), RATE_HZ), keep_features=True)
    for start in (0.0, 7.0, 15.0):
        found = tagger.explainer.explain_stretch(prediction.features, start, start + 5.0)
        for place, label in enumerate(tagger.labels):
            whole = prediction.evidence(label)
            of_tag = found.to_dict()["tags"][label]
            assert of_tag["probability"] == pytest.approx(whole.curve[int(start)], abs=1e-6)
            assert of_tag["base"] == pytest.approx(whole.base)
            parts = sum(part["contribution"] for part in of_tag["parts"])
            assert parts == pytest.approx(of_tag["log_odds"] - of_tag["base"], abs=1e-6)
            assert found.labels[place] == label


def test_the_whole_track_as_a_stretch_has_the_evidence_of_the_track():
    tagger = Tagger(make_bundle())
    prediction = tagger.tag((swelling_noise(12), RATE_HZ), keep_features=True)
    found = tagger.explainer.explain_stretch(prediction.features, 0.0, 12.0)
    whole = tagger.explainer.explain(prediction.features.track_vector(), prediction.features)
    np.testing.assert_allclose(found.shares.contributions, whole.shares.contributions, atol=1e-9)
