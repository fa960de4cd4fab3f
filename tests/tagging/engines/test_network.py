import dataclasses

import numpy as np
import pytest
from tagging.builders import log_mel_extractor, make_bundle, make_bundle_of, raw_extractor

from earmark.errors import TagError
from earmark.tagging.bundle.card import Convolution
from earmark.tagging.engines.network import Classifier, LocalNetwork

LABELS = ["a", "b", "c"]


def slow_convolution(rows, weights, name, stride=1):
    """One convolution on (rows, columns), one output at a time; a stride of 1 pads to "same" length."""
    weight, bias = weights[f"{name}.weight"].astype(np.float64), weights[f"{name}.bias"].astype(np.float64)
    length = weight.shape[2]
    if stride == 1:
        left = (length - 1) // 2
        rows = np.pad(rows, ((left, length - 1 - left), (0, 0)))
    windows = (rows[start : start + length].T for start in range(0, len(rows) - length + 1, stride))
    return np.array(
        [[np.sum(window * weight[channel]) + bias[channel] for channel in range(len(bias))] for window in windows]
    )


def slow_factors(rows, weights, name):
    """What every channel is multiplied with, from its mean over the segment."""
    hidden = weights[f"{name}.squeeze.weight"] @ rows.mean(axis=0) + weights[f"{name}.squeeze.bias"]
    return 1 / (
        1 + np.exp(-(weights[f"{name}.excite.weight"] @ np.maximum(hidden, 0) + weights[f"{name}.excite.bias"]))
    )


def slow_block(convolution, weights, name, rows):
    """One block on (rows, columns): what comes before its pool, and what leaves it."""
    outputs = slow_convolution(rows, weights, name, convolution.stride)
    if convolution.residual_convolutions:
        if convolution.residual_convolutions == 2:
            outputs = slow_convolution(np.maximum(outputs, 0.0), weights, f"{name}.second")
        if convolution.squeeze_units:
            outputs = outputs * slow_factors(outputs, weights, name)
        if f"{name}.shortcut.weight" in weights:
            rows = slow_convolution(rows, weights, f"{name}.shortcut")
        outputs = outputs + rows
    outputs = np.maximum(outputs, 0.0)
    pool = convolution.pool_length
    pooled = np.array([outputs[start : start + pool].max(axis=0) for start in range(0, len(outputs), pool)])
    if convolution.squeeze_units and not convolution.residual_convolutions:
        factors = slow_factors(pooled, weights, name)
        return outputs * factors, pooled * factors
    return outputs, pooled


def slow_network(extractor, weights, segment):
    """The network on one segment, written for reading: float64, one output at a time."""
    prefix = f"extractor.{extractor.name}"
    rows = (segment.astype(np.float64) - extractor.input_mean) / extractor.input_deviation
    levels = []
    for number, convolution in enumerate(extractor.convolutions, start=1):
        outputs, rows = slow_block(convolution, weights, f"{prefix}.convolution.{number}", rows)
        if number in extractor.levels:
            levels.append(outputs.max(axis=0) if extractor.segment_statistic == "max" else outputs.mean(axis=0))
    vector = rows.T.reshape(-1)
    if extractor.hidden_units:
        vector = weights[f"{prefix}.hidden.weight"] @ vector + weights[f"{prefix}.hidden.bias"]
        vector = np.maximum(vector, 0.0)
    logits = weights[f"{prefix}.output.weight"] @ vector + weights[f"{prefix}.output.bias"]
    return np.concatenate(levels), logits


def of_kind(squeeze_units, residual_convolutions, samples=243, statistic="max"):
    """A raw extractor with blocks of the follow-up, of which the second widens; all levels are used."""
    first, *blocks, last = raw_extractor(LABELS, samples=samples, channels=4).convolutions
    kind = {"squeeze_units": squeeze_units, "residual_convolutions": residual_convolutions}
    blocks = [dataclasses.replace(block, channels=4 + 2 * (place > 0), **kind) for place, block in enumerate(blocks)]
    convolutions = (first, *blocks, last)
    return dataclasses.replace(
        raw_extractor(LABELS, samples=samples),
        convolutions=convolutions,
        levels=tuple(range(1, len(convolutions) + 1)),
        segment_statistic=statistic,
    )


EXTRACTORS = {
    "18 frames": log_mel_extractor(18, LABELS, 16),
    "27 frames": log_mel_extractor(27, LABELS, 16),
    "54 frames": log_mel_extractor(54, LABELS, 16),
    "mean of a level": dataclasses.replace(log_mel_extractor(18, LABELS, 16), segment_statistic="mean"),
    "one level": dataclasses.replace(log_mel_extractor(54, LABELS, 16), levels=(2,)),
    "raw": raw_extractor(LABELS, samples=243),
    "raw, mean": dataclasses.replace(raw_extractor(LABELS, samples=81), segment_statistic="mean"),
    "rows left at the end": dataclasses.replace(
        log_mel_extractor(54, LABELS, 16), convolutions=(Convolution(3, 8, 3),), levels=(1,)
    ),
    "raw, long": raw_extractor(LABELS, samples=2187, channels=4),
    "raw, long, mean": dataclasses.replace(
        raw_extractor(LABELS, samples=2187, channels=4), segment_statistic="mean", levels=(1, 2, 3)
    ),
    "raw, of 2s": dataclasses.replace(
        raw_extractor(LABELS, samples=512),
        segment_length=512,
        convolutions=(Convolution(2, 4, 1, stride=2), Convolution(2, 5, 2), Convolution(2, 6, 2), Convolution(1, 3, 1)),
        levels=(1, 2, 3, 4),
    ),
    "an even filter shorter than its pool, long": dataclasses.replace(
        raw_extractor(LABELS),
        segment_length=810,
        convolutions=(Convolution(2, 5, 3), Convolution(3, 4, 270)),
        levels=(1, 2),
    ),
    "SE": of_kind(32, 0),
    "SE, long": of_kind(32, 0, samples=729),
    "SE, mean": of_kind(32, 0, statistic="mean"),
    "Res-1": of_kind(0, 1),
    "Res-1, mean": of_kind(0, 1, statistic="mean"),
    "Res-2": of_kind(0, 2),
    "ReSE-1, long": of_kind(32, 1, samples=729),
    "ReSE-2": of_kind(32, 2),
    "ReSE-2, long": of_kind(32, 2, samples=729),
    "filters longer than their input": dataclasses.replace(
        log_mel_extractor(18, LABELS, 16),
        segment_length=2,
        convolutions=(Convolution(7, 8, 1), Convolution(4, 8, 2), Convolution(2, 8, 1)),
    ),
}


@pytest.mark.parametrize("name", EXTRACTORS)
def test_equals_the_slow_reference(name):
    extractor = EXTRACTORS[name]
    weights = make_bundle_of([extractor], LABELS).weights
    network = LocalNetwork(extractor, weights)
    generator = np.random.default_rng(1)
    segments = generator.random((4, extractor.segment_length, extractor.input_columns), dtype=np.float32)
    activations = network(segments)
    assert activations.levels.dtype == activations.logits.dtype == np.float32
    assert activations.levels.shape == (4, network.width)
    for segment, levels, logits in zip(segments, activations.levels, activations.logits, strict=True):
        expected_levels, expected_logits = slow_network(extractor, weights, segment)
        np.testing.assert_allclose(levels, expected_levels, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(logits, expected_logits, rtol=1e-5, atol=1e-5)


def test_equals_torch():
    torch = pytest.importorskip("torch")
    bundle = make_bundle(scales=(54,), channels_divisor=1)
    extractor = bundle.card.extractors[0]
    weights = {name: torch.from_numpy(weight) for name, weight in bundle.weights.items()}
    segments = np.random.default_rng(2).random((5, 54, 128), dtype=np.float32)
    rows = torch.from_numpy((segments - extractor.input_mean) / extractor.input_deviation).float().transpose(1, 2)
    levels = []
    for number, convolution in enumerate(extractor.convolutions, start=1):
        name = f"extractor.54.convolution.{number}"
        left = (convolution.filter_length - 1) // 2
        rows = torch.nn.functional.pad(rows, (left, convolution.filter_length - 1 - left))
        rows = torch.relu(torch.nn.functional.conv1d(rows, weights[f"{name}.weight"], weights[f"{name}.bias"]))
        levels.append(rows.amax(dim=2))
        rows = torch.nn.functional.max_pool1d(rows, convolution.pool_length)
    hidden = rows.flatten(1) @ weights["extractor.54.hidden.weight"].T + weights["extractor.54.hidden.bias"]
    logits = torch.relu(hidden) @ weights["extractor.54.output.weight"].T + weights["extractor.54.output.bias"]
    activations = LocalNetwork(extractor, bundle.weights)(segments)
    np.testing.assert_allclose(activations.levels, torch.cat(levels, dim=1).numpy(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(activations.logits, logits.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["18 frames", "54 frames", "raw", "raw, long", "ReSE-2, long"])
def test_a_segments_numbers_do_not_depend_on_its_batch(name):
    extractor = EXTRACTORS[name]
    network = LocalNetwork(extractor, make_bundle_of([extractor], LABELS).weights)
    shape = (network.batch_segments, extractor.segment_length, extractor.input_columns)
    segments = np.random.default_rng(3).random(shape, dtype=np.float32)
    whole = network(segments)
    for size in (1, 2, 5, network.batch_segments):
        parts = [network(segments[start : start + size]) for start in range(0, len(segments), size)]
        levels = np.concatenate([part.levels for part in parts])
        logits = np.concatenate([part.logits for part in parts])
        np.testing.assert_allclose(levels, whole.levels, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(logits, whole.logits, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["27 frames", "raw, long", "ReSE-2, long"])
def test_a_used_workspace_changes_nothing(name):
    extractor = EXTRACTORS[name]
    network = LocalNetwork(extractor, make_bundle_of([extractor], LABELS).weights)
    shape = (7, extractor.segment_length, extractor.input_columns)
    segments = np.random.default_rng(4).random(shape, dtype=np.float32)
    space = network.workspace()
    for memory in (space.unrolled, space.product, *space.rows):
        memory.fill(np.nan)
    kept = segments.copy()
    used, fresh = network(segments, space), network(segments)
    np.testing.assert_array_equal(used.levels, fresh.levels)
    np.testing.assert_array_equal(used.logits, fresh.logits)
    np.testing.assert_array_equal(segments, kept)


def test_results_are_not_in_the_workspace():
    extractor = EXTRACTORS["raw"]
    network = LocalNetwork(extractor, make_bundle_of([extractor], LABELS).weights)
    space = network.workspace()
    segments = np.random.default_rng(5).random((3, 243, 1), dtype=np.float32)
    first = network(segments, space)
    levels, logits = first.levels.copy(), first.logits.copy()
    network(-segments, space)
    np.testing.assert_array_equal(first.levels, levels)
    np.testing.assert_array_equal(first.logits, logits)


def test_no_local_output():
    extractor = dataclasses.replace(EXTRACTORS["18 frames"], hidden_units=0, output_tags=())
    network = LocalNetwork(extractor, make_bundle_of([extractor], LABELS).weights)
    assert network(np.zeros((2, 18, 128), dtype=np.float32)).logits.shape == (2, 0)


def test_a_long_raw_network_takes_small_batches():
    extractor = raw_extractor(LABELS, samples=59_049, channels=128)
    network = LocalNetwork(extractor, make_bundle_of([extractor], LABELS).weights)
    assert network.batch_segments == 1


@pytest.mark.parametrize("shape", [(1, 17, 128), (1, 18, 127), (18, 128), (33, 18, 128)])
def test_other_shapes_are_refused(shape):
    extractor = EXTRACTORS["18 frames"]
    network = LocalNetwork(extractor, make_bundle_of([extractor], LABELS).weights)
    with pytest.raises(TagError, match=r"takes up to 32 segments of \(18, 128\)"):
        network(np.zeros(shape, dtype=np.float32))


@pytest.mark.parametrize("hidden_units", [(), (7,), (16, 9)])
def test_the_classifier_equals_its_definition(hidden_units):
    bundle = make_bundle_of([EXTRACTORS["18 frames"]], LABELS, hidden_units=hidden_units)
    vectors = np.random.default_rng(6).random((3, bundle.card.vector_width), dtype=np.float32)
    values = (vectors.astype(np.float64) - bundle.weights["head.mean"]) / bundle.weights["head.deviation"]
    for number in range(1, len(hidden_units) + 2):
        weight, bias = bundle.weights[f"head.layer.{number}.weight"], bundle.weights[f"head.layer.{number}.bias"]
        values = values @ weight.T + bias
        if number <= len(hidden_units):
            values = np.maximum(values, 0.0)
        if number == 1:
            first = values
    classifier = Classifier(bundle.card.head, bundle.weights)
    logits = classifier(vectors)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, values, rtol=1e-5, atol=1e-5)
    if hidden_units:
        hidden = classifier.hidden(vectors)
        assert hidden.dtype == np.float32
        assert hidden.shape == (3, hidden_units[0])
        np.testing.assert_allclose(hidden, first, rtol=1e-5, atol=1e-5)
    else:
        with pytest.raises(TagError, match="has no hidden layer"):
            classifier.hidden(vectors)


@pytest.mark.parametrize("shape", [(32,), (1, 31)])
def test_the_classifier_refuses_other_vectors(shape):
    bundle = make_bundle_of([EXTRACTORS["18 frames"]], LABELS)
    with pytest.raises(TagError, match=r"takes \(vectors, 32\)"):
        Classifier(bundle.card.head, bundle.weights)(np.zeros(shape, dtype=np.float32))
    with pytest.raises(TagError, match=r"takes \(vectors, 32\)"):
        Classifier(bundle.card.head, bundle.weights).hidden(np.zeros(shape, dtype=np.float32))
