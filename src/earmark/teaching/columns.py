"""Which scales and levels a head may read: the choices that cross-validation has."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.tagging.bundle.card import VectorBlock


@dataclass(frozen=True, eq=False)
class Columns:
    """A choice of columns, of a track vector or beyond it (reading.py): its name, and their numbers, ascending."""

    name: str
    numbers: npt.NDArray[np.int64]


def choices_of(layout: Sequence[VectorBlock]) -> tuple[Columns, ...]:
    """All scales and levels; each scale by itself; each level over all scales, and the highest; each choice once."""
    scales = list(dict.fromkeys(block.extractor for block in layout))
    levels = sorted({block.level for block in layout})
    highest = {scale: max(block.level for block in layout if block.extractor == scale) for scale in scales}

    last = [block for block in layout if block.level == highest[block.extractor]]
    found = [
        _some("all scales and levels", layout),
        *(_some(f"scale {scale}", [block for block in layout if block.extractor == scale]) for scale in scales),
        *(_some(f"level {level} of all scales", [each for each in layout if each.level == level]) for level in levels),
        _some("the highest level of all scales", last),
    ]
    once: dict[bytes, Columns] = {}
    for choice in found:
        once.setdefault(choice.numbers.tobytes(), choice)
    return tuple(once.values())


def _some(name: str, blocks: Sequence[VectorBlock]) -> Columns:
    return Columns(name, np.concatenate([np.arange(block.start, block.stop) for block in blocks]).astype(np.int64))
