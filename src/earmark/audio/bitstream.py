"""Compressed sound that was stored as if it were samples, as a DTS compact disc or a recorded S/PDIF line has it."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

SYNC_WORDS: Final = {
    (-1934, 19_999): "IEC 61937 (AC-3, DTS or the like)",  # 0xF872 0x4E1F
    (32_766, -32_767): "DTS",  # 0x7FFE 0x8001
    (-385, 384): "DTS",  # the same with its bytes swapped, 0xFE7F 0x0180
    (8_191, -6_144): "DTS",  # of 14 bits, 0x1FFF 0xE800
    (-225, 232): "DTS",  # of 14 bits with its bytes swapped, 0xFF1F 0x00E8
}
"""Two samples of 16 bits with which each frame begins, and what begins so."""
BURSTS = 3
BURST_SAMPLES = (256, 1 << 15)
"""The shortest and the longest distance of two frames; a loud square wave has these samples too, but side by side."""
CHECKED_BLOCKS = 2


class BitstreamCheck:
    """Looks for compressed sound in the first blocks in which there is anything but silence."""

    def __init__(self) -> None:
        self._left = CHECKED_BLOCKS

    def __call__(self, block: npt.NDArray[np.float32]) -> str:
        """Return what (samples, 2) float32 hold in place of samples; empty where they are sound, or not stereo."""
        if not self._left or block.shape[1] != 2:
            return ""
        first, second = block[:, 0], block[:, 1]
        if not first.any():
            return ""
        self._left -= 1
        for (word, next_word), kind in SYNC_WORDS.items():
            starts = np.flatnonzero(first == np.float32(word / 32_768))
            starts = starts[second[starts] == np.float32(next_word / 32_768)]
            if _are_regular(starts.tolist()):
                return kind
        return ""


def _are_regular(starts: list[int]) -> bool:
    """Do so many frames follow each other at one distance?"""
    distances = [later - start for start, later in pairwise(starts)]
    return any(
        len(set(distances[place : place + BURSTS - 1])) == 1
        and BURST_SAMPLES[0] <= distances[place] <= BURST_SAMPLES[1]
        for place in range(len(distances) - BURSTS + 2)
    )
