"""Types in the words of somebody who writes a value: a whole number, a path, one of these words."""

import inspect
import types
import typing
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any, Literal

_PLAIN = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    Path: "path",
    object: "anything",
    Any: "anything",
}


def kind(annotation: Any) -> str:
    """What a value of a type looks like; None is passed over, as it stands for what is not given."""
    if typing.get_origin(annotation) is typing.Annotated:
        return kind(annotation.__origin__)
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return choice(inner)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(kind(each) for each in inner if each is not type(None)))
    if origin in (tuple, list, frozenset):
        return f"list of {_many(kind(inner[0]))}"
    if origin in (dict, Mapping) or getattr(origin, "__name__", "") == "Mapping":
        return f"table of {_many(kind(inner[1]))}"
    if inspect.isclass(annotation) and issubclass(annotation, Enum):
        return choice([each.value for each in annotation])
    if inspect.isclass(annotation) and hasattr(annotation, "model_fields"):
        return "table"
    raise TypeError(f"{annotation}: found a type that the reference has no words for; add them to {__file__}")


def choice(values: Sequence[object]) -> str:
    """One of these words."""
    words = [f"`{each}`" for each in values]
    return " or ".join(words) if len(words) < 3 else f"one of {', '.join(words)}"


def range_words(least: object, above: object, most: object, below: object) -> str:
    """The bounds of a number in words; a bound that is not there is None."""
    low = f"from {least}" if least is not None else f"above {above}" if above is not None else ""
    high = f"to {most}" if most is not None else f"below {below}" if below is not None else ""
    return " ".join(part for part in (low, high) if part)


def _many(word: str) -> str:
    many = {"whole number": "whole numbers", "number": "numbers", "text": "texts", "path": "paths", "table": "tables"}
    return many.get(word, word.replace("list of", "lists of").removeprefix("one of "))
