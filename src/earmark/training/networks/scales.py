"""Describe the local CNN of each scale (segment length), and count what it costs.

A scale is a number. Below 2048 it counts log-mel frames (the letter, method section 3); from 2048 on it counts samples
of raw sound (the sample-level family, [SL], [SMC], method section 5).
"""

import dataclasses
from typing import Literal

from earmark.audio.logmel import LogMelSettings
from earmark.audio.segments import SegmentRule
from earmark.errors import RecipeError
from earmark.tagging.bundle.card import Convolution, Extractor

RATE_HZ = 22_050
SHORTEST_SAMPLES = 2048
"""The shortest scale in samples; smaller numbers count log-mel frames (2048 frames would be 48 s)."""
PUBLISHED_SAMPLES = (16_384, 19_683, 32_768, 39_366, 59_049)
"""The published segment lengths in samples: 2^14, 3^9, 2^15, 2·3^9, 3^10."""
RELEASED_TOP = 256
"""The channels of the last layers in the authors' released Million Song network; their MagnaTagATune code has 512."""
WIDENING = 16
"""The width of the hidden layer of SE, as a multiple of the channels (2018)."""

BlockKind = Literal["basic", "se", "res-1", "res-2", "rese-1", "rese-2"]


@dataclasses.dataclass(frozen=True)
class SampleLevelShape:
    """The properties that all sample-level networks of a recipe share.

    Attributes:
        top_channels: the channels of the last pooled block and of the 1 × 1 convolution after it; the blocks before
            have 128 and 256.
        channel_multiplier: a factor on the channels of all layers.
        block: the kind of all pooled blocks: "basic" as in the first papers, the others as in the follow-up (2018).
        top_levels: the number of the highest hidden layers that enter the vector; the paper has three.
    """

    top_channels: int = RELEASED_TOP
    channel_multiplier: float = 1.0
    block: BlockKind = "basic"
    top_levels: int = 3


def is_raw(scale: int) -> bool:
    """Return whether a scale counts samples of raw sound, not log-mel frames."""
    return scale >= SHORTEST_SAMPLES


def raw_convolutions_of(segment_samples: int, shape: SampleLevelShape = SampleLevelShape()) -> tuple[Convolution, ...]:
    """Return the layers of the sample-level network for a segment length in samples.

    The first layer is a convolution with 128 channels whose filter length and stride are m. The blocks after it have
    filters as long as their pools, and shorten the segment to one row: two have 128 channels, the last has
    `top_channels`, and all others have 256. The last layer is a 1 × 1 convolution with `top_channels`. m is 3, or 2
    where the length is a power of two. Choice: for 39 366 samples, "nine 3s and one 2", the 2 is the last pool, as in
    the letter's network for 54 frames.

    Raises:
        RecipeError: no such pools divide the length, or the multiplier leaves a layer without channels.
    """
    factors: list[int] = []
    rest = segment_samples
    for length in (3, 2):
        while rest % length == 0 and rest > 1:
            factors.append(length)
            rest //= length
    # Other products of 3s and 2s were never published and are most likely mistakes.
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
    """Return the numbers of the hidden layers that enter the vector, counted from 1: the highest `top_levels`."""
    depth = len(raw_convolutions_of(segment_samples, shape))
    return tuple(range(max(1, depth - shape.top_levels + 1), depth + 1))


def raw_extractor(
    segment_samples: int, output_tags: tuple[str, ...], shape: SampleLevelShape = SampleLevelShape()
) -> Extractor:
    """Describe the sample-level CNN for a segment length in samples, with its top levels.

    Segments do not overlap, and the waveform is not standardised (authors' code). The hash stays empty until the
    weights are exported.

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
    """Describe a pooled block of a kind, whose filter is as long as its pool."""
    return Convolution(
        length,
        channels,
        length,
        squeeze_units=WIDENING * channels if kind in ("se", "rese-1", "rese-2") else 0,
        residual_convolutions=int(kind[-1]) if kind.startswith("res") else 0,
    )


def _wide(channels: int, shape: SampleLevelShape) -> int:
    """Return a number of channels times the multiplier, rounded."""
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
"""The width of the dense layer between the last convolution and the output."""


def convolutions_of(segment_frames: int) -> tuple[Convolution, ...]:
    """Return the blocks of the log-mel network for a segment length in frames.

    The lengths of the pools are the factors 3 and 2 of the segment length, 3s first. Filters are as long as their
    pools. The first two blocks have 128 channels and a pool of 3, all others 256 channels. For 18, 27, 54, 108 and 216
    frames these are the letter's networks (method section 3). Choice: other products of 3s and 2s, such as 36 or 81,
    follow the same rule.

    Raises:
        RecipeError: no such pools divide the length.
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
    """Return the layers of the network of a scale; `shape` applies to raw scales only.

    Raises:
        RecipeError: there is no network for that length.
    """
    return raw_convolutions_of(scale, shape) if is_raw(scale) else convolutions_of(scale)


def levels_of(scale: int, shape: SampleLevelShape) -> tuple[int, ...]:
    """Return the levels that enter the vector: all levels of a log-mel scale, the top levels of a raw scale.

    Raises:
        RecipeError: there is no network for that length.
    """
    return raw_levels_of(scale, shape) if is_raw(scale) else tuple(range(1, len(convolutions_of(scale)) + 1))


def seconds_of(scale: int) -> float:
    """Return the length of a scale's segment in seconds."""
    return scale / RATE_HZ if is_raw(scale) else frames_seconds(scale)


def frames_seconds(frames: int) -> float:
    """Convert log-mel frames to seconds."""
    settings = LogMelSettings()
    return frames * settings.hop_samples / settings.rate_hz


def segments_of(scale: int, clip_frames: int) -> int:
    """Count the segments of a scale in a clip; the raw sound of a clip ends at the middle of its last frame."""
    rows = max(1, (clip_frames - 1) * LogMelSettings().hop_samples) if is_raw(scale) else clip_frames
    return SegmentRule(scale, scale).count(rows)


def unit_of(scale: int) -> str:
    """Return the unit of a scale: "frames" or "samples"."""
    return "samples" if is_raw(scale) else "frames"


def log_mel_extractor(
    segment_frames: int,
    output_tags: tuple[str, ...],
    input_mean: float = 0.0,
    input_deviation: float = 1.0,
    settings: LogMelSettings = LogMelSettings(),
) -> Extractor:
    """Describe the log-mel CNN for a segment length in frames, with all its levels.

    Segments do not overlap. The hash stays empty until the weights are exported.

    Args:
        segment_frames: the scale.
        output_tags: the tags that the network predicts, in order.
        input_mean, input_deviation: the scalars that standardise its log-mel input.
        settings: the front end.

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


@dataclasses.dataclass(frozen=True)
class LayerCost:
    """The cost of one hidden layer.

    Attributes:
        rows: the number of outputs of its convolution for one segment, before the pool.
        receptive_rows: the number of input rows (frames or samples) that one output depends on, away from the edges.
        parameters: the number of weights, biases, and scales and shifts of batch norms.
        multiply_adds: the multiply-adds for one segment, without pools, norms and sums.
    """

    convolution: Convolution
    rows: int
    receptive_rows: int
    parameters: int
    multiply_adds: int


@dataclasses.dataclass(frozen=True)
class NetworkCost:
    """The cost of a network: of each hidden layer, and the totals, which include the dense layers."""

    layers: tuple[LayerCost, ...]
    parameters: int
    multiply_adds: int


def network_cost(extractor: Extractor) -> NetworkCost:
    """Count the trained parameters of a network, and its multiply-adds for one segment."""
    layers: list[LayerCost] = []
    length, columns = extractor.segment_length, extractor.input_columns
    receptive, step = 1, 1
    for shape in extractor.convolutions:
        rows = length // shape.stride
        receptive += (shape.filter_length - 1) * step * max(1, shape.residual_convolutions)
        step *= shape.stride
        parameters, multiply_adds = _block_cost(shape, rows, columns)
        layers.append(LayerCost(shape, rows, receptive, parameters, multiply_adds))
        receptive += (shape.pool_length - 1) * step
        step *= shape.pool_length
        length, columns = rows // shape.pool_length, shape.channels
    inputs, tags, hidden = columns * length, len(extractor.output_tags), extractor.hidden_units
    dense = hidden * inputs + tags * (hidden or inputs)
    biases = hidden * 3 + tags  # with the batch norm of the hidden layer
    return NetworkCost(
        tuple(layers),
        sum(layer.parameters for layer in layers) + dense + biases,
        sum(layer.multiply_adds for layer in layers) + dense,
    )


def _block_cost(shape: Convolution, rows: int, columns: int) -> tuple[int, int]:
    """Count the parameters and multiply-adds of one block."""
    channels = shape.channels
    convolutions = [shape.filter_length * columns * channels]
    if shape.residual_convolutions == 2:
        convolutions.append(shape.filter_length * channels * channels)
    if shape.residual_convolutions and columns != channels:
        convolutions.append(columns * channels)
    scaling = 2 * channels * shape.squeeze_units
    biases = shape.squeeze_units + channels if shape.squeeze_units else 0
    parameters = sum(convolutions) + 3 * channels * len(convolutions) + scaling + biases
    return parameters, rows * sum(convolutions) + scaling
