import dataclasses
import json
import unicodedata

import numpy as np
import pytest
from tagging.builders import log_mel_extractor, make_bundle, make_bundle_of, raw_extractor

from earmark.errors import BundleError
from earmark.tagging.bundle.card import Convolution, TagCalibration, TagName, find_tag, nearest_tags
from earmark.tagging.bundle.check import check_card, layer_lengths
from earmark.tagging.bundle.json import card_from_json, card_to_json
from earmark.tagging.bundle.tensors import extractor_hash, head_hash


@pytest.fixture(scope="module")
def card():
    labels = ["guitar", "ťažký kov"]
    return make_bundle_of([log_mel_extractor(18, labels, 16), raw_extractor(labels)], labels, calibrated=True).card


@pytest.fixture
def data(card):
    return json.loads(card_to_json(card))


def read(data):
    return card_from_json(json.dumps(data), "folder/card.json")


def test_round_trip(card):
    assert card_from_json(card_to_json(card), "card.json") == card


def test_whole_numbers_may_stand_for_fractions(card, data):
    data["extractors"][1]["input_mean"] = 0
    assert read(data) == card


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (("licence",), "licence: this key is missing"),
        (("head", "hash"), "head.hash: this key is missing"),
        (("extractors", 0, "segment_length"), r"extractors\[0\].segment_length: this key is missing"),
        (("extractors", 0, "log_mel", "hop_samples"), r"extractors\[0\].log_mel.hop_samples: this key is missing"),
        (("extractors", 0, "convolutions", 1, "stride"), r"convolutions\[1\].stride: this key is missing"),
    ],
)
def test_a_missing_key_is_named(data, path, message):
    place = data
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    with pytest.raises(BundleError, match=r"^folder/card.json: .*" + message):
        read(data)


def test_an_unknown_key_is_answered_with_the_nearest(data):
    data["head"]["hiden_units"] = []
    with pytest.raises(BundleError, match=r"card.json: head.hiden_units: .* nearest known one is 'hidden_units'"):
        read(data)
    data["head"] = {**data["head"], "zzz": 1}
    del data["head"]["hiden_units"]
    with pytest.raises(BundleError, match="zzz: found an unknown key, expected one of hidden_units, hash"):
        read(data)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("name", 3, "name: found a whole number .3., expected text"),
        ("tags", "guitar", "tags: found text .'guitar'., expected a list"),
        ("head", [], "head: found a list, expected an object"),
        ("metrics", [], "metrics: found a list, expected an object"),
        ("metrics", {"auc": True}, "metrics.auc: found true or false"),
        ("metrics", {"auc": "high"}, "metrics.auc: found text .'high'., expected a number"),
        ("activation", "tanh", "activation: found 'tanh', expected 'sigmoid' or 'softmax'"),
        ("format", "essentia", "found the format 'essentia', expected 'earmark-bundle'"),
        ("version", 2, "found version 2 of the format, expected 1"),
        ("version", 1.0, "found version 1.0 of the format"),
        ("version", True, "found version True of the format"),
    ],
)
def test_an_ill_typed_value_is_named(data, key, value, message):
    data[key] = value
    with pytest.raises(BundleError, match=message):
        read(data)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("segment_length", 18.0, "segment_length: found a number .18.0., expected a whole number"),
        ("segment_length", True, "segment_length: found true or false"),
        ("family", "spectral", "family: found 'spectral', expected 'log-mel' or 'raw'"),
        ("log_mel", 3, "log_mel: found a whole number"),
        ("levels", [1, "2"], r"levels\[1\]: found text"),
    ],
)
def test_an_ill_typed_value_of_an_extractor_is_named(data, key, value, message):
    data["extractors"][0][key] = value
    with pytest.raises(BundleError, match=r"extractors\[0\]." + message):
        read(data)


def test_front_end_settings_check_themselves(data):
    data["extractors"][0]["log_mel"]["mel_bands"] = 0
    with pytest.raises(BundleError, match=r"card.json: extractors\[0\].log_mel: mel_bands is 0"):
        read(data)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"format": NaN}', '{"format": "earmark-bundle", "format": "earmark-bundle"}', "\x00"],
)
def test_what_is_no_card_is_refused(text):
    with pytest.raises(BundleError, match=r"^the file: "):
        card_from_json(text, "the file")


def test_a_number_beyond_float_is_refused(data):
    text = json.dumps(data).replace('"roc_auc": 0.5', '"roc_auc": 1e999')
    with pytest.raises(BundleError, match=r"metrics.roc_auc: found inf, expected a finite number"):
        card_from_json(text, "card.json")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "0.5"])
def test_writing_is_as_strict(card, value):
    with pytest.raises(BundleError, match=r"card.metrics.roc_auc: found"):
        card_to_json(dataclasses.replace(card, metrics={"roc_auc": value}))
    with pytest.raises(BundleError, match=r"card.tags: found a list, expected a tuple"):
        card_to_json(dataclasses.replace(card, tags=list(card.tags)))
    with pytest.raises(BundleError, match=r"card.head: found"):
        card_to_json(dataclasses.replace(card, head=card.tags[0]))


def changed(card, **changes):
    first, *others = card.extractors
    return dataclasses.replace(card, extractors=(dataclasses.replace(first, **changes), *others))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "18.5"}, "name: found '18.5', expected letters, digits"),
        ({"name": ""}, "extractors: names: found an empty one"),
        ({"name": "2187"}, "extractors: names: found 2187 more than once"),
        ({"rate_hz": 0}, "rate_hz: found 0"),
        ({"rate_hz": 16_000}, "log_mel.rate_hz: found 22050, expected rate_hz, 16000"),
        ({"log_mel": None}, "log_mel: found null, expected settings"),
        ({"family": "raw"}, "log_mel: found settings, expected null"),
        ({"segment_length": 0}, "segment_length: found 0"),
        ({"segment_length": 20}, "convolution 1: found 20 rows, expected a multiple of its stride times its pool, 3"),
        ({"segment_hop": -1}, "segment_hop: found -1"),
        ({"input_deviation": 0.0}, "input_deviation: found 0.0"),
        ({"convolutions": ()}, "convolutions: found none"),
        ({"convolutions": (Convolution(3, 8, 0),)}, "convolution 1: pool_length: found 0"),
        ({"convolutions": (Convolution(3, 8, 3, stride=2),)}, "convolution 1: stride: found 2, expected 1 or"),
        ({"convolutions": (Convolution(3, 8, 3, squeeze_units=-1),)}, "convolution 1: squeeze_units: found -1"),
        (
            {"convolutions": (Convolution(3, 8, 3, residual_convolutions=3),)},
            "residual_convolutions: found 3, expected 0",
        ),
        (
            {"convolutions": (Convolution(3, 8, 1, stride=3, residual_convolutions=1),)},
            "convolution 1: stride: found 3, expected 1, as its input is added",
        ),
        ({"levels": ()}, r"levels: found \[\]"),
        ({"levels": (2, 1)}, "levels: found"),
        ({"levels": (1, 1)}, "levels: found"),
        ({"levels": (0, 1)}, "levels: found"),
        ({"levels": (1, 4)}, "levels: found .* expected ascending numbers from 1 to 3"),
        ({"levels": (1, 2)}, "layout: this is not the layout of the card's extractors"),
        ({"track_statistic": "max"}, "layout: this is not the layout of the card's extractors: found VectorBlock"),
        ({"hidden_units": -1}, "hidden_units: found -1"),
        ({"output_tags": ("a", "a")}, "output_tags: found a more than once"),
        ({"output_tags": ()}, "hidden_units: found 16, expected 0"),
    ],
)
def test_an_extractor_that_cannot_work_is_refused(card, changes, message):
    with pytest.raises(BundleError, match="^folder/card.json: .*" + message):
        check_card(changed(card, **changes), "folder/card.json")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"extractors": ()}, "extractors: found none"),
        ({"tags": ()}, "tags: found none"),
        ({"tags": (TagName("a", "g"), TagName("a", "h"))}, "tags: labels: found a more than once"),
        ({"tags": (TagName("a", "g"), TagName("", "h"))}, "tags: labels: found an empty one"),
        ({"tags": (TagName("a", "g"),)}, "calibration: labels: found guitar"),
        ({"layout": ()}, "layout: .* found 0 blocks, expected"),
        (
            {"calibration": (TagCalibration("guitar", 1.0, 0.0, {"often": 0.5}),) * 2},
            "calibration: labels: found guitar, guitar",
        ),
    ],
)
def test_a_card_that_cannot_work_is_refused(card, changes, message):
    with pytest.raises(BundleError, match=message):
        check_card(dataclasses.replace(card, **changes), "card.json")


@pytest.mark.parametrize("thresholds", [{"often": 0.5}, {"0": 0.5}, {"1.5": 0.5}, {"0.9": 1.5}, {"nan": 0.5}])
def test_thresholds_that_promise_nothing_are_refused(card, thresholds):
    entries = tuple(dataclasses.replace(entry, thresholds=thresholds) for entry in card.calibration)
    with pytest.raises(BundleError, match="calibration of 'guitar': thresholds"):
        check_card(dataclasses.replace(card, calibration=entries), "card.json")


def test_the_probability_of_the_best_f1_is_optional(card):
    assert "best_f1_probability" not in card_to_json(card)
    for best, fits in ((0.3, True), (0.0, True), (1.5, False), (-0.1, False)):
        entries = tuple(dataclasses.replace(entry, best_f1_probability=best) for entry in card.calibration)
        changed = dataclasses.replace(card, calibration=entries)
        assert card_from_json(card_to_json(changed), "card.json") == changed
        if fits:
            check_card(changed, "card.json")
        else:
            with pytest.raises(BundleError, match="best_f1_probability: found"):
                check_card(changed, "card.json")


def test_mixed_rates_are_refused(card):
    first, second = card.extractors
    mixed = dataclasses.replace(card, extractors=(first, dataclasses.replace(second, rate_hz=16_000)))
    with pytest.raises(BundleError, match="found extractors at 16000 Hz and 22050 Hz, expected one rate"):
        check_card(mixed, "card.json")


def test_layers_of_the_letter_and_of_the_raw_family():
    assert layer_lengths(make_bundle(scales=(54,)).card.extractors[0]) == (54, 18, 6, 2, 1)
    assert layer_lengths(raw_extractor(["a"], samples=27)) == (27, 9, 3, 1, 1)


def test_what_came_later_is_absent_from_a_card_that_does_not_need_it(card, data):
    assert set(data["extractors"][1]["convolutions"][1]) == {"filter_length", "channels", "pool_length", "stride"}
    first, second = card.extractors
    blocks = (
        second.convolutions[0],
        *(
            dataclasses.replace(block, squeeze_units=128, residual_convolutions=2)
            for block in second.convolutions[1:-1]
        ),
        second.convolutions[-1],
    )
    newer = dataclasses.replace(card, extractors=(first, dataclasses.replace(second, convolutions=blocks)))
    written = json.loads(card_to_json(newer))["extractors"][1]["convolutions"]
    assert [block.get("squeeze_units") for block in written] == [None, *[128] * (len(written) - 2), None]
    assert card_from_json(card_to_json(newer), "card.json") == newer


def test_the_hash_of_a_card_from_before_is_the_same():
    """Pinned before blocks of the follow-up were possible."""
    bundle = make_bundle_of([log_mel_extractor(18, ["a"], 16)], ["a"])
    weights = {name: np.zeros_like(weight) for name, weight in bundle.weights.items()}
    found = extractor_hash(bundle.card.extractors[0], weights)
    assert found == "4e603b5d26fe4d0543ee6c9c1b8070ee029de3d5ffc9c930ccb18a3d36f4b63e"


def related(card):
    tags = (
        TagName("guitar", "instruments", synonyms=("git", "Gitárá"), parents=("ťažký kov",)),
        TagName("ťažký kov", "genres", opposites=()),
    )
    calibration = tuple(
        dataclasses.replace(entry, truth="listeners", tracks=12) if place else entry
        for place, entry in enumerate(card.calibration)
    )
    return dataclasses.replace(card, tags=tags, calibration=calibration)


def test_relations_and_truth_are_absent_from_a_card_without_them(card, data):
    assert set(data["tags"][0]) == {"label", "group"}
    assert set(data["calibration"][0]) == {"label", "slope", "intercept", "thresholds"}
    assert "familiarity" not in data
    newer = related(card)
    written = json.loads(card_to_json(newer))
    assert written["tags"][0] == {
        "label": "guitar", "group": "instruments", "synonyms": ["git", "Gitárá"], "parents": ["ťažký kov"],
    }  # fmt: skip
    assert set(written["tags"][1]) == {"label", "group"}
    assert [entry.get("truth") for entry in written["calibration"]] == [None, "listeners"]
    assert card_from_json(card_to_json(newer), "card.json") == newer


def test_relations_change_no_hash():
    bundle = make_bundle_of([log_mel_extractor(18, ["a", "b"], 16)], ["a", "b"], calibrated=True)
    tags = (TagName("a", "group of tests", ("c",), ("b",)), TagName("b", "group of tests"))
    assert head_hash(dataclasses.replace(bundle.card, tags=tags), bundle.weights) == bundle.card.head.hash


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ((TagName("a", "g", ("B",)), TagName("b", "g")), "labels and synonyms: found b more than once"),
        ((TagName("a", "g", ("c",)), TagName("b", "g", ("C",))), "labels and synonyms: found c more than once"),
        ((TagName("a", "g", ("",)), TagName("b", "g")), "labels and synonyms: found an empty one"),
        ((TagName("a", "g", (), ("c",)), TagName("b", "g")), "tag 'a': parents: found 'c', expected labels"),
        ((TagName("a", "g", (), ("b", "b")), TagName("b", "g")), "tag 'a': parents: found b more than once"),
        ((TagName("a", "g", (), (), ("c",)), TagName("b", "g")), "tag 'a': opposites: found 'c', expected labels"),
        ((TagName("a", "g", (), ("b",)), TagName("b", "g", (), ("a",))), "a circle, .* implies .*no tag that implies"),
        ((TagName("a", "g", (), ("b",)), TagName("b", "g", (), (), ("a",))), "'a' implies what it excludes"),
    ],
)
def test_relations_that_cannot_be_are_refused(card, tags, message):
    with pytest.raises(BundleError, match=message):
        check_card(dataclasses.replace(card, tags=tags, calibration=()), "card.json")


def test_a_word_finds_its_tag(card):
    tags = related(card).tags
    assert [find_tag(word, tags) for word in ("guitar", " GUITAR ", "Git", "gitárá", "ťažký KOV")] == [0, 0, 0, 0, 1]
    assert find_tag(unicodedata.normalize("NFD", "Gitárá"), tags) == 0
    assert find_tag("drums", tags) is None
    assert find_tag("b", (TagName("a", "g", ("b",)), TagName("B", "g"))) == 1, "a label goes before a synonym"
    assert nearest_tags("gutiar", tags) == nearest_tags("gitara", tags) == ("guitar",)
    assert nearest_tags("quite another word", tags) == ()
