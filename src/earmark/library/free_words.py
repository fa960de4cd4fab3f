"""Read a search in free words, such as `sad piano leoni`: tags, other words, and conditions such as year:1990."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from earmark.file_name import folded
from earmark.library.query import CONDITION_NAMES, QUOTED_VALUE, Condition, Not, condition, with_plain_quotes
from earmark.library.tag_names import TagNames

_STRICT = re.compile(r"(?:^|[\s(])(?:AND|OR|NOT)(?=[\s()]|$)|[<>]")
_COMPARED = re.compile("[<>]")
_QUOTED = re.compile(r""""[^"]*"|(?<!\w)'[^']*'(?!\w)""")
_TOKEN = re.compile(
    rf"""
        (?P<before>[-(\[{{]*)
        (?: (?P<condition>(?:{"|".join(CONDITION_NAMES)}):(?:{QUOTED_VALUE}|(?!")\S+))
          | (?P<quoted>"[^"]+"))
      | (?P<word>\S+)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_CONDITION_NAME = re.compile(rf"-*(?:{'|'.join(CONDITION_NAMES)}):", re.IGNORECASE)
_BETWEEN_TERMS = re.compile(r"(?<!\d)[,;，；、]|[,;，；、](?!\d)")
"""Signs that end a term, though not within a number such as 10,000."""
_BETWEEN_TAGS = re.compile(r"[/|+&]")
"""Signs that stand between tags, but also within names such as AC/DC."""
_AROUND_WORDS = "()[]{}<>\"'.,;:!?…"
MOST_TERMS = 32
"""How many terms of a search count; each costs some milliseconds in a large library."""
NEGATIONS = frozenset({"not", "no", "without"})
_FILLER_WORDS = (
    "a an and are as at for from in is it me music my of on or some something song songs that the to track tracks "
    "tune tunes which with"
)
_FILLERS = frozenset(_FILLER_WORDS.split())
"""Words that say nothing of a track. They count only where a search has no others."""


@dataclass(frozen=True)
class Term:
    """One or more words of a search.

    place: the index of the tag that they name, or None. negated: whether tracks without it are wanted.
    """

    text: str
    place: int | None = None
    negated: bool = False


@dataclass(frozen=True)
class FreeSearch:
    """A search in free words.

    conditions: what every track must fulfil. left_out: how many terms do not count, because there are too many.
    unread: what begins as a condition but states none, such as year:99; it is among the terms.
    """

    terms: tuple[Term, ...]
    conditions: tuple[Condition | Not, ...]
    left_out: int = 0
    unread: tuple[str, ...] = ()

    @property
    def places(self) -> tuple[int, ...]:
        """The indices of the tags that the search names, each once, in its order."""
        return tuple(dict.fromkeys(term.place for term in self.terms if term.place is not None))


def is_strict(text: str) -> bool:
    """Return whether a search is in the strict language: it has AND, OR or NOT in capitals, or compares with < or >."""
    return _STRICT.search(_unquoted(text)) is not None


def compares(text: str) -> bool:
    """Return whether a search compares with < or >."""
    return _COMPARED.search(_unquoted(text)) is not None


def read_words(text: str, names: TagNames) -> FreeSearch:
    """Read a search in free words. No text is wrong: what is no condition and names no tag is a word to look for."""
    terms: list[Term] = []
    conditions: list[Condition | Not] = []
    words: list[str] = []
    unread: list[str] = []
    for token in _TOKEN.finditer(with_plain_quotes(text)):
        stated = _stated(token, text)
        if stated is None and not token["quoted"]:
            if _CONDITION_NAME.match(token.group()):
                unread.append(token.group())
            *ended, last = _parts(token.group(), names)
            for part in ended:
                terms += _terms([*words, *part], names)
                words = []
            words += last
            continue
        before, negated = _before_negation(words)
        terms += _terms(before, names)
        words = []
        negated = negated or "-" in token["before"]
        if stated is not None:
            conditions.append(Not(stated) if negated else stated)
        else:
            phrase = token["quoted"].strip('"')
            terms.append(Term(phrase, names.place(phrase), negated))
    terms += _terms(words, names)
    texts = [term for term in terms if term.place is not None or any(map(str.isalnum, term.text))]
    kept = texts if texts or conditions else terms
    telling = [term for term in kept if term.place is not None or folded(term.text) not in _FILLERS]
    each_once = tuple(dict.fromkeys(telling or kept))
    left_out = len(each_once[MOST_TERMS:])
    return FreeSearch(each_once[:MOST_TERMS], tuple(conditions), left_out, tuple(dict.fromkeys(unread)))


def _unquoted(text: str) -> str:
    return _QUOTED.sub(" ", with_plain_quotes(text))


def _stated(token: re.Match[str], text: str) -> Condition | None:
    """Return the condition of a token, or None. Brackets around it and a comma after it are no part of it."""
    if not token["condition"]:
        return None
    start, stop = token.span("condition")
    said = text[start:stop].rstrip(",;")
    return condition(said.rstrip(")]}") if token["before"].strip("-") else said)


def _parts(token: str, names: TagNames) -> list[list[str]]:
    """Split what stands between spaces where a sign ends a term; each part has one word, or none, or several tags."""
    parts = []
    for text in _BETWEEN_TERMS.split(token):
        tags = [each for each in _BETWEEN_TAGS.split(text) if each]
        several = names.place(text) is None and all(names.place(each) is not None for each in tags)
        parts.append(tags if several else [text] if text else [])
    return parts if any(parts) else [[token]]


def _terms(words: Sequence[str], names: TagNames) -> list[Term]:
    """Split words into tags, each of as many words as possible, and single words."""
    # Signs around words are left out only where the words then name a tag or stand in a text: "r&b" keeps its own.
    plain = [word.strip(_AROUND_WORDS) or word for word in words]
    terms: list[Term] = []
    place = 0
    while place < len(plain):
        skipped, rest = _after_negation(plain[place:])
        named = names.longest(rest)
        if named is None and skipped and folded(plain[place]) != "not":
            # Names such as No Doubt begin so; only of tags does it say that they are not wanted.
            skipped, rest = 0, plain[place:]
            named = names.longest(rest)
        count = 1 if named is None else named[0]
        negated = skipped > 0 or rest[0] != plain[place]
        terms.append(Term(" ".join(rest[:count]), None if named is None else named[1], negated))
        place += skipped + count
    return terms


def _before_negation(words: Sequence[str]) -> tuple[Sequence[str], bool]:
    """Return words without a negation at their end, as in `piano without the`, and whether there is one."""
    telling = [place for place, word in enumerate(words) if folded(word) not in _FILLERS]
    negated = bool(telling) and folded(words[telling[-1]]) in NEGATIONS
    return (words[: telling[-1]], True) if negated else (words, False)


def _after_negation(words: Sequence[str]) -> tuple[int, Sequence[str]]:
    """Return how many words only negate what follows, as in `not a piano`, and the words after these.

    A dash before a word negates it too, and is taken off. The last word of a search negates nothing.
    """
    if folded(words[0]) in NEGATIONS:
        telling = (place for place in range(1, len(words)) if folded(words[place]) not in _FILLERS)
        start = next(telling, 0)
        return start, words[start:]
    without_dash = words[0].lstrip("-").strip(_AROUND_WORDS)
    return 0, [without_dash, *words[1:]] if without_dash and without_dash != words[0] else words
