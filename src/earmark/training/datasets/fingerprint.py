"""Which recordings are the same: acoustic fingerprints of Chromaprint (its program fpcalc), compared with each other.

A fingerprint is a row of 32-bit numbers, about eight a second, most of whose bits survive another encoding. Two that
have numbers in common at one distance in time are laid over each other there, and their bits compared.
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
"""Chromaprint's hop: a third of 4096 samples at 11 025 Hz."""
SHORTEST_SECONDS = 10.0
"""Choice: recordings that are alike for less than this share a sound, not music."""
SAME_BITS = 0.85
"""Choice: from which share of equal bits on two stretches are the same recording; strangers have about half."""
SHARED_NUMBERS = 8
"""Choice: with fewer numbers in common at one distance two fingerprints are not laid over each other."""
COMMONEST = 40
"""Choice: a number that more recordings have than this (silence, a held tone) says nothing."""


@dataclass(frozen=True)
class Likeness:
    """Two recordings that share music. share: of the shorter one, how much is in the other, 0..1."""

    first: str
    second: str
    share: float


def fingerprint(samples: npt.NDArray[np.float32], rate_hz: int) -> Fingerprint:
    """Return the fingerprint of sound, (samples,) float32 in -1..1: (numbers,) uint32.

    Raises DatasetError where fpcalc is missing or gives none, as of a sound that is shorter than three seconds.
    """
    plain = ["-format", "s16le", "-rate", str(rate_hz), "-channels", "1", "-"]
    whole = (np.clip(samples, -1, 1) * 32_767).astype("<i2").tobytes()
    try:
        done = subprocess.run(["fpcalc", "-raw", "-json", "-length", "0", *plain], input=whole, capture_output=True)
    except FileNotFoundError as error:
        raise DatasetError("The program fpcalc is not here; install Chromaprint (libchromaprint-tools).") from error
    try:
        # Its exit status says nothing: some versions take the end of the sound for a fault.
        return np.array(json.loads(done.stdout)["fingerprint"], np.uint32)
    except (ValueError, KeyError) as error:
        said = " ".join(done.stderr.decode(errors="replace").split())
        raise DatasetError(f"fpcalc gave no fingerprint of {len(samples) / rate_hz:.1f} s of sound: {said}.") from error


def alike(fingerprints: Mapping[str, Fingerprint]) -> Iterator[Likeness]:
    """Yield every two recordings that share `SHORTEST_SECONDS` of music or more, in the order of the mapping."""
    names = list(fingerprints)
    for (first, second), distance in _candidates([fingerprints[name] for name in names]):
        a, b = fingerprints[names[first]], fingerprints[names[second]]
        a, b = a[max(distance, 0) :], b[max(-distance, 0) :]
        length = min(len(a), len(b))
        equal = 1 - np.unpackbits((a[:length] ^ b[:length]).view(np.uint8)).reshape(-1, 32).mean(axis=1)
        seconds = SECONDS_PER_NUMBER * _longest(equal)
        shorter = SECONDS_PER_NUMBER * min(len(fingerprints[names[first]]), len(fingerprints[names[second]]))
        if seconds >= SHORTEST_SECONDS:
            yield Likeness(names[first], names[second], min(seconds / shorter, 1.0))


def _longest(equal: npt.NDArray[np.float64]) -> int:
    """How many numbers lie where a second's mean of equal bits is that of one recording."""
    width = min(len(equal), round(3 / SECONDS_PER_NUMBER))
    if not width:
        return 0
    smooth = np.convolve(equal, np.full(width, 1 / width), mode="same")
    return int((smooth >= SAME_BITS).sum())


def _candidates(fingerprints: list[Fingerprint]) -> list[tuple[tuple[int, int], int]]:
    """Pairs of places, each with the distance at which most numbers are equal: place in the first less the second."""
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
    best = {pair: max(distances.items(), key=lambda each: each[1]) for pair, distances in votes.items()}
    return [(pair, distance) for pair, (distance, count) in sorted(best.items()) if count >= SHARED_NUMBERS]
