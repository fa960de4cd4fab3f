import pytest

pytest.importorskip("torch", reason="needs the extra train")

import torch

from earmark.errors import RecipeError
from earmark.training.networks.local_cnn import LocalCNN, output_length
from earmark.training.networks.scales import LETTER_SCALES, convolutions_of, log_mel_extractor

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
