"""What listeners said of Emotify's tracks, as numbers: MagnaTagATune's tags, the published genre, felt emotions."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from earmark.errors import DatasetError
from earmark.training.datasets import emotify
from earmark.training.datasets.magnatagatune import TAGS as MAGNATAGATUNE
from earmark.training.datasets.nearest import did_you_mean

KNOWN_OF_TRAINING_CLIPS = 20
"""Of clips in MagnaTagATune's training side, only so many of the most frequent tags, which come first, are known to be
absent."""

LISTENERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"magnatagatune": MAGNATAGATUNE, "emotify-genre": emotify.GENRES, "emotify-emotions": emotify.EMOTIONS}
)
"""The labels of each source, in order."""

_SPELLINGS = MappingProxyType({label.replace(" ", "").lower(): label for label in MAGNATAGATUNE})


def heard_by_listeners(cells: Mapping[str, str] | None) -> dict[str, tuple[float, ...]]:
    """The targets of one row of Emotify's tracks.csv by source, NaN where unknown; all unknown without a row.

    Raises DatasetError for a tag that MagnaTagATune's fifty do not hold.
    """
    unknown = float("nan")
    if cells is None:
        return {source: (unknown,) * len(labels) for source, labels in LISTENERS.items()}
    return {
        "magnatagatune": magnatagatune_tags(cells["mtat_tags"], cells["mtat_split"]),
        "emotify-genre": tuple(float(cells["genre"] == genre) for genre in emotify.GENRES),
        "emotify-emotions": tuple(float(cells[emotion]) for emotion in emotify.EMOTIONS),
    }


def magnatagatune_tags(said: str, split: str) -> tuple[float, ...]:
    """MagnaTagATune's tags of a recording, 1, 0 or NaN: `said` is a list such as "guitar;noVocals", `split` its side.

    The absence of a rarer tag means nothing where the clips are in the training side; a recording without any tag is
    not in MagnaTagATune at all.
    """
    if not said:
        return (float("nan"),) * len(MAGNATAGATUNE)
    labels = set()
    for word in said.split(";"):
        label = _SPELLINGS.get(word.strip().replace(" ", "").lower())
        if label is None:
            raise DatasetError(
                f"MagnaTagATune has no tag {word!r} among its fifty.{did_you_mean(word, tuple(_SPELLINGS))}"
            )
        labels.add(label)
    known = KNOWN_OF_TRAINING_CLIPS if split == "train" else len(MAGNATAGATUNE)
    return tuple(
        1.0 if label in labels else 0.0 if place < known else float("nan") for place, label in enumerate(MAGNATAGATUNE)
    )
