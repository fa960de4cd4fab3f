"""What is known of a published split: how many tracks a side has, and the hash of their names.

Counts and hashes are facts and stand in code; the lists themselves are the user's to bring.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from earmark.errors import DatasetError
from earmark.training.datasets.base import SIDES, Split

SHOWN_DIGITS = 12


def list_hash(identifiers: Iterable[str]) -> str:
    """Return the SHA-256 of the names sorted, joined by newlines, with a last newline."""
    return hashlib.sha256(("\n".join(sorted(identifiers)) + "\n").encode()).hexdigest()


@dataclass(frozen=True)
class OfficialSide:
    """One side: its number of tracks, and the hash of its list where the list could be had."""

    count: int
    hash: str | None = None


@dataclass(frozen=True)
class OfficialSplit:
    """The sides of which something is known, and the number of tracks of all sides where that is all there is."""

    sides: Mapping[str, OfficialSide]
    total: int | None = None

    def differences(self, split: Split) -> tuple[str, ...]:
        """Return in what a split differs from the official one, as far as that one is known."""
        found = [self._difference(side, split.side(side)) for side in SIDES if side in self.sides]
        total = sum(split.counts.values())
        if self.total is not None and total != self.total:
            found.append(f"it has {total} tracks, the official one {self.total}")
        return tuple(text for text in found if text)

    def _difference(self, side: str, identifiers: tuple[str, ...]) -> str:
        official = self.sides[side]
        if len(identifiers) != official.count:
            return f"{side} has {len(identifiers)} tracks, officially {official.count}"
        found = list_hash(identifiers)
        if official.hash is not None and found != official.hash:
            return (
                f"{side} has the official number of tracks but other ones "
                f"(hash {found[:SHOWN_DIGITS]}, officially {official.hash[:SHOWN_DIGITS]})"
            )
        return ""

    def text(self, split: Split) -> str:
        """Return a line with the split's counts and hash, and whether it is the official one."""
        if different := self.differences(split):
            return f"{split.text()}: NOT the official split: {'; '.join(different)}"
        unknown = [side for side in SIDES if side not in self.sides or self.sides[side].hash is None]
        if not unknown:
            return f"{split.text()}: the official split"
        return (
            f"{split.text()}: as the official split in all that is known of it "
            f"(no official hash is known of {', '.join(unknown)})"
        )

    def verify(self, split: Split) -> None:
        """Raise DatasetError when a split is not the official one."""
        if different := self.differences(split):
            raise DatasetError(
                f"Split {split.name!r} is not the official one: {'; '.join(different)}. Bring the official files, "
                "or load without verify = true (and never compare figures of the two)."
            )
