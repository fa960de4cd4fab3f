"""Scales: the segment lengths of local CNNs and the networks that belong to them.

A scale is a number: below 2048 it counts frames of log-mel (the letter, method section 3), from there on samples of raw
sound (the sample-level family, [SL], [SMC] and method section 5).
"""

import dataclasses
from typing import Literal

from earmark.audio.logmel import LogMelSettings
from earmark.audio.segments import SegmentRule
from earmark.errors import RecipeError
from earmark.tagging.bundle.card import Convolution, Extractor

RATE_HZ = 22_050
SHORTEST_SAMPLES = 2048
"""The shortest scale in samples of raw sound; shorter scales are in frames of log-mel (2048 frames would be 48 s)."""
PUBLISHED_SAMPLES = (16_384, 19_683, 32_768, 39_366, 59_049)
"""Lengths of the family, in samples: 2^14, 3^9, 2^15, 2·3^9, 3^10."""
RELEASED_TOP = 256
"""The channels at the top of the authors' released Million Song network; their MagnaTagATune code has 512."""
WIDENING = 16
"""The factor by which the layer between the two of a channel scaling is wider (2018)."""

BlockKind = Literal["basic", "se", "res-1", "res-2", "rese-1", "rese-2"]


@dataclasses.dataclass(frozen=True)
class SampleLevelShape:
    """The properties that all sample-level networks of a recipe share, whatever their lengths.

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


def raw_convolutions_of(segment_samples: int, shape: SampleLevelShape = SampleLevelShape()) -> tuple[Convolution, ...]:
    """Return the layers for a segment of a length in samples.

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
    # Other mixtures of 3s and 2s have never been tried, and are most often mistakes.
    if rest != 1 or not is_raw(segment_samples) or (factors[0] == 3 and factors.count(2) > 1):
        raise RecipeError(
            f"No sample-level CNN for segments of {segment_samples} samples: the length has to be a product of 3s with "
            "at most one 2, or of 2s alone. The family's are "
            f"{', '.join(str(samples) for samples in PUBLISHED_SAMPLES)}."
        )
    stride, *pools = factors
    widths = [128, 128, *[256] * (len(pools) - 3), shape.top_channels]
    first = Convolution(stride, _wide(128, shape), 1, stride=stride)
    blocks = (_block(pool, _wide(width, shape), shape.block) for pool, width in zip(pools, widths, strict=True))
    return (first, *blocks, Convolution(1, _wide(shape.top_channels, shape), 1))


def raw_levels_of(segment_samples: int, shape: SampleLevelShape = SampleLevelShape()) -> tuple[int, ...]:
    """Return the hidden layers that enter the vector: the highest `top_levels`, counted from 1."""
    depth = len(raw_convolutions_of(segment_samples, shape))
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
        convolutions=raw_convolutions_of(segment_samples, shape),
        levels=raw_levels_of(segment_samples, shape),
        segment_statistic="max",
        track_statistic="mean",
        hidden_units=0,
        output_tags=output_tags,
        hash="",
    )


def _block(length: int, channels: int, kind: BlockKind) -> Convolution:
    """Describe one pooled block of a kind."""
    return Convolution(
        length,
        channels,
        length,
        squeeze_units=WIDENING * channels if kind in ("se", "rese-1", "rese-2") else 0,
        residual_convolutions=int(kind[-1]) if kind.startswith("res") else 0,
    )


def _wide(channels: int, shape: SampleLevelShape) -> int:
    """Multiply channels by the multiplier."""
    wide = round(channels * shape.channel_multiplier)
    if wide < 1:
        raise RecipeError(
            f"{channels} channels times {shape.channel_multiplier} leaves no channel; "
            "choose a larger channel multiplier."
        )
    return wide


LETTER_SCALES = (18, 27, 54, 108, 216)
"""The segment lengths of the letter, in frames."""

HIDDEN_UNITS = 256
"""Width of the dense layer between the last convolution and the output."""


def convolutions_of(segment_frames: int) -> tuple[Convolution, ...]:
    """Return the blocks for a segment of a length in frames: pools of 3 and 2 that tile it, long ones first.

    The first two blocks have 128 channels and pool 3, all later ones 256, and a filter is as long as its pool. For 18,
    27, 54, 108 and 216 frames these are the letter's networks (method section 3). Choice: any other length that 3s and
    2s tile, such as 36 or 81, follows the same rule.

    Raises:
        RecipeError: no such pools tile the length.
    """
    pools: list[int] = []
    rest = segment_frames
    for length in (3, 2):
        while rest % length == 0 and rest > 1:
            pools.append(length)
            rest //= length
    if rest != 1 or len(pools) < 3 or pools[:2] != [3, 3]:
        raise RecipeError(
            f"No local CNN for segments of {segment_frames} frames: pools of 3, 3, then 3s and 2s have to tile them. "
            f"The letter's lengths are {', '.join(str(frames) for frames in LETTER_SCALES)}; 36, 81 and 162 work too."
        )
    return tuple(Convolution(pool, 128 if block < 2 else 256, pool) for block, pool in enumerate(pools))


def blocks_of(scale: int, shape: SampleLevelShape) -> tuple[Convolution, ...]:
    """Return the layers of a scale of either family; `shape` is that of raw ones.

    Raises:
        RecipeError: there is no network for that length.
    """
    return raw_convolutions_of(scale, shape) if is_raw(scale) else convolutions_of(scale)


def levels_of(scale: int, shape: SampleLevelShape) -> tuple[int, ...]:
    """Return the levels that enter the vector: all of a log-mel scale, the top ones of a raw scale.

    Raises:
        RecipeError: there is no network for that length.
    """
    return raw_levels_of(scale, shape) if is_raw(scale) else tuple(range(1, len(convolutions_of(scale)) + 1))


def seconds_of(scale: int) -> float:
    """Return the length of a scale's segment in seconds."""
    return scale / RATE_HZ if is_raw(scale) else frames_seconds(scale)


def frames_seconds(frames: int) -> float:
    """Convert frames into seconds, by the front end's hop and rate."""
    settings = LogMelSettings()
    return frames * settings.hop_samples / settings.rate_hz


def segments_of(scale: int, clip_frames: int) -> int:
    """Count the segments of a scale in a clip of so many frames; raw ones end at its last frame's middle."""
    rows = max(1, (clip_frames - 1) * LogMelSettings().hop_samples) if is_raw(scale) else clip_frames
    return SegmentRule(scale, scale).count(rows)


def unit_of(scale: int) -> str:
    """Return what a scale counts: frames or samples."""
    return "samples" if is_raw(scale) else "frames"


def log_mel_extractor(
    segment_frames: int,
    output_tags: tuple[str, ...],
    input_mean: float = 0.0,
    input_deviation: float = 1.0,
    settings: LogMelSettings = LogMelSettings(),
) -> Extractor:
    """Describe the local CNN for segments of a length in frames, every level used.

    Segments do not overlap. `settings`: the front end. The hash stays empty: it is made of the weights, at export.

    Raises:
        RecipeError: there is no network for that length.
    """
    convolutions = convolutions_of(segment_frames)
    return Extractor(
        name=str(segment_frames),
        family="log-mel",
        rate_hz=settings.rate_hz,
        log_mel=settings,
        segment_length=segment_frames,
        segment_hop=segment_frames,
        input_mean=input_mean,
        input_deviation=input_deviation,
        convolutions=convolutions,
        levels=tuple(range(1, len(convolutions) + 1)),
        segment_statistic="max",
        track_statistic="mean",
        hidden_units=HIDDEN_UNITS,
        output_tags=output_tags,
        hash="",
    )
