"""Which columns of a track vector mean what: one block a scale, level and statistic."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from earmark.tagging.card import Extractor

TrackStatistic = Literal["mean", "max", "mean+deviation"]

STATISTIC_PARTS: dict[TrackStatistic, tuple[str, ...]] = {
    "mean": ("mean",),
    "max": ("max",),
    "mean+deviation": ("mean", "deviation"),
}


@dataclass(frozen=True)
class Block:
    """The columns of a track vector that hold one statistic of one level of one extractor.

    `level` counts hidden convolution layers from 1; `statistic` is "mean", "max" or "deviation", taken over
    the segments of a track or window; the columns are `start` to `stop`, `stop` not included.
    """

    extractor: str
    level: int
    statistic: str
    start: int
    stop: int

    @property
    def columns(self) -> slice:
        """The block's columns, to index the last axis of a vector with."""
        return slice(self.start, self.stop)


def layout_of(extractors: "Sequence[Extractor]") -> tuple[Block, ...]:
    """Lay the track vector of some extractors out, in the one order that all of earmark uses.

    Extractor by extractor, level by level, statistic by statistic. For 18, 27 and 54 frames with all their
    levels and the mean this is the letter's vector of 1792 values ([SPL] III, method.md section 3).
    """
    blocks: list[Block] = []
    start = 0
    for extractor in extractors:
        for level in extractor.levels:
            for statistic in STATISTIC_PARTS[extractor.track_statistic]:
                stop = start + extractor.convolutions[level - 1].channels
                blocks.append(Block(extractor.name, level, statistic, start, stop))
                start = stop
    return tuple(blocks)


def width_of(layout: Sequence[Block]) -> int:
    """The number of columns of a track vector."""
    return layout[-1].stop if layout else 0
