"""The public names of the package: signatures, what they mean, and what they return."""

import dataclasses
import inspect
from collections.abc import Iterator
from typing import Any

import earmark
from earmark.library.adding import Added, Progress
from earmark.library.database import Failure, Track
from earmark.library.library import Found
from earmark.library.similarity import Choice
from earmark.sklearn import Embedder
from earmark.tagging.evidence import Part
from earmark.tagging.prediction import ModelIdentity
from earmark.torch import TorchTagger
from generation.markdown import code, page, paragraphs, table
from generation.meanings import begins, meanings, said, without_meanings
from generation.signatures import signature

RETURNED = (Part, ModelIdentity, Found, Track, Failure, Added, Progress, Choice)
"""What the public names take and give beside themselves."""
FOR_OTHERS = (Embedder, TorchTagger)
"""Classes for other libraries; each module needs an extra."""


def python_page() -> str:
    """The page of all public names."""
    parts = ["## Functions and values"]
    functions = [name for name in earmark.__all__ if not inspect.isclass(getattr(earmark, name))]
    for name in functions:
        parts += _described(f"earmark.{name}", getattr(earmark, name), "###")
    parts.append("## Classes")
    for name in earmark.__all__:
        if inspect.isclass(getattr(earmark, name)):
            parts += _class(f"earmark.{name}", getattr(earmark, name), "###")
    parts.append("## For other libraries")
    for each in FOR_OTHERS:
        parts += _class(f"{each.__module__}.{each.__qualname__}", each, "###")
    parts.append("## What they take and give")
    for each in RETURNED:
        parts += _class(f"{each.__module__}.{each.__qualname__}", each, "###")
    return page(
        "Python",
        "These names are the public ones: they stay as they are within a version, and everything else may change. "
        "[How to use them](../how-to/python.md). They are loaded when first asked for, so `import earmark` is quick.",
        "Signatures use the names of types in the code. `Source` is a path, bytes, a binary stream, a `Waveform`, or "
        '`(array, rate)`. `Array` is a NumPy array of float32, `Exact` one of float64. `Engine` is `"numpy"`, '
        '`"onnx"` or `"int8"`. What is written as `(windows, tags)` is the shape of an array.',
        *parts,
    )


def members(owner: type) -> Iterator[tuple[str, Any]]:
    """The public methods and properties of a class's own."""
    for name, value in vars(owner).items():
        if not name.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
            yield name, value


def _described(name: str, value: Any, level: str) -> list[str]:
    if not callable(value):
        return [f"{level} `{name}`", "The version, as text." if name.endswith("__version__") else repr(value)]
    return [f"{level} `{name}`", code(signature(value, name), "python"), *_told(value)]


def _class(name: str, owner: type, level: str) -> list[str]:
    fields = tuple(field.name for field in dataclasses.fields(owner)) if dataclasses.is_dataclass(owner) else ()
    if issubclass(owner, BaseException):
        return [f"{level} `{name}`", *paragraphs(inspect.getdoc(owner) or ""), "[All errors](errors.md)"]
    parts = [f"{level} `{name}`", code(signature(owner, name), "python")]
    parts += paragraphs(without_meanings(owner, fields)) if fields else _told(owner, inspect.getdoc(owner))
    told = meanings(owner, fields)
    parts.append(table(["field", "meaning"], [(f"`{field}`", told[field]) for field in fields if field in told]))
    for member, value in members(owner):
        function = value.fget if isinstance(value, property) else value
        parts.append(f"{level}# `{owner.__name__}.{member}`")
        if not isinstance(value, property):
            parts.append(code(signature(function, f"{owner.__name__}.{member}"), "python"))
        parts += _told(function)
    return parts


def _told(value: Any, docstring: str | None = None) -> list[str]:
    """The docstring; a paragraph that tells of parameters becomes a list of them."""
    names = tuple(inspect.signature(value).parameters)
    parts = []
    for paragraph in paragraphs(docstring or inspect.getdoc(value) or ""):
        if not begins(paragraph, names):
            parts.append(paragraph)
            continue
        paragraph, raises, errors = paragraph.partition(" Raises ")
        listed = [f"- {', '.join(f'`{name}`' for name in named)}: {text}" for named, text in said(paragraph, names)]
        parts += ["\n".join(listed), f"Raises {errors}" if raises else ""]
    return parts
