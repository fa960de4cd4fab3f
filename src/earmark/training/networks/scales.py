"""Scales: the log-mel ones of the letter, any other length by the same rule (method section 3), and raw ones.

A scale is a number: below 2048 in frames of log-mel, from there on in samples of raw sound (`sample_level.py`).
"""

from earmark.audio.logmel import LogMelSettings
from earmark.audio.segments import SegmentRule
from earmark.errors import RecipeError
from earmark.tagging.bundle.card import Convolution, Extractor
from earmark.training.networks import sample_level
from earmark.training.networks.sample_level import SampleLevelShape, is_raw

LETTER_SCALES = (18, 27, 54, 108, 216)
"""The segment lengths of the letter, in frames."""

HIDDEN_UNITS = 256
"""Width of the dense layer between the last convolution and the output."""


def convolutions_of(segment_frames: int) -> tuple[Convolution, ...]:
    """The blocks for a segment of so many frames: pools of 3 and 2 that tile it, long ones first.

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
    """The layers of a scale of either family; `shape` is that of raw ones.

    Raises:
        RecipeError: there is no network for that length.
    """
    return sample_level.convolutions_of(scale, shape) if is_raw(scale) else convolutions_of(scale)


def levels_of(scale: int, shape: SampleLevelShape) -> tuple[int, ...]:
    """The hidden layers whose activations enter the vector: all of a log-mel scale, the top ones of a raw scale.

    Raises:
        RecipeError: there is no network for that length.
    """
    return sample_level.levels_of(scale, shape) if is_raw(scale) else tuple(range(1, len(convolutions_of(scale)) + 1))


def seconds_of(scale: int) -> float:
    """How long a segment of a scale is."""
    return scale / sample_level.RATE_HZ if is_raw(scale) else frames_seconds(scale)


def frames_seconds(frames: int) -> float:
    """How long so many frames are, by the front end's hop and rate."""
    settings = LogMelSettings()
    return frames * settings.hop_samples / settings.rate_hz


def segments_of(scale: int, clip_frames: int) -> int:
    """How many segments of a scale a clip of so many frames has; raw ones end at its last frame's middle."""
    rows = max(1, (clip_frames - 1) * LogMelSettings().hop_samples) if is_raw(scale) else clip_frames
    return SegmentRule(scale, scale).count(rows)


def unit_of(scale: int) -> str:
    """What a scale counts: frames, or samples."""
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
