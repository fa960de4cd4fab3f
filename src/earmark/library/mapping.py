"""Map a model's tags to the words and fields that are written to files.

A mapping is a TOML file:

    only = ["rock", "jazz", "happy"]       # write only these tags; default: all that have a field
    most = 3                               # the largest number of words in a field, without parents

    [groups]                               # the field of each group of tags; genres and moods have one by default
    instruments = "INSTRUMENT"

    [tags]                                 # the words of a tag: one, several, or with a field of its own
    rock = "Rock"
    "hip hop" = ["Hip-Hop", "Rap"]
    guitar = { field = "INSTRUMENT", words = ["Guitar"] }
    noise = []                             # this tag is not written

    [parents]                              # a word and its parent, which is written too
    "Bebop" = "Jazz"
"""

import difflib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from earmark.errors import LibraryError
from earmark.library.fields import GENRE, MOOD, checked_field
from earmark.tagging.bundle.card import Card, find_tag, nearest_tags

MOST_WORDS = 3
USUAL_GROUPS: Mapping[str, str] = {
    "genre": GENRE,
    "genres": GENRE,
    "mood": MOOD,
    "moods": MOOD,
    "emotion": MOOD,
    "emotions": MOOD,
}
"""The fields of groups that all programs know. Other groups are written only if a mapping names their field."""


@dataclass(frozen=True)
class Words:
    """The words that are written for a tag, and their field, or None for the field of the tag's group."""

    words: tuple[str, ...]
    field: str | None = None


@dataclass(frozen=True)
class TagMapping:
    """A mapping from tags to words and fields.

    only: the tags that are written, or None for all. most: the largest number of words in a field, without parents.
    groups: the field of each group of tags. tags: the words of tags that are not written under their own name. parents:
    the parent of each word that has one.
    """

    only: frozenset[str] | None = None
    most: int = MOST_WORDS
    groups: Mapping[str, str] = field(default_factory=lambda: USUAL_GROUPS)
    tags: Mapping[str, Words] = field(default_factory=dict)
    parents: Mapping[str, str] = field(default_factory=dict)

    def field_of(self, label: str, group: str) -> str | None:
        """Return the field to which a tag is written, or None if it is not written."""
        if self.only is not None and label not in self.only:
            return None
        words = self.tags.get(label)
        if words is not None and not words.words:
            return None
        return words.field if words is not None and words.field else self.groups.get(group.casefold())

    def fields(self, card: Card) -> tuple[str, ...]:
        """Return the fields to which a model's tags are written."""
        found = (self.field_of(tag.label, tag.group) for tag in card.tags)
        return tuple(dict.fromkeys(each for each in found if each is not None))

    def words(self, chosen: Sequence[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
        """Return the words of each field, each once, and each followed by its parents.

        chosen: tags as (label, group), the most probable first.
        """
        own: dict[str, list[str]] = {}
        for label, group in chosen:
            name = self.field_of(label, group)
            if name is None:
                continue
            there = own.setdefault(name, [])
            words = self.tags[label].words if label in self.tags else (label,)
            there += [word for word in words if word not in there]
        return {name: self._with_parents(there[: self.most]) for name, there in own.items()}

    def of_model(self, card: Card) -> "TagMapping":
        """Return this mapping with a model's labels in place of their synonyms.

        Raises:
            LibraryError: the mapping names tags or groups that the model does not have, or names a tag twice.
        """
        groups = {tag.group.casefold() for tag in card.tags}
        only = None if self.only is None else frozenset(_label("only", word, card) for word in self.only)
        tags: dict[str, Words] = {}
        for word, words in self.tags.items():
            label = _label("tags", word, card)
            if label in tags:
                raise LibraryError(
                    f"The mapping: tags: found {word!r} beside another word for the tag {label!r}, expected one of "
                    "them. Take one out."
                )
            tags[label] = words
        own_groups = [group for group in self.groups if group not in USUAL_GROUPS]
        _refuse_unknown("groups", own_groups, groups)
        return replace(self, only=only, tags=tags)

    def _with_parents(self, words: Sequence[str]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for word in words:
            above: str | None = word
            while above is not None and above not in found:
                found[above] = None
                above = self.parents.get(above)
        return tuple(found)


def read_mapping(file: Path) -> TagMapping:
    """Read a mapping.

    Raises:
        LibraryError: the file cannot be read, or a key or value is wrong. The message names the key.
    """
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise LibraryError(
            f"{file}: the mapping cannot be read ({error.strerror or error}). Choose another file."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LibraryError(f"{file}: found invalid TOML ({error}), expected a mapping. Correct that line.") from error
    known = ("only", "most", "groups", "tags", "parents")
    for key in content:
        if key not in known:
            raise LibraryError(f"{file}: {key}: unknown key, expected one of {', '.join(known)}.{_nearest(key, known)}")
    only = content.get("only")
    most = content.get("most", MOST_WORDS)
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise _refusal(file, "most", most, "a whole number of at least 1")
    parents = _texts(file, "parents", content.get("parents", {}))
    _refuse_circles(file, parents)
    groups = {
        group.casefold(): checked_field(name, f"{file}: groups.{group}")
        for group, name in _texts(file, "groups", content.get("groups", {})).items()
    }
    return TagMapping(
        None if only is None else frozenset(_words(file, "only", only)),
        most,
        {**USUAL_GROUPS, **groups},
        _tags(file, content.get("tags", {})),
        parents,
    )


def _tags(file: Path, found: object) -> dict[str, Words]:
    if not isinstance(found, dict):
        raise _refusal(file, "tags", found, "a table of tags")
    tags = {}
    for label, value in found.items():
        place = f"tags.{label}"
        if not isinstance(value, dict):
            tags[label] = Words(_words(file, place, value))
            continue
        if unknown := sorted(value.keys() - {"field", "words"}):
            raise LibraryError(
                f"{file}: {place}.{unknown[0]}: unknown key, expected field or words. Correct the mapping."
            )
        name = value.get("field")
        if name is not None and not isinstance(name, str):
            raise _refusal(file, f"{place}.field", name, "the name of a field")
        tags[label] = Words(
            _words(file, f"{place}.words", value.get("words", [label])),
            checked_field(name, f"{file}: {place}.field") if name is not None else None,
        )
    return tags


def _words(file: Path, place: str, found: object) -> tuple[str, ...]:
    words = [found] if isinstance(found, str) else found
    if not isinstance(words, list) or not all(isinstance(word, str) and word.strip() for word in words):
        raise _refusal(file, place, found, "a word or a list of words")
    if any("\0" in word for word in words):
        raise _refusal(file, place, found, "words without the character NUL, which tags cannot contain")
    return tuple(dict.fromkeys(word.strip() for word in words))


def _texts(file: Path, place: str, found: object) -> dict[str, str]:
    if not isinstance(found, dict):
        raise _refusal(file, place, found, "a table")
    for key, value in found.items():
        if not isinstance(value, str) or not value.strip():
            raise _refusal(file, f"{place}.{key}", value, "a text")
    return {key: value.strip() for key, value in found.items()}


def _refuse_circles(file: Path, parents: Mapping[str, str]) -> None:
    for word in parents:
        seen, above = [word], parents.get(word)
        while above is not None:
            if above in seen:
                raise _refusal(file, f"parents.{word}", " above ".join([*seen, above]), "no word above itself")
            seen.append(above)
            above = parents.get(above)


def _label(place: str, word: str, card: Card) -> str:
    """Return the label of the tag that a word names, as its label or a synonym."""
    found = find_tag(word, card.tags)
    if found is None:
        near = " or ".join(map(repr, nearest_tags(word, card.tags)))
        raise LibraryError(
            f"The mapping: {place}: found {word!r}, expected one of the model's {len(card.tags)}."
            f"{f' The nearest is {near}.' if near else ''}"
        )
    return card.labels[found]


def _refuse_unknown(place: str, names: Iterable[str], known: Iterable[str]) -> None:
    there = tuple(known)
    for name in sorted(names):
        if name not in there:
            raise LibraryError(
                f"The mapping: {place}: found {name!r}, expected one of the model's {len(there)}."
                f"{_nearest(name, there)}"
            )


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" The nearest is {near[0]!r}." if near else ""


def _refusal(file: Path, place: str, found: object, expected: str) -> LibraryError:
    return LibraryError(f"{file}: {place}: found {found!r}, expected {expected}. Correct the mapping.")
