"""Find the tag that words name: by its label or a synonym, in singular or plural, as a noun or an adjective."""

import re
from collections.abc import Sequence

from earmark.file_name import folded
from earmark.tagging.bundle.card import TagName

_BETWEEN_WORDS = re.compile(r"[\s\-_/]+")
_NO_PLURALS = frozenset({"blues", "brass", "bass"})
_SHORTEST_STEM = 3


class TagNames:
    """The names of tags: labels, synonyms, and other forms of both, such as "drum" of "drums" or "sad" of "sadness"."""

    def __init__(self, tags: Sequence[TagName]) -> None:
        self.tags = tuple(tags)
        # An exact name replaces another form, and a label an equal synonym.
        labels = [(folded(tag.label), place) for place, tag in enumerate(tags)]
        synonyms = [(folded(word), place) for place, tag in enumerate(tags) for word in tag.synonyms]
        # Of equal names the first is meant, so those of further heads, which come last, replace none.
        self._exact = dict(reversed([*labels, *synonyms]))
        self._forms = {_form(name): place for name, place in reversed([*labels, *synonyms])}
        self._most_words = max((len(name.split()) for name in self._exact), default=0) + 1

    def exact(self, name: str) -> int | None:
        """Return the place of the tag with this label or synonym, whatever the case of its letters; None if none."""
        return self._exact.get(folded(name))

    def place(self, name: str) -> int | None:
        """Return the place of the tag with this name in any form, or None if there is none."""
        found = self.exact(name)
        return found if found is not None else self._forms.get(_form(name))

    def longest(self, words: Sequence[str]) -> tuple[int, int] | None:
        """Return how many of the first words name a tag, as many as possible, and its place; None if none do."""
        for count in range(min(len(words), self._most_words), 0, -1):
            place = self.place(" ".join(words[:count]))
            if place is not None:
                return count, place
        return None


def _form(name: str) -> str:
    """Return what the forms of a name have in common: its stems, joined, so that "hip-hop" and "hiphop" are one."""
    return "".join(map(_stem, _BETWEEN_WORDS.split(folded(name).strip())))


def _stem(word: str) -> str:
    """Return a word without the endings of the plural and of nouns that are made of adjectives."""
    if word in _NO_PLURALS:
        return word
    for ending, instead in (("iness", "y"), ("ness", ""), ("ies", "y"), ("sses", "ss"), ("ches", "ch"), ("s", "")):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= _SHORTEST_STEM and not (ending == "s" and stem[-1] in "su"):
            return stem + instead
    return word
