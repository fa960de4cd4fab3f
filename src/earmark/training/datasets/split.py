"""A seeded split of tracks into train, valid and test, by group and balanced over tags."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from earmark.errors import DatasetError
from earmark.training.datasets.base import SIDES, Split, Track

FRACTIONS = (0.6, 0.2, 0.2)


def split_by_group(
    tracks: Sequence[Track],
    *,
    name: str = "default",
    seed: int = 0,
    fractions: tuple[float, float, float] = FRACTIONS,
) -> Split:
    """Return a split in which no group is in two sides, and sizes and tags come near the fractions.

    `fractions` are the shares of train, valid and test; they add up to 1. The same tracks, in whatever
    order, with the same seed give the same split. Groups are dealt out in turn, largest first and equal
    ones in random order, each to the side where it raises the sum of `have² / (fraction · total)` least:
    the sum, over the number of tracks and every tag, that is smallest when each side has exactly its
    fraction. Unknown targets count as 0. The last groups go to sides that are still empty.

    Choice: the number of tracks weighs as much as all tags together.

    Raises DatasetError for fractions that do not add up, or fewer groups than sides.
    """
    shares = checked_fractions(fractions)
    by_group: dict[str, list[Track]] = {}
    for track in sorted(tracks, key=lambda track: track.identifier):
        by_group.setdefault(track.group, []).append(track)
    open_sides = np.flatnonzero(shares)
    if len(by_group) < len(open_sides):
        raise DatasetError(
            f"The {len(tracks)} tracks form {len(by_group)} groups (artists or sources), too few for "
            f"{len(open_sides)} sides of a split: a group is never divided. Add tracks of other groups, "
            "or bring a split of your own."
        )
    groups = sorted(by_group)
    amounts = np.array([_amounts(by_group[group]) for group in groups], dtype=np.float64)
    totals = amounts.sum(axis=0)
    weights = np.divide(1.0, totals, out=np.zeros_like(totals), where=totals > 0)
    weights[0] *= max(1, len(totals) - 1)

    shuffled = np.random.default_rng(seed).permutation(len(groups))
    order = shuffled[np.argsort(-amounts[shuffled, 0], kind="stable")]
    have = np.zeros((len(SIDES), len(totals)))
    members: list[list[str]] = [[] for _ in SIDES]
    for dealt, index in enumerate(order):
        empty = [side for side in open_sides if not members[side]]
        choice = np.array(empty if len(order) - dealt <= len(empty) else open_sides)
        rise = ((2.0 * have[choice] + amounts[index]) * amounts[index]) @ weights / shares[choice]
        # Equal rises differ in their last bits from one machine to another; rounding makes ties ties.
        side = int(choice[int(np.argmin(np.round(rise, 9)))])
        have[side] += amounts[index]
        members[side] += [track.identifier for track in by_group[groups[index]]]
    train, valid, test = (tuple(sorted(identifiers)) for identifiers in members)
    return Split(name, train, valid, test)


def checked_fractions(fractions: Sequence[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return the three fractions as float64 after checking them; DatasetError when they cannot be used."""
    given = list(fractions) if isinstance(fractions, Sequence) else []
    numbers = [value for value in given if isinstance(value, int | float) and value >= 0]
    if len(numbers) != len(given) or len(given) != 3 or numbers[0] == 0 or not abs(sum(numbers) - 1.0) < 1e-6:
        raise DatasetError(
            f"The fractions of a split are {fractions!r}; expected three numbers for train, valid and test, "
            "none negative, the first above 0, that add up to 1, such as [0.6, 0.2, 0.2]."
        )
    return np.array(numbers, dtype=np.float64)


def _amounts(tracks: Sequence[Track]) -> list[float]:
    """Return the number of tracks, then the sum of every tag's known targets."""
    targets = np.nan_to_num(np.array([track.targets for track in tracks], dtype=np.float64))
    return [float(len(tracks)), *targets.sum(axis=0).tolist()]
