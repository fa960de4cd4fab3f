"""Vectors in which words stand out as much as a test wants."""

import numpy as np
from tagging.builders import make_bundle

from earmark.tagging.bundle.bundle import Bundle
from earmark.teaching.examples import Examples, examples_of


def base() -> Bundle:
    """A thin model of two scales."""
    return make_bundle((18, 27), tags=3)


def made_up(
    bundle: Bundle, tracks: int = 80, *, strength: float = 3.0, scale: str = "27", seed: int = 0, a_group: int = 2
) -> Examples:
    """Tracks of which every third is "sunny" and every fourth "stormy"; both words stand in one scale only."""
    generator = np.random.default_rng(seed)
    card = bundle.card
    columns = np.concatenate([np.arange(block.start, block.stop) for block in card.layout if block.extractor == scale])
    standardised = generator.normal(size=(tracks, card.vector_width))
    words: list[list[str]] = []
    directions = generator.normal(size=(2, len(columns)))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    for number in range(tracks):
        own = [word for word, every in (("sunny", 3), ("stormy", 4)) if number % every == 0]
        for place, word in enumerate(("sunny", "stormy")):
            standardised[number, columns] += strength * (1 if word in own else -1) * directions[place]
        words.append(own)
    vectors = standardised * bundle.weights["head.deviation"] + bundle.weights["head.mean"]
    groups = [f"artist {number // a_group}" for number in range(tracks)]
    return examples_of(vectors.astype(np.float32), words, groups, [f"{number}.mp3" for number in range(tracks)])
