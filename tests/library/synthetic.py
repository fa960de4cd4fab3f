"""Tracks that were never heard: random logits and vectors in a library, for searches."""

import numpy as np
import numpy.typing as npt

from earmark.library.analysis import Analysis, half
from earmark.library.jobs import Stamp
from earmark.library.library import Library
from earmark.tagging.bundle.card import Card


def analysis(card: Card, number: int, *, logits: npt.ArrayLike | None = None, seed: int = 0) -> Analysis:
    """A track by its number; its vector depends on nothing but the number and the seed."""
    generator = np.random.default_rng((seed, number))
    said = generator.normal(-1, 2, len(card.labels)) if logits is None else np.asarray(logits)
    vector = np.maximum(generator.normal(0.5, 1.0, card.vector_width), 0).astype(np.float32)
    return Analysis(
        f"packets:{number:032x}",
        100.0 + number,
        False,
        (),
        "array",
        "0",
        said.astype(np.float32),
        half(vector),
        None,
    )


def fill(library: Library, count: int, *, first: int = 0, folder: str = "/music") -> None:
    """So many tracks, each with a path in a folder by its tens: /music/0/3.mp3, /music/1/12.mp3."""
    assert library.tagger is not None
    card = library.tagger.card
    model_id = library.database.model_id(card)
    library.database.make_current(model_id)
    library.store.run("PRAGMA synchronous = OFF")  # a transaction a track, and no disk to wait for
    for number in range(first, first + count):
        path = f"{folder}/{number // 10}/{number}.mp3"
        library.database.add_track(analysis(card, number), model_id, [(path, Stamp(1, 1))])


def say(library: Library, logits: dict[str, list[float]]) -> None:
    """Tracks by their paths, each with these logits."""
    assert library.tagger is not None
    card = library.tagger.card
    model_id = library.database.model_id(card)
    library.database.make_current(model_id)
    for number, (path, said) in enumerate(logits.items()):
        library.database.add_track(analysis(card, number, logits=said), model_id, [(path, Stamp(1, 1))])
