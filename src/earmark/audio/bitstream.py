"""Detection of compressed sound stored as if it were samples, as on a DTS compact disc or an S/PDIF recording."""

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
"""The two 16-bit samples that begin each frame, and the name of what they begin."""
BURSTS = 3
BURST_SAMPLES = (256, 1 << 15)
"""The shortest and longest distance between two frames. A loud square wave has the same samples, but side by side."""
CHECKED_BLOCKS = 2
AC3_SYNC_WORD: Final = 0x0B77
AC3_KILOBITS: Final = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
"""The bit rates of AC-3, by the number in a frame's header."""
LAST_AC3_VERSION: Final = 10
"""The last version of AC-3; later ones are E-AC-3, whose header gives the length of its frame directly."""


class BitstreamCheck:
    """A check for compressed sound in the first blocks of a sound that are not silent."""

    def __init__(self) -> None:
        self._left = CHECKED_BLOCKS

    def __call__(self, block: npt.NDArray[np.float32]) -> str:
        """Return the name of the compressed sound that a block holds, or an empty text where it holds samples.

        `block`: (samples, channels) float32. Everything but bare AC-3 is looked for in stereo only. Later blocks than
        the first two that are not silent are not checked.
        """
        if not self._left or not block.any():
            return ""
        self._left -= 1
        if _holds_ac3(block):
            return "AC-3"
        if block.shape[1] != 2:
            return ""
        first, second = block[:, 0], block[:, 1]
        for (word, next_word), kind in SYNC_WORDS.items():
            starts = np.flatnonzero(first == np.float32(word / 32_768))
            starts = starts[second[starts] == np.float32(next_word / 32_768)]
            if _are_regular(starts.tolist()):
                return kind
        return ""


def _are_regular(starts: list[int]) -> bool:
    """Return whether enough frames follow each other at one distance."""
    distances = [later - start for start, later in pairwise(starts)]
    return any(
        len(set(distances[place : place + BURSTS - 1])) == 1
        and BURST_SAMPLES[0] <= distances[place] <= BURST_SAMPLES[1]
        for place in range(len(distances) - BURSTS + 2)
    )


def _holds_ac3(block: npt.NDArray[np.float32]) -> bool:
    """Return whether a block holds consecutive frames of AC-3 or E-AC-3, each as long as its header says."""
    samples = np.nan_to_num(block.reshape(-1) * np.float32(32_768))
    words = np.clip(samples, -32_768, 32_767).astype(np.int16).view(np.uint16)
    return any(_are_ac3_frames(ordered) for ordered in (words, words.byteswap()))


def _are_ac3_frames(words: npt.NDArray[np.uint16]) -> bool:
    """Return whether enough frames follow each other in (words,), whose bytes are in AC-3's order."""
    marked = words == AC3_SYNC_WORD
    starts = set(np.flatnonzero(marked[:-2] & ~marked[1:-1]).tolist())  # equal words side by side are a constant level
    following = {start: start + _ac3_frame_words(int(words[start + 1]), int(words[start + 2])) for start in starts}
    for start in starts:
        frames, place = 0, start
        while frames < BURSTS and place in starts and following[place] > place:
            frames, place = frames + 1, following[place]
        if frames == BURSTS:
            return True
    return False


def _ac3_frame_words(second: int, third: int) -> int:
    """Return the length of a frame in words from its second and third word; 0 where they begin none."""
    rate, size, version = third >> 14, third >> 8 & 0x3F, third >> 3 & 0x1F
    if version > LAST_AC3_VERSION:
        return (second & 0x7FF) + 1
    if rate == 3 or size >= 2 * len(AC3_KILOBITS):
        return 0
    kilobits = AC3_KILOBITS[size >> 1]
    return (2 * kilobits, 320 * kilobits // 147 + (size & 1), 3 * kilobits)[rate]
