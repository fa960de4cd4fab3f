"""One contract over all engines: the same answers as numpy, whatever the network and however it is fed."""

import dataclasses
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tagging.builders import log_mel_extractor, make_bundle, make_bundle_of, raw_extractor

import earmark
from earmark.errors import BundleError, MissingExtraError, TagError
from earmark.tagging.bundle.bundle import write_bundle
from earmark.tagging.engines.engine import ENGINES, networks_of
from earmark.tagging.engines.int8 import write_ranges
from earmark.tagging.engines.network import LocalNetwork
from earmark.tagging.tagger import Tagger
from earmark.tagging.windows import OverTimeSettings

LABELS = ["a", "b", "c"]
RATE_HZ = 22_050


@pytest.fixture
def runtime():
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")


def noise(seconds, seed=0):
    samples = np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE_HZ))
    return (samples * (1.2 + np.sin(np.arange(len(samples)) / RATE_HZ))).astype(np.float32)


def blocks(**of_block):
    """A thin raw extractor with blocks of the follow-up, of which some widen."""
    first, *between, last = raw_extractor(LABELS, samples=243, channels=4).convolutions
    between = [
        dataclasses.replace(block, channels=4 + 2 * (place > 0), **of_block) for place, block in enumerate(between)
    ]
    convolutions = (first, *between, last)
    extractor = raw_extractor(LABELS, samples=243)
    return dataclasses.replace(extractor, convolutions=convolutions, levels=tuple(range(1, len(convolutions) + 1)))


EXTRACTORS = {
    "log-mel 18": log_mel_extractor(18, LABELS, 4),
    "log-mel 54": log_mel_extractor(54, LABELS, 4),
    "log-mel, long, mean": dataclasses.replace(
        log_mel_extractor(27, LABELS, 8), name="216", segment_length=216, segment_hop=216, segment_statistic="mean"
    ),
    "some levels, no output": dataclasses.replace(log_mel_extractor(27, [], 8), hidden_units=0, levels=(1, 3)),
    "raw": raw_extractor(LABELS),
    "raw, SE": blocks(squeeze_units=3),
    "raw, Res-1": blocks(residual_convolutions=1),
    "raw, Res-2": blocks(residual_convolutions=2),
    "raw, ReSE-1": blocks(squeeze_units=3, residual_convolutions=1),
    "raw, ReSE-2": blocks(squeeze_units=3, residual_convolutions=2),
    "raw, SE, mean": dataclasses.replace(blocks(squeeze_units=3), segment_statistic="mean"),
    "raw, ReSE-2, mean": dataclasses.replace(
        blocks(squeeze_units=3, residual_convolutions=2), segment_statistic="mean"
    ),
}


@pytest.mark.parametrize("extractor", EXTRACTORS.values(), ids=EXTRACTORS.keys())
def test_activations_are_those_of_numpy(runtime, extractor):
    bundle = make_bundle_of([extractor], LABELS)
    (network,) = networks_of(bundle, "onnx")
    expected = LocalNetwork(bundle.card.extractors[0], bundle.weights)
    assert (network.extractor, network.width) == (expected.extractor, expected.width)
    shape = (extractor.segment_length, extractor.input_columns)
    count = min(network.batch_segments, expected.batch_segments, 5)
    for segments in (count, 1):
        batch = np.random.default_rng(segments).random((segments, *shape), dtype=np.float32)
        found, wanted = network(batch, network.workspace()), expected(batch)
        for part in ("levels", "logits"):
            values = getattr(wanted, part)
            assert getattr(found, part).dtype == np.float32
            scale = float(np.abs(values).max()) if values.size else 1.0
            np.testing.assert_allclose(getattr(found, part), values, rtol=1e-5, atol=1e-5 * scale)


def test_a_wrong_shape_is_refused(runtime):
    (network,) = networks_of(make_bundle([18]), "onnx")
    with pytest.raises(TagError, match=r"takes up to 32 segments of \(18, 128\)"):
        network(np.zeros((1, 17, 128), np.float32))
    with pytest.raises(TagError, match="takes up to 32 segments"):
        network(np.zeros((33, 18, 128), np.float32))


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_scores_are_those_of_numpy(runtime, activation):
    bundle = make_bundle(activation=activation, channels_divisor=4)
    tell = {"over_time": OverTimeSettings(3.0, 0.7), "keep_features": True}
    found, expected = (Tagger(bundle, engine).tag((noise(31), RATE_HZ), **tell) for engine in ("onnx", "numpy"))
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)
    np.testing.assert_allclose(found.local_scores, expected.local_scores, rtol=1e-5)
    np.testing.assert_allclose(found.embedding, expected.embedding, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.over_time.scores, expected.over_time.scores, rtol=1e-5)
    assert (found.model.engine, expected.model.engine) == ("onnx", "numpy")
    assert found.to_dict()["model"]["engine"] == "onnx"
    assert dataclasses.replace(found.model, engine="numpy") == expected.model


@pytest.fixture(scope="module")
def ranged(tmp_path_factory):
    """A model's folder with int8 ranges, measured on noise."""
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    from earmark.tagging.engines.int8 import measure_ranges

    folder = tmp_path_factory.mktemp("ranged")
    bundle = make_bundle(channels_divisor=4)
    write_bundle(bundle, folder)
    ranges = measure_ranges(bundle, [(noise(20, seed), RATE_HZ) for seed in (1, 2)])
    assert ranges.seconds == pytest.approx(40.0)
    write_ranges(ranges, folder)
    return folder


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_gives_the_same_numbers_to_the_bit_again(ranged, engine):
    tagger = earmark.load(ranged, engine)
    expected = tagger.tag((noise(20), RATE_HZ))
    with ThreadPoolExecutor(3) as pool:
        for found in pool.map(lambda _: tagger.tag((noise(20), RATE_HZ)), range(3)):
            np.testing.assert_array_equal(found.logits, expected.logits)
            np.testing.assert_array_equal(found.embedding, expected.embedding)
    np.testing.assert_array_equal(earmark.load(ranged, engine).embed((noise(20), RATE_HZ)), expected.embedding)


def test_int8_is_near_numpy_and_says_what_it_is(ranged):
    found, expected = (earmark.load(ranged, engine).tag((noise(20), RATE_HZ)) for engine in ("int8", "numpy"))
    assert found.model.engine == "int8"
    difference = np.abs(found.scores - expected.scores).max()
    assert 0.0 < difference < 0.05, "whole numbers round, and not by much"


def test_int8_is_only_for_a_model_whose_ranges_are_known(ranged, tmp_path):
    write_bundle(make_bundle(channels_divisor=4, seed=1), tmp_path)
    with pytest.raises(BundleError, match=r"int8\.json: found no such file"):
        earmark.load(tmp_path, "int8")
    (tmp_path / "int8.json").write_bytes((ranged / "int8.json").read_bytes())
    with pytest.raises(BundleError, match="trained anew"):
        earmark.load(tmp_path, "int8")
    with pytest.raises(TagError, match="int8 without ranges"):
        Tagger(make_bundle(), "int8")


def test_int8_is_for_plain_blocks(runtime):
    from earmark.tagging.engines.onnx_export import network_graph

    extractor = EXTRACTORS["raw, SE"]
    bundle = make_bundle_of([extractor], LABELS)
    with pytest.raises(BundleError, match="int8 is for plain ones"):
        network_graph(extractor, bundle.weights, [(0.0, 1.0)] * len(extractor.convolutions))


def test_the_old_name_of_an_engine_is_answered_with_the_new_one(ranged):
    with pytest.warns(DeprecationWarning, match="is now called 'onnx'"):
        assert earmark.load(ranged, "fast").identity.engine == "onnx"


def test_nothing_stands_in_for_an_engine(monkeypatch, ranged):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    for engine in ("onnx", "int8"):
        with pytest.raises(MissingExtraError, match=r"earmark\[onnx\]"):
            earmark.load(ranged, engine)
    with pytest.raises(TagError, match="found 'gpu', expected one of numpy, onnx, int8"):
        earmark.load(ranged, "gpu")
    assert earmark.load(ranged).identity.engine == "numpy"
