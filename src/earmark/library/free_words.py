"""Read a search in free words, such as `sad piano leoni`: tags, other words, and conditions such as year:1990."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from earmark.file_name import folded
from earmark.library.query import Condition, condition
from earmark.library.tag_names import TagNames

_STRICT = re.compile(r"(?:^|[\s(])(?:AND|OR|NOT)(?=[\s()]|$)|[<>]")
_QUOTED = re.compile(r""""[^"]*"|'[^']*'(?!\w)""")
_TOKEN = re.compile(
    r"""
        (?P<condition>(?:path|folder|artist|title|album|genre|year|like):(?:"[^"]*"|'[^']*'|[^\s"']+))
      | (?P<quoted>"[^"]+")
      | (?P<word>\S+)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_AROUND_WORDS = "()[]{}<>\"'.,;:!?…"
MOST_TERMS = 32
"""How many terms of a search count; each costs some milliseconds in a large library."""
_NEGATIONS = frozenset({"not", "no", "without"})
_FILLER_WORDS = (
    "a an and are as at for from in is it me music my of on or some something song songs that the to track tracks "
    "tune tunes which with"
)
_FILLERS = frozenset(_FILLER_WORDS.split())
"""Words that say nothing of a track. They count only where a search has no others."""


@dataclass(frozen=True)
class Term:
    """One or more words of a search.

    place: the index of the tag that they name, or None. negated: whether tracks without the tag are wanted.
    """

    text: str
    place: int | None = None
    negated: bool = False


@dataclass(frozen=True)
class FreeSearch:
    """A search in free words.

    conditions: what every track must fulfil. left_out: how many terms do not count, because there are too many.
    """

    terms: tuple[Term, ...]
    conditions: tuple[Condition, ...]
    left_out: int = 0

    @property
    def places(self) -> tuple[int, ...]:
        """The indices of the tags that the search names, each once, in its order."""
        return tuple(dict.fromkeys(term.place for term in self.terms if term.place is not None))


def is_strict(text: str) -> bool:
    """Return whether a search is in the strict language: it has AND, OR or NOT in capitals, or compares with < or >."""
    return _STRICT.search(_QUOTED.sub(" ", text)) is not None


def read_words(text: str, names: TagNames) -> FreeSearch:
    """Read a search in free words. No text is wrong: what is no condition and names no tag is a word to look for."""
    terms: list[Term] = []
    conditions: list[Condition] = []
    words: list[str] = []
    for token in _TOKEN.finditer(text):
        stated = condition(token["condition"]) if token["condition"] else None
        if stated is None and not token["quoted"]:
            words += [token.group()]
            continue
        terms += _terms(words, names)
        words = []
        if stated is not None:
            conditions.append(stated)
        else:
            phrase = token["quoted"].strip('"')
            terms.append(Term(phrase, names.place(phrase)))
    terms += _terms(words, names)
    telling = [term for term in terms if term.place is not None or folded(term.text) not in _FILLERS]
    each_once = tuple(dict.fromkeys(telling or terms))
    return FreeSearch(each_once[:MOST_TERMS], tuple(conditions), len(each_once[MOST_TERMS:]))


def _terms(words: Sequence[str], names: TagNames) -> list[Term]:
    """Split words into tags, each of as many words as possible, and single words."""
    # Signs around words are left out only where the words then name a tag or stand in a text: "r&b" keeps its own.
    plain = [word.strip(_AROUND_WORDS) or word for word in words]
    terms: list[Term] = []
    place = 0
    while place < len(plain):
        negated = folded(plain[place]) in _NEGATIONS or (plain[place].startswith("-") and len(plain[place]) > 1)
        own = plain[place].startswith("-")
        rest = [plain[place].lstrip("-"), *plain[place + 1 :]] if own else plain[place + negated :]
        named = names.longest(rest) if negated else None
        if named is not None:
            terms.append(Term(" ".join(rest[: named[0]]), named[1], negated=True))
            place += named[0] + (0 if own else 1)
            continue
        named = names.longest(plain[place:])
        count = 1 if named is None else named[0]
        terms.append(Term(" ".join(plain[place : place + count]), None if named is None else named[1]))
        place += count
    return terms
