"""Parse the query language, such as `piano AND NOT vocals AND (guitar>0.6 OR strings) AND folder:~/Music`.

    query       parts joined by AND and OR (AND binds more strongly), NOT before a part, and brackets
    part        a tag, alone or with > >= < <= and a number from 0 to 1 (or 0% to 100%)
                path:TEXT      the text is somewhere in the path; with * or ? the whole path must match
                folder:PATH    the file is in that folder or below it
                artist:TEXT    the words are in the artist's name; title:, album: and genre: likewise
                year:1990      the year, or years such as 1990-1999 or 1990s
                like:TRACK     the track is similar to one, given by its number or path

The case of letters does not matter in tags and paths, nor does the Unicode form of accented letters (NFC, or NFD as on
macOS). A tag of several words may be written with or without quotes. It needs quotes if one of its words is AND, OR or
NOT, or contains a sign of the language.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from earmark.errors import QueryError, UnknownWordError
from earmark.library.descriptions import TextField
from earmark.library.tag_names import TagNames
from earmark.tagging.bundle.card import TagName, nearest_tags

Comparison = Literal[">", ">=", "<", "<="]

CONDITION_NAMES = ("path", "folder", "artist", "title", "album", "genre", "year", "like")
QUOTED_VALUE = r""""[^"]*"|'(?:[^']|(?<=\w)'(?=\w))*'(?!\w)"""
"""A value in quotes. Within a value that does not begin with them they are signs as any, as in artist:O'Connor."""
_TOKEN = re.compile(
    rf"""\s*(?:
        (?P<place>(?:{"|".join(CONDITION_NAMES)}):(?:{QUOTED_VALUE}|(?!")[^\s()]+))
      | (?P<quoted>"[^"]*"|'[^']*')
      | (?P<compare>>=|<=|>|<)
      | (?P<bracket>[()])
      | (?P<word>[^\s()<>="'][^\s()<>="]*)
      | (?P<wrong>\S)
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_UNQUOTED_CONDITION = re.compile(
    rf"""(?P<name>-?(?:{"|".join(CONDITION_NAMES)}):)(?!["'])(?P<value>.*\s.*)""", re.IGNORECASE | re.DOTALL
)
_FURTHER_PART = re.compile(rf"\s(?:(?:AND|OR|NOT)(?=\s)|[-(]?(?i:{'|'.join(CONDITION_NAMES)}):)")
_FIELDS: Mapping[str, TextField] = {"artist": "artist", "title": "title", "album": "album", "genre": "genre"}
_TRACK_NUMBER = re.compile(r"[0-9]{1,18}")
"""Numbers that a database can hold."""
_YEARS = re.compile(r"(\d{4})(?:(s)|-(\d{4}))?")
_WORDS = ("word", "quoted", "place")
_OPERATORS = ("and", "or", "not")
_NUMBER = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(%?)")


_TYPOGRAPHIC = str.maketrans({**dict.fromkeys("“”„‟«»＂", '"'), **dict.fromkeys("‘’‚‛", "'")})


def with_plain_quotes(text: str) -> str:
    """Return a text with plain quotes in place of typographic ones; no character changes its position."""
    return text.translate(_TYPOGRAPHIC)


def track_number(text: str) -> int | None:
    """Return the track's number that a text is, or None."""
    return int(text) if _TRACK_NUMBER.fullmatch(text) else None


@dataclass(frozen=True)
class HasTag:
    """The track has a tag.

    place: the tag's index among the model's tags. comparison, bound: the condition on its probability; None means that
    it reaches the search's threshold.
    """

    place: int
    comparison: Comparison | None = None
    bound: float = 0.0


@dataclass(frozen=True)
class HasPath:
    """The track has a file whose path contains a text, matches a pattern, or is in a folder."""

    kind: Literal["path", "folder"]
    text: str


@dataclass(frozen=True)
class HasWords:
    """The track has words in a field of its file's tags."""

    field: TextField
    text: str


@dataclass(frozen=True)
class OfYears:
    """The track is of the years from `first` to `last`."""

    first: int
    last: int


@dataclass(frozen=True)
class Like:
    """The track is similar to another one, given by its number or path."""

    track: str

    @property
    def number(self) -> int | None:
        """The track's number, or None if the text cannot be one."""
        return track_number(self.track)


@dataclass(frozen=True)
class Not:
    """The part is false."""

    part: "Query"


@dataclass(frozen=True)
class And:
    """All parts are true."""

    parts: tuple["Query", ...]


@dataclass(frozen=True)
class Or:
    """At least one part is true."""

    parts: tuple["Query", ...]


Condition = HasPath | HasWords | OfYears | Like
"""A condition on something other than a tag, written as NAME:VALUE."""
Query = HasTag | Condition | Not | And | Or


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    start: int
    stop: int


def parse(text: str, tags: Sequence[TagName]) -> Query:
    """Parse a query over tags, which it names by their labels or synonyms.

    Raises:
        QueryError: the query is wrong. The error has the position.
    """
    parser = _Parser(text, tags)
    query = parser.alternatives(0)
    parser.end()
    return query


def condition(text: str) -> Condition | None:
    """Return the condition that a text such as "artist:leoni" states, or None if it states none."""
    name, _, value = text.partition(":")
    name, value = name.lower(), _without_quotes(value)
    if not value.strip():
        return None
    match name:
        case "path" | "folder":
            return HasPath("folder" if name == "folder" else "path", value)
        case "artist" | "title" | "album" | "genre":
            return HasWords(_FIELDS[name], value)
        case "year" if (found := _YEARS.fullmatch(value)) is not None:
            first = int(found[1])
            return OfYears(first, first + 9 if found[2] else int(found[3] or first))
        case "like":
            return Like(value)
    return None


def with_quotes(argument: str) -> str:
    """Return an argument such as artist:miles davis, of which the shell took the quotes, with its value in quotes.

    What may be more than one condition stays as it is.
    """
    found = _UNQUOTED_CONDITION.fullmatch(argument)
    if found is None or _FURTHER_PART.search(found["value"]):
        return argument
    quote = "'" if '"' in found["value"] else '"'
    return f"{found['name']}{quote}{found['value']}{quote}"


def parts_of(query: Query) -> Iterator[HasTag | Condition]:
    """Yield the tags and conditions of a query, in its order."""
    match query:
        case Not():
            yield from parts_of(query.part)
        case And() | Or():
            for part in query.parts:
                yield from parts_of(part)
        case _:
            yield query


def _without_quotes(value: str) -> str:
    first, last = with_plain_quotes(value[:1]), with_plain_quotes(value[1:][-1:])
    return value[1:-1] if first == last and first in ('"', "'") else value


DEEPEST = 100
"""The deepest nesting of brackets and NOTs."""


class _Parser:
    def __init__(self, text: str, tags: Sequence[TagName]) -> None:
        self._text = text
        self._tags = tags
        self._names = TagNames(tags)
        self._tokens = [_token(found, text) for found in _TOKEN.finditer(with_plain_quotes(text))]
        self._next = 0

    def alternatives(self, depth: int) -> Query:
        parts = [self._all_of(depth)]
        while self._take_operator("or"):
            parts.append(self._all_of(depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def end(self) -> None:
        token = self._look()
        if token is not None:
            expected = "an opening bracket before it" if token.text == ")" else "AND, OR or the end"
            raise self._wrong(token, f"found {token.text!r}, expected {expected}", word=token.kind in _WORDS)

    def _all_of(self, depth: int) -> Query:
        parts = [self._part(depth)]
        while self._take_operator("and"):
            parts.append(self._part(depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _part(self, depth: int) -> Query:
        token = self._look()
        if token is None:
            raise self._wrong(None, "found the end, expected a tag, path:, folder:, artist:, NOT or a bracket")
        if depth > DEEPEST:
            raise self._wrong(token, f"found more than {DEEPEST} nested brackets and NOTs, expected fewer")
        if self._take_operator("not"):
            return Not(self._part(depth + 1))
        if token.text == "(" and token.kind == "bracket":
            self._next += 1
            inside = self.alternatives(depth + 1)
            closing = self._look()
            if closing is None or closing.text != ")":
                is_word = closing is not None and closing.kind in _WORDS
                raise self._wrong(closing, "found a bracket that is not closed, expected ')'", word=is_word)
            self._next += 1
            return inside
        if token.kind == "place":
            self._next += 1
            found = condition(token.text)
            if found is None:
                name = token.text.partition(":")[0].lower()
                value = _without_quotes(token.text.partition(":")[2]) or "nothing"
                expected = "a year such as 1990, 1990-1999 or 1990s" if name == "year" else "a text"
                raise self._wrong(token, f"found {value} after {name}:, expected {expected}")
            return found
        if token.kind in ("word", "quoted") and not _is_operator(token):
            return self._compared(self._tag(token))
        raise self._wrong(token, f"found {token.text!r}, expected a tag, path:, folder:, artist:, NOT or a bracket")

    def _tag(self, first: _Token) -> int:
        """Return the index of the longest tag that begins here."""
        words = [first]
        if first.kind == "word":
            for token in self._tokens[self._next + 1 :]:
                if token.kind != "word" or _is_operator(token):
                    break
                words.append(token)
        for count in range(len(words), 0, -1):
            name = " ".join(token.text for token in words[:count])
            place = self._names.place(name[1:-1] if first.kind == "quoted" else name)
            if place is not None:
                self._next += count
                return place
        name = first.text.strip("\"'")
        hint = " or ".join(map(repr, nearest_tags(name, self._tags)))
        labels = [tag.label for tag in self._tags]
        known = f"the nearest is {hint}" if hint else f"its {len(labels)} tags are {_some(labels)}"
        raise self._wrong(first, f"found {name!r}, expected a tag of the model; {known}", word=True)

    def _compared(self, place: int) -> HasTag:
        sign = self._look()
        if sign is None or sign.kind != "compare":
            return HasTag(place)
        self._next += 1
        token = self._look()
        found = _NUMBER.fullmatch(token.text) if token is not None else None
        bound = float(found[1]) / (100.0 if found[2] else 1.0) if found is not None else 2.0
        if token is None or bound > 1.0:
            said = "the end" if token is None else repr(token.text)
            raise self._wrong(token, f"found {said} after {sign.text!r}, expected a number from 0 to 1, such as 0.6")
        self._next += 1
        comparison: Comparison = ">" if sign.text == ">" else ">=" if sign.text == ">=" else "<"
        return HasTag(place, "<=" if sign.text == "<=" else comparison, bound)

    def _look(self) -> _Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _take_operator(self, name: str) -> bool:
        token = self._look()
        taken = token is not None and token.kind == "word" and token.text.lower() == name
        self._next += taken
        return taken

    def _wrong(self, token: _Token | None, what: str, *, word: bool = False) -> QueryError:
        """Return the error, which shows the query with a mark under the position.

        word: whether the fault is a word, which may be meant as a free one.
        """
        shown = self._text.replace("\n", " ").replace("\t", " ")
        start, stop = (len(shown), len(shown) + 1) if token is None else (token.start, token.stop)
        error = UnknownWordError if word else QueryError
        return error(f"The search cannot be understood: {what}.", shown, start, stop - start)


def _token(found: re.Match[str], text: str) -> _Token:
    """Return a token; a value keeps the quotes of the text, because paths may have typographic ones."""
    kind = found.lastgroup or "wrong"
    start, stop = found.span(kind)
    return _Token(kind, text[start:stop] if kind == "place" else found[kind], start, stop)


def _is_operator(token: _Token) -> bool:
    return token.kind == "word" and token.text.lower() in _OPERATORS


def _some(labels: Sequence[str]) -> str:
    more = ", …" if len(labels) > 8 else ""
    return ", ".join(labels[:8]) + more
