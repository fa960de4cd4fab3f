"""The log-mel scales of the letter, as data (method section 3)."""

from earmark.audio.logmel import LogMelSettings
from earmark.errors import RecipeError
from earmark.tagging.card import Convolution, Extractor

_FIRST = (Convolution(3, 128, 3), Convolution(3, 128, 3))
_THREE = Convolution(3, 256, 3)
_TWO = Convolution(2, 256, 2)

LOG_MEL_SCALES: dict[int, tuple[Convolution, ...]] = {
    18: (*_FIRST, _TWO),
    27: (*_FIRST, _THREE),
    54: (*_FIRST, _THREE, _TWO),
    108: (*_FIRST, _THREE, _TWO, _TWO),
    216: (*_FIRST, _THREE, _TWO, _TWO, _TWO),
}
"""Blocks of the local CNN for a segment of so many frames."""

HIDDEN_UNITS = 256
"""Width of the dense layer between the last convolution and the output."""


def log_mel_extractor(
    segment_frames: int,
    output_tags: tuple[str, ...],
    input_mean: float = 0.0,
    input_deviation: float = 1.0,
) -> Extractor:
    """Describe the letter's local CNN for segments of a length in frames, every level used.

    Segments do not overlap. The hash stays empty: it is made of the weights, at export.

    Raises:
        RecipeError: the letter has no network for that length.
    """
    if segment_frames not in LOG_MEL_SCALES:
        known = ", ".join(str(frames) for frames in LOG_MEL_SCALES)
        raise RecipeError(f"No local CNN for segments of {segment_frames} frames; known lengths are {known}.")
    convolutions = LOG_MEL_SCALES[segment_frames]
    settings = LogMelSettings()
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
