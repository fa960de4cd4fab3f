from importlib import resources

import numpy as np
import pytest

from earmark.library.word_vectors import NEAREST_TAGS, TagVectors, WordVectors, load_word_vectors
from earmark.tagging.bundle.card import TagName

TAGS = [TagName(label, "tests") for label in ("violin", "quiet", "loud", "techno", "drums", "xyzzyx")]


@pytest.fixture(scope="module")
def words() -> WordVectors:
    return load_word_vectors()


def test_the_table_is_small_and_its_vectors_have_length_one(words: WordVectors) -> None:
    assert resources.files("earmark.library").joinpath("word_vectors.npz").stat().st_size < 5_000_000
    assert len(words.rows) == len(words.vectors) == 60_000
    assert np.linalg.norm(words.vectors, axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("text", "label"),
    [("cello", "violin"), ("CELLOS", "violin"), ("noisy", "loud"), ("trance", "techno"), ("silent night", "quiet")],
)
def test_the_nearest_tag_is_among_the_first(words: WordVectors, text: str, label: str) -> None:
    found = TagVectors(words, TAGS).nearest(text)
    assert label in [TAGS[place].label for place in found][:2]
    assert len(found) <= NEAREST_TAGS


@pytest.mark.parametrize("text", ["", "qqqqzz", "123", "\u4e45\u77f3", "\udcff"])
def test_an_unknown_word_has_no_nearest_tag(words: WordVectors, text: str) -> None:
    assert words.of(text) is None
    assert TagVectors(words, TAGS).nearest(text) == ()


def test_tags_without_a_known_word_are_never_found(words: WordVectors) -> None:
    assert TagVectors(words, TAGS[-1:]).nearest("violin") == ()
    assert TagVectors(words, []).nearest("violin") == ()


def test_a_text_is_the_mean_of_its_known_words(words: WordVectors) -> None:
    alone, pair = words.of("violin"), words.of("violin qqqqzz")
    assert alone is not None
    assert pair is not None
    assert pair == pytest.approx(alone)
