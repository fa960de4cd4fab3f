"""Scales: the networks of every segment length, on log-mel and on raw sound."""

import re
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra train")

import torch

from earmark.errors import RecipeError
from earmark.tagging.bundle.check import layer_lengths
from earmark.training.networks.networks import LocalCNN, output_length, parameter_count
from earmark.training.networks.scales import (
    LETTER_SCALES,
    PUBLISHED_SAMPLES,
    BlockKind,
    SampleLevelShape,
    blocks_of,
    convolutions_of,
    is_raw,
    log_mel_extractor,
    network_cost,
    raw_convolutions_of,
    raw_extractor,
    raw_levels_of,
    seconds_of,
    segments_of,
)

LETTER = {
    18: ((3, 128, 3), (3, 128, 3), (2, 256, 2)),
    27: ((3, 128, 3), (3, 128, 3), (3, 256, 3)),
    54: ((3, 128, 3), (3, 128, 3), (3, 256, 3), (2, 256, 2)),
    108: ((3, 128, 3), (3, 128, 3), (3, 256, 3), (2, 256, 2), (2, 256, 2)),
    216: ((3, 128, 3), (3, 128, 3), (3, 256, 3), (2, 256, 2), (2, 256, 2), (2, 256, 2)),
}
"""The letter's networks: filter length, channels and pool of each block."""


def test_the_letters_networks() -> None:
    assert tuple(LETTER) == LETTER_SCALES
    for frames, blocks in LETTER.items():
        found = convolutions_of(frames)
        assert tuple((block.filter_length, block.channels, block.pool_length) for block in found) == blocks
        assert {block.stride for block in found} == {1}


@pytest.mark.parametrize(("frames", "pools"), [(36, "3322"), (81, "3333"), (162, "33332"), (72, "33222")])
def test_other_lengths_follow_the_same_rule(frames: int, pools: str) -> None:
    extractor = log_mel_extractor(frames, ("a", "b"))
    blocks = extractor.convolutions
    assert "".join(str(block.pool_length) for block in blocks) == pools
    assert [block.filter_length for block in blocks] == [block.pool_length for block in blocks]
    assert [block.channels for block in blocks] == [128, 128, *[256] * (len(pools) - 2)]
    assert output_length(extractor) == 1
    with torch.inference_mode():
        assert LocalCNN(extractor).eval()(torch.zeros(2, frames, 128)).shape == (2, 2)


@pytest.mark.parametrize("frames", [100, 12, 9, 45, 1, 0, -18])
def test_a_length_that_no_pools_tile_is_refused(frames: int) -> None:
    with pytest.raises(RecipeError) as caught:
        log_mel_extractor(frames, ("a",))
    message = str(caught.value)
    assert f"No local CNN for segments of {frames} frames" in message
    assert "18, 27, 54, 108, 216; 36, 81 and 162 work too" in message


TAGS = tuple(str(number) for number in range(50))
DOCUMENT = Path(__file__).parents[3] / "docs" / "explanation" / "sample-level.md"


def test_the_authors_network_of_59049_samples() -> None:
    """Method section 5: filter, channels, pool and stride of every layer."""
    expected = [(3, 128, 1, 3), *[(3, 128, 3, 1)] * 2, *[(3, 256, 3, 1)] * 6, (3, 512, 3, 1), (1, 512, 1, 1)]
    found = raw_convolutions_of(59_049, SampleLevelShape(top_channels=512))
    assert [(layer.filter_length, layer.channels, layer.pool_length, layer.stride) for layer in found] == expected
    assert raw_levels_of(59_049) == (9, 10, 11)
    tagging = raw_extractor(59_049, TAGS, SampleLevelShape(top_channels=512))
    assert (tagging.columns, raw_extractor(59_049, TAGS).columns) == (1280, 768)
    assert (tagging.hidden_units, tagging.input_mean, tagging.input_deviation) == (0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("samples", "factors"),
    [
        (19_683, "333333333"),
        (39_366, "3333333332"),
        (59_049, "3333333333"),
        (16_384, "2" * 14),
        (32_768, "2" * 15),
        (2187, "3333333"),
        (2048, "2" * 11),
    ],
)
def test_strides_and_pools_tile_the_segment(samples: int, factors: str) -> None:
    layers = raw_convolutions_of(samples)
    found = [layers[0].stride, *(layer.pool_length for layer in layers[1:-1])]
    assert "".join(str(factor) for factor in found) == factors
    assert [layer.filter_length for layer in layers[:-1]] == found
    assert layer_lengths(raw_extractor(samples, TAGS))[-1] == 1
    assert [layer.channels for layer in layers[:3]] == [128] * 3
    assert {layer.channels for layer in layers[3:]} == {256}


@pytest.mark.parametrize("samples", [20_000, 2916, 13_122 * 5, 78_732, 100])
def test_other_lengths_are_refused(samples: int) -> None:
    with pytest.raises(RecipeError, match=r"No sample-level CNN for segments of .* 16384, 19683, 32768, 39366, 59049"):
        raw_convolutions_of(samples)


def test_a_multiplier_thins_every_layer() -> None:
    thin = raw_convolutions_of(19_683, SampleLevelShape(top_channels=512, channel_multiplier=0.5))
    whole = raw_convolutions_of(19_683, SampleLevelShape(top_channels=512))
    assert [2 * layer.channels for layer in thin] == [layer.channels for layer in whole]
    with pytest.raises(RecipeError, match=r"128 channels times 0\.001 leaves no channel"):
        raw_convolutions_of(19_683, SampleLevelShape(channel_multiplier=0.001))


@pytest.mark.parametrize(
    ("block", "widening", "convolutions"),
    [("basic", 0, 0), ("se", 16, 0), ("res-1", 0, 1), ("res-2", 0, 2), ("rese-1", 16, 1), ("rese-2", 16, 2)],
)
def test_the_blocks_of_the_follow_up(block: BlockKind, widening: int, convolutions: int) -> None:
    first, *blocks, last = raw_convolutions_of(19_683, SampleLevelShape(block=block))
    assert {(each.squeeze_units, each.residual_convolutions) for each in (first, last)} == {(0, 0)}
    assert all(each.squeeze_units == widening * each.channels for each in blocks)
    assert {each.residual_convolutions for each in blocks} == {convolutions}
    extractor = raw_extractor(2187, TAGS, SampleLevelShape(channel_multiplier=0.125, block=block))
    network = LocalCNN(extractor)
    assert parameter_count(network) == network_cost(extractor).parameters
    with torch.inference_mode():
        assert network.eval()(torch.zeros(2, 2187, 1)).shape == (2, 50)


def test_scales_of_both_families() -> None:
    assert not any(is_raw(scale) for scale in LETTER_SCALES)
    assert all(is_raw(scale) for scale in PUBLISHED_SAMPLES)
    milliseconds = [round(1000 * seconds_of(scale)) for scale in (27, 16_384, 19_683, 39_366, 59_049)]
    assert milliseconds == [627, 743, 893, 1785, 2678]
    assert [segments_of(scale, 1250) for scale in (18, 59_049, 39_366, 19_683)] == [69, 10, 16, 32]
    assert blocks_of(27, SampleLevelShape()) == log_mel_extractor(27, TAGS).convolutions


def test_59049_samples_with_256_at_the_top_take_1727_million_multiply_adds() -> None:
    cost = network_cost(raw_extractor(59_049, TAGS))
    assert round(cost.multiply_adds / 1e6) == 1727
    assert cost.parameters == parameter_count(LocalCNN(raw_extractor(59_049, TAGS)))


@pytest.mark.parametrize(
    ("frames", "parameters", "of_clip"), [(18, 244_530, 96), (27, 277_298, 99), (216, 672_818, 92)]
)
def test_costs_of_log_mel_networks_are_the_letters(frames: int, parameters: int, of_clip: int) -> None:
    """Method section 3: parameters with 50 tags, and millions of multiply-adds of a clip."""
    cost = network_cost(log_mel_extractor(frames, TAGS))
    assert cost.parameters == parameters
    assert round(cost.multiply_adds * segments_of(frames, 1250) / 1e6) == of_clip


def rows_of(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading of the document, without its head."""
    section = DOCUMENT.read_text(encoding="utf-8").split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def number(text: str) -> float:
    return float(re.sub(r"[^0-9.]", "", text))


def test_the_documents_networks() -> None:
    rows = rows_of("The networks")
    assert len(rows) == 2 * len(PUBLISHED_SAMPLES)
    for row in rows:
        samples, top = int(number(row[0])), int(number(row[2]))
        extractor = raw_extractor(samples, TAGS, SampleLevelShape(top_channels=top))
        cost = network_cost(extractor)
        assert row[1] == f"{1000 * seconds_of(samples):.0f}"
        assert row[3] == str(len(cost.layers))
        assert number(row[4]) == cost.parameters
        assert number(row[5]) == round(cost.multiply_adds / 1e9, 3)
        assert number(row[6]) == round(cost.multiply_adds / 1e9 / seconds_of(samples), 2)
        assert row[7] == str(extractor.columns)


def test_the_documents_layers() -> None:
    cost = network_cost(raw_extractor(59_049, TAGS))
    rows = rows_of("Layer by layer")
    assert len(rows) == len(cost.layers)
    for level, (row, layer) in enumerate(zip(rows, cost.layers, strict=True), start=1):
        assert row[0] == f"L{level}"
        assert number(row[2]) == layer.rows
        assert number(row[3]) == layer.receptive_rows
        assert number(row[4]) == round(1000 * layer.receptive_rows / 22_050, 1 if layer.receptive_rows < 22_050 else 0)
        assert number(row[5]) == layer.parameters
        assert number(row[6]) == round(layer.multiply_adds / 1e6, 2)


def test_the_documents_blocks() -> None:
    rows = rows_of("Blocks of the follow-up")
    assert [row[0] for row in rows] == ["basic", "se", "res-1", "res-2", "rese-1", "rese-2"]
    for row in rows:
        cost = network_cost(raw_extractor(59_049, TAGS, SampleLevelShape(block=row[0])))  # type: ignore[arg-type]
        assert number(row[2]) == cost.parameters
        assert number(row[3]) == round(cost.multiply_adds / 1e9, 3)
