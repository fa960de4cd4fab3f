import dataclasses

import pytest
from tagging.builders import log_mel_extractor, make_bundle, raw_extractor

from earmark.tagging.bundle.card import VectorBlock, layout_of, width_of


def test_the_letters_scales_give_its_vector():
    layout = layout_of([log_mel_extractor(frames, ["a"]) for frames in (18, 27, 54)])
    assert width_of(layout) == 1792
    assert len(layout) == 10
    assert layout[0] == VectorBlock("18", 1, "mean", 0, 128)
    assert layout[3] == VectorBlock("27", 1, "mean", 512, 640)
    assert layout[-1] == VectorBlock("54", 4, "mean", 1536, 1792)


def test_blocks_tile_the_vector_in_order():
    extractors = [
        dataclasses.replace(log_mel_extractor(27, ["a"]), track_statistic="mean+deviation", levels=(1, 3)),
        raw_extractor(["a"]),
    ]
    layout = layout_of(extractors)
    assert [block.start for block in layout] == [0, *(block.stop for block in layout[:-1])]
    assert [(block.level, block.statistic) for block in layout[:4]] == [
        (1, "mean"),
        (1, "deviation"),
        (3, "mean"),
        (3, "deviation"),
    ]
    assert width_of(layout) == sum(extractor.columns for extractor in extractors)


def test_no_extractors_have_no_columns():
    assert width_of(layout_of([])) == 0


@pytest.mark.parametrize("scales", [(18,), (54, 18)])
def test_the_card_knows_its_width(scales):
    bundle = make_bundle(scales=scales)
    assert bundle.card.vector_width == len(bundle.weights["vector.mean"])
