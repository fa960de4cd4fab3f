"""Find recordings that share music, by the acoustic fingerprints of Chromaprint (its program fpcalc).

A fingerprint is a sequence of 32-bit numbers, about eight per second. Most of their bits survive lossy encoding. Where
two fingerprints have equal numbers at one offset in time, they are aligned at this offset, and their bits are compared.
"""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.errors import DatasetError

Fingerprint = npt.NDArray[np.uint32]

SECONDS_PER_NUMBER = 4096 / 3 / 11_025
"""The hop of Chromaprint: a third of 4096 samples at 11 025 Hz."""
SHORTEST_SECONDS = 10.0
"""Choice: recordings that agree for less time share a sound, not music."""
SAME_BITS = 0.85
"""Choice: the least share of equal bits in stretches of the same recording; unrelated music has about half."""
SHARED_NUMBERS = 8
"""Choice: the fewest equal numbers at one offset for which two fingerprints are aligned."""
COMMONEST = 40
"""Choice: numbers that more recordings have than this (silence, a held tone) are ignored."""


@dataclass(frozen=True)
class Similarity:
    """Two recordings that share music.

    Attributes:
        first, second: their names, in the order of the fingerprints.
        share: the share of the shorter recording that is in the other, 0..1.
    """

    first: str
    second: str
    share: float


def fingerprint(samples: npt.NDArray[np.float32], rate_hz: int) -> Fingerprint:
    """Compute the fingerprint of sound: (samples,) float32 in -1..1 to (numbers,) uint32.

    Raises:
        DatasetError: fpcalc is not installed, or returns no fingerprint, as for sound shorter than three seconds.
    """
    plain = ["-format", "s16le", "-rate", str(rate_hz), "-channels", "1", "-"]
    whole = (np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes()
    try:
        done = subprocess.run(["fpcalc", "-raw", "-json", "-length", "0", *plain], input=whole, capture_output=True)
    except FileNotFoundError as error:
        raise DatasetError("The program fpcalc is not here; install Chromaprint (libchromaprint-tools).") from error
    try:
        # The exit status is ignored, because some versions of fpcalc report the end of the sound as an error.
        return np.array(json.loads(done.stdout)["fingerprint"], np.uint32)
    except (ValueError, KeyError) as error:
        said = " ".join(done.stderr.decode(errors="replace").split())
        raise DatasetError(f"fpcalc gave no fingerprint of {len(samples) / rate_hz:.1f} s of sound: {said}.") from error


def similarities(fingerprints: Mapping[str, Fingerprint]) -> Iterator[Similarity]:
    """Yield every pair of recordings that share at least `SHORTEST_SECONDS` of music, in the order of the mapping."""
    names = list(fingerprints)
    for (first, second), offset in _candidates([fingerprints[name] for name in names]):
        a, b = fingerprints[names[first]], fingerprints[names[second]]
        a, b = a[max(offset, 0) :], b[max(-offset, 0) :]
        length = min(len(a), len(b))
        equal = 1 - np.unpackbits((a[:length] ^ b[:length]).view(np.uint8)).reshape(-1, 32).mean(axis=1)
        seconds = SECONDS_PER_NUMBER * _agreeing(equal)
        shorter = SECONDS_PER_NUMBER * min(len(fingerprints[names[first]]), len(fingerprints[names[second]]))
        if seconds >= SHORTEST_SECONDS:
            yield Similarity(names[first], names[second], min(seconds / shorter, 1.0))


def _agreeing(equal: npt.NDArray[np.float64]) -> int:
    """Count the numbers at which the mean of equal bits over three seconds reaches `SAME_BITS`."""
    width = min(len(equal), round(3 / SECONDS_PER_NUMBER))
    if not width:
        return 0
    smooth = np.convolve(equal, np.full(width, 1 / width), mode="same")
    return int((smooth >= SAME_BITS).sum())


def _candidates(fingerprints: list[Fingerprint]) -> list[tuple[tuple[int, int], int]]:
    """Return pairs of recordings, each with the offset at which most numbers are equal (first minus second)."""
    where: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for track, numbers in enumerate(fingerprints):
        _, first = np.unique(numbers, return_index=True)
        for place in first.tolist():
            where[int(numbers[place])].append((track, place))
    votes: dict[tuple[int, int], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for places in where.values():
        if not 1 < len(places) <= COMMONEST:
            continue
        for at, (first_track, first_place) in enumerate(places):
            for second_track, second_place in places[at + 1 :]:
                votes[first_track, second_track][first_place - second_place] += 1
    best = {pair: max(offsets.items(), key=lambda each: each[1]) for pair, offsets in votes.items()}
    return [(pair, offset) for pair, (offset, count) in sorted(best.items()) if count >= SHARED_NUMBERS]
