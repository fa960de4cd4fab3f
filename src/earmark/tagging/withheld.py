"""Why a model withholds its promises: silence, another sound than music, or music unlike that of its training."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from earmark.tagging.bundle.card import OTHER_SOUND, Card, TagName

Reason = Literal["silence", "other sound", "unfamiliar"]

MOSTLY = 0.5
"""The least probability of another sound for which promises are withheld.

Choice: they are withheld only if no genre is as probable. With speech in rap, applause in a concert or rain in ambient
music, a genre is at least as probable, and nothing is withheld."""
GENRES = "genres"


@dataclass(frozen=True)
class Withheld:
    """Why no tags are promised except those of other sounds: a reason, and a sentence for people.

    `sentence`: such as "mostly speech (92 %)".
    """

    reason: Reason
    sentence: str

    def to_dict(self) -> dict[str, str]:
        """Return plain text, for JSON."""
        return {"reason": self.reason, "sentence": self.sentence}


def withheld_of(
    probabilities: npt.NDArray[np.float32], card: Card, *, silent: bool, distance: float, of_window: bool = False
) -> Withheld | None:
    """Return why a model's promises about a sound are withheld, or None where they are not.

    `probabilities`: (tags,), as they are shown. `silent`: whether nothing can be heard. `distance`: that of
    `familiarity.Distance`; where it is NaN, the sound counts as familiar. `of_window`: whether the sound is a window of
    a longer one, for which the distance has a threshold of its own.
    """
    if silent:
        return Withheld("silence", "silence")
    other = [place for place, tag in enumerate(card.tags) if tag.group == OTHER_SOUND]
    if other:
        most = max(other, key=lambda place: probabilities[place])
        likely = float(probabilities[most])
        music = [place for place, tag in enumerate(card.tags) if tag.group == GENRES]
        music = music or [place for place, tag in enumerate(card.tags) if tag.group != OTHER_SOUND]
        if likely >= MOSTLY and likely > max((float(probabilities[place]) for place in music), default=0.0):
            return Withheld("other sound", f"mostly {card.tags[most].label} ({100 * likely:.0f} %)")
    known = card.familiarity
    farthest = None if known is None else known.window_threshold if of_window else known.threshold
    if farthest is not None and distance > farthest:
        return Withheld("unfamiliar", "unlike the music that the model learned from")
    return None


def withheld_along(
    probabilities: npt.NDArray[np.float32], card: Card, distances: npt.NDArray[np.float64] | None = None
) -> tuple[Withheld | None, ...]:
    """Return the same for every window of a sound.

    `probabilities`: (windows, tags). `distances`: (windows,); without them every window counts as familiar.
    """
    if card.familiarity is None and all(tag.group != OTHER_SOUND for tag in card.tags):
        return (None,) * len(probabilities)
    far = [math.nan] * len(probabilities) if distances is None else distances.tolist()
    return tuple(
        withheld_of(row, card, silent=False, distance=distance, of_window=True)
        for row, distance in zip(probabilities, far, strict=True)
    )


def promisable(tags: Sequence[TagName], withheld: Withheld | None) -> npt.NDArray[np.bool_]:
    """Return which tags may be promised, (tags,): all, or only those of other sounds where promises are withheld."""
    return np.array([withheld is None or tag.group == OTHER_SOUND for tag in tags], np.bool_)
