"""Cards as the text of card.json and back, strictly: unknown, missing or ill-typed keys are refused, both ways.

The dataclasses' annotations are the schema, so that the two cannot differ. A field whose metadata say `optional` was
added to the format later: it is left out where it has its default, so that older cards keep their text and hashes.
"""

import dataclasses
import difflib
import json
import math
import types
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from earmark.errors import BundleError, EarmarkError
from earmark.tagging.bundle.card import FORMAT, VERSION, Card

Record = TypeVar("Record")

_JSON_NAMES: dict[type, str] = {
    dict: "an object",
    list: "a list",
    tuple: "a tuple",
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    type(None): "null",
}


def card_to_json(card: Card) -> str:
    """Return the text of a card's card.json; raises BundleError where a value is not of its declared type."""
    return json.dumps(to_plain(card, "card"), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def card_from_json(text: str, place: str) -> Card:
    """Return the card in the text of a card.json; `place` names the file in errors.

    Raises BundleError that names the key, what was found, what was expected and what to do.
    """
    try:
        data = json.loads(text, object_pairs_hook=_object_without_repeats, parse_constant=_refuse_constant)
    except ValueError as error:
        raise BundleError(
            f"{place}: this is not a card: {error}. Expected a JSON object. Export the model again."
        ) from error
    if not isinstance(data, dict):
        raise BundleError(f"{place}: found {_kind(data)}, expected a JSON object. Export the model again.")
    found = (data.get("format"), data.get("version"))
    if found[0] != FORMAT:
        raise BundleError(
            f"{place}: found the format {found[0]!r}, expected {FORMAT!r}. Give the folder of an earmark model."
        )
    if type(found[1]) is not int or found[1] != VERSION:
        raise BundleError(
            f"{place}: found version {found[1]!r} of the format, expected {VERSION}. "
            "Use the version of earmark that wrote it, or train the recipe in it again with this one."
        )
    return from_plain(Card, data, f"{place}: ")


def to_plain(record: Any, place: str) -> dict[str, Any]:
    """Return a dataclass as plain dictionaries, lists, text and numbers.

    Raises BundleError where a value is not of its declared type; `place` names it in errors.
    """
    hints = _hints(type(record))  # type: ignore[arg-type]  # mypy takes no class for hashable
    return {
        field.name: _encode(hints[field.name], getattr(record, field.name), f"{place}.{field.name}")
        for field in dataclasses.fields(record)
        if not (_is_optional(field) and getattr(record, field.name) == field.default)
    }


def from_plain(kind: type[Record], data: object, place: str) -> Record:
    """Return a dataclass from plain dictionaries and lists, with every key once and no other; optional keys may be
    missing.

    Raises BundleError for anything else; `place` names the file or key in errors.
    """
    if not isinstance(data, dict):
        raise BundleError(f"{place}: found {_kind(data)}, expected an object. Export the model again.")
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    known = [field.name for field in fields]
    path = place if place.endswith(": ") else f"{place}."
    for key in data:
        if key not in known:
            raise BundleError(f"{path}{key}: found an unknown key, {_nearest(key, known)}. Export the model again.")
    for field in fields:
        if field.name not in data and not _is_optional(field):
            raise BundleError(
                f"{path}{field.name}: this key is missing, expected it to be there. Export the model again."
            )
    hints = _hints(kind)  # type: ignore[arg-type]
    values = {key: _decode(hints[key], data[key], f"{path}{key}") for key in known if key in data}
    try:
        return kind(**values)
    except EarmarkError as error:  # raised by dataclasses that check themselves, such as LogMelSettings
        raise BundleError(f"{place}: {error} Export the model again.") from error


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _is_optional(field: "dataclasses.Field[Any]") -> bool:
    return bool(field.metadata.get("optional"))


def _decode(hint: Any, value: Any, place: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return None if value is None else _decode(_not_none(arguments), value, place)
    if origin is Literal:
        return _one_of(arguments, value, place)
    if origin is tuple:
        if not isinstance(value, list):
            raise _wrong_type(value, list, place)
        return tuple(_decode(arguments[0], item, f"{place}[{index}]") for index, item in enumerate(value))
    if origin is Mapping:
        if not isinstance(value, dict):
            raise _wrong_type(value, dict, place)
        return {key: _decode(arguments[1], item, f"{place}.{key}") for key, item in value.items()}
    if dataclasses.is_dataclass(hint):
        return from_plain(hint, value, place)  # type: ignore[arg-type]
    return _scalar(hint, value, place)


def _encode(hint: Any, value: Any, place: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return None if value is None else _encode(_not_none(arguments), value, place)
    if origin is Literal:
        return _one_of(arguments, value, place)
    if origin is tuple:
        if not isinstance(value, tuple):
            raise _wrong_type(value, tuple, place)
        return [_encode(arguments[0], item, f"{place}[{index}]") for index, item in enumerate(value)]
    if origin is Mapping:
        if not isinstance(value, Mapping):
            raise _wrong_type(value, dict, place)
        return {
            _scalar(str, key, f"{place} (a key)"): _encode(arguments[1], item, f"{place}.{key}")
            for key, item in value.items()
        }
    if dataclasses.is_dataclass(hint):
        if type(value) is not hint:
            raise _wrong_type(value, dict, place)
        return to_plain(value, place)
    return _scalar(hint, value, place)


def _not_none(arguments: Sequence[Any]) -> Any:
    return next(argument for argument in arguments if argument is not type(None))


def _one_of(choices: Sequence[Any], value: Any, place: str) -> Any:
    if value not in choices:
        expected = " or ".join(repr(choice) for choice in choices)
        raise BundleError(f"{place}: found {value!r}, expected {expected}. Export the model again.")
    return value


def _scalar(hint: Any, value: Any, place: str) -> Any:
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
        if not math.isfinite(number):
            raise BundleError(f"{place}: found {number}, expected a finite number. Export the model again.")
        return number  # a whole number becomes a float too, so that 0 and 0.0 have one hash
    if hint is float or not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise _wrong_type(value, hint, place)
    return value


def _wrong_type(value: object, expected: type, place: str) -> BundleError:
    return BundleError(f"{place}: found {_kind(value)}, expected {_JSON_NAMES[expected]}. Export the model again.")


def _kind(value: object) -> str:
    name = _JSON_NAMES.get(type(value), f"a value of type {type(value).__name__}")
    return f"{name} ({value!r})" if isinstance(value, str | int | float) else name


def _nearest(key: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"the nearest known one is {near[0]!r}" if near else f"expected one of {', '.join(known)}"


def _object_without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"the key {key!r} is written twice")
    return dict(pairs)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number that JSON knows")
