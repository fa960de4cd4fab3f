"""The sample-level family: networks on raw waveforms, m^n samples long ([SL], [SMC]; method section 5)."""

import dataclasses
from typing import Literal

from earmark.errors import RecipeError
from earmark.tagging.bundle.card import Convolution, Extractor

RATE_HZ = 22_050
SHORTEST_SAMPLES = 2048
"""A scale of so many or more is in samples of raw sound, below it in frames of log-mel: as frames it would be 48 s."""
PUBLISHED_SAMPLES = (16_384, 19_683, 32_768, 39_366, 59_049)
"""Lengths of the family, in samples: 2^14, 3^9, 2^15, 2·3^9, 3^10."""
RELEASED_TOP, TAGGING_TOP = 256, 512
"""Channels at the top: of the authors' released Million Song network, and of their MagnaTagATune code."""
WIDENING = 16
"""How many times as wide the layers of a block that scales channels are in between (2018)."""

BlockKind = Literal["basic", "se", "res-1", "res-2", "rese-1", "rese-2"]


@dataclasses.dataclass(frozen=True)
class SampleLevelShape:
    """What the networks of a recipe have in common, whatever their lengths.

    Attributes:
        top_channels: of the last pooled block and of the 1 × 1 convolution behind it; those below have 128 and 256.
        channel_multiplier: all channels times this, for a network that is thinner on purpose.
        block: the kind of all pooled blocks: as in the first papers, or of the follow-up (2018).
        top_levels: how many of the highest hidden layers enter the vector; the paper's are three.
    """

    top_channels: int = RELEASED_TOP
    channel_multiplier: float = 1.0
    block: BlockKind = "basic"
    top_levels: int = 3


def is_raw(scale: int) -> bool:
    """Whether a scale is in samples of raw sound, not in frames of log-mel."""
    return scale >= SHORTEST_SAMPLES


def convolutions_of(segment_samples: int, shape: SampleLevelShape = SampleLevelShape()) -> tuple[Convolution, ...]:
    """The layers for a segment of so many samples.

    First a convolution of filter and stride m with 128 channels; then blocks whose filters are as long as their pools,
    until one row is left: two of 128 channels, the last of `top_channels`, all between of 256; then a 1 × 1 convolution
    as wide as the top. m is 3, or 2 for a power of two. Choice: of 39 366 samples, "nine 3s and one 2", the 2 is the
    last pool, as in the letter's 54 frames.

    Raises:
        RecipeError: no such pools tile the length, or the multiplier leaves a layer without channels.
    """
    factors: list[int] = []
    rest = segment_samples
    for length in (3, 2):
        while rest % length == 0 and rest > 1:
            factors.append(length)
            rest //= length
    # 3s and one 2 at most, or 2s alone: what mixes more has never been tried, and is most often a slip.
    if rest != 1 or not is_raw(segment_samples) or (factors[0] == 3 and factors.count(2) > 1):
        raise RecipeError(
            f"No sample-level CNN for segments of {segment_samples} samples: 3s with one 2 at most, or 2s alone, have "
            f"to multiply to it. The family's are {', '.join(str(samples) for samples in PUBLISHED_SAMPLES)}."
        )
    stride, *pools = factors
    widths = [128, 128, *[256] * (len(pools) - 3), shape.top_channels]
    first = Convolution(stride, _wide(128, shape), 1, stride=stride)
    blocks = (_block(pool, _wide(width, shape), shape.block) for pool, width in zip(pools, widths, strict=True))
    return (first, *blocks, Convolution(1, _wide(shape.top_channels, shape), 1))


def levels_of(segment_samples: int, shape: SampleLevelShape = SampleLevelShape()) -> tuple[int, ...]:
    """The hidden layers that enter the vector: the highest `top_levels`, counted from 1."""
    depth = len(convolutions_of(segment_samples, shape))
    return tuple(range(max(1, depth - shape.top_levels + 1), depth + 1))


def raw_extractor(
    segment_samples: int, output_tags: tuple[str, ...], shape: SampleLevelShape = SampleLevelShape()
) -> Extractor:
    """Describe the local CNN for segments of a length in samples, its top levels used.

    Segments do not overlap. The waveform is not standardised (authors' code). The hash stays empty: it is made of the
    weights, at export.

    Raises:
        RecipeError: there is no network for that length.
    """
    return Extractor(
        name=str(segment_samples),
        family="raw",
        rate_hz=RATE_HZ,
        log_mel=None,
        segment_length=segment_samples,
        segment_hop=segment_samples,
        input_mean=0.0,
        input_deviation=1.0,
        convolutions=convolutions_of(segment_samples, shape),
        levels=levels_of(segment_samples, shape),
        segment_statistic="max",
        track_statistic="mean",
        hidden_units=0,
        output_tags=output_tags,
        hash="",
    )


def _block(length: int, channels: int, kind: BlockKind) -> Convolution:
    """One pooled block of a kind."""
    return Convolution(
        length,
        channels,
        length,
        squeeze_units=WIDENING * channels if kind in ("se", "rese-1", "rese-2") else 0,
        residual_convolutions=int(kind[-1]) if kind.startswith("res") else 0,
    )


def _wide(channels: int, shape: SampleLevelShape) -> int:
    """Channels times the multiplier."""
    wide = round(channels * shape.channel_multiplier)
    if wide < 1:
        raise RecipeError(
            f"{channels} channels times {shape.channel_multiplier} is none; choose a larger channel multiplier."
        )
    return wide
