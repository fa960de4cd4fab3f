"""How activations become a vector."""

from typing import Literal

from earmark.training.recipe.section import Section


class PoolingSection(Section):
    """How activations become a vector: over the time of a segment, then over the segments of a clip.

    segment: of every level over a segment; "mean" is taken before the pool. track: of every column over the segments.
    """

    segment: Literal["max", "mean"] = "max"
    track: Literal["mean", "max", "mean+deviation"] = "mean"
