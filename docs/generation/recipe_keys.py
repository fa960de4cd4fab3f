"""The keys of a recipe, section by section, from the models that check it."""

import inspect
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic.fields import FieldInfo

from earmark.training.recipe.recipe import Recipe
from earmark.training.recipe.sections import Section
from generation.kinds import kind, range_words
from generation.markdown import page, paragraphs, table
from generation.meanings import meanings, without_meanings


def sections(section: type[Section] = Recipe, place: str = "") -> Iterator[tuple[str, type[Section]]]:
    """All sections with their places in the file, such as "local.schedule"; a place may have two kinds of section."""
    yield place, section
    for name, field in section.model_fields.items():
        inside = ".".join(part for part in (place, field.alias or name) if part)
        for each in _sections_in(field.annotation):
            yield from sections(each, inside)


def recipe_page() -> str:
    """The page of all keys."""
    places: dict[type[Section], list[str]] = {}
    for place, section in sections():
        places.setdefault(section, []).append(place)
    plain = [each for each in places if "kind" not in each.model_fields]
    schedules = [each for each in places if "kind" in each.model_fields]
    parts = []
    for section in plain:
        named = [f"[{each}]" if each else "The first lines" for each in places[section]]
        parts.append(f"## {' and '.join(named)}")
        parts += _told(section)
    parts.append("## Schedules")
    where = sorted(places[schedules[0]])
    parts.append(
        f"{', '.join(f'`[{each}]`' for each in where)}: each has a `kind`, and the keys of that kind. What a section "
        "does without a schedule of its own:"
    )
    parts.append(table(["section", "default"], [(f"`[{each}]`", _schedule_there(each)) for each in where]))
    for section in schedules:
        parts.append(f'### kind = "{_kind_of(section)}"')
        parts += _told(section)
    return page(
        "The keys of a recipe",
        "A recipe is one TOML file ([how to write one](../how-to/recipes.md)). A key that is not here is refused, with "
        "the nearest one that is. Where no default stands, the key is needed, or nothing is done without it.",
        *parts,
    )


def _told(section: type[Section]) -> list[str]:
    said = paragraphs(without_meanings(section, section.model_fields))
    return [*said, table(["key", "meaning", "value", "default"], _rows(section))]


def key_meanings(section: type[Section]) -> Mapping[str, str]:
    """The meaning of every key of a section; a key that is a section is told there."""
    return meanings(section, section.model_fields)


def _rows(section: type[Section]) -> Iterator[tuple[str, ...]]:
    told = key_meanings(section)
    for name, field in section.model_fields.items():
        key = field.alias or name
        inner = _sections_in(field.annotation)
        words = "table" if inner else kind(field.annotation)
        meaning = told.get(name, "")
        if len(inner) > 1:
            meaning = "How it is trained: see [schedules](#schedules)."
        elif inner and not meaning:
            meaning = (inspect.getdoc(inner[0]) or "").splitlines()[0]
        elif name == "kind":
            meaning = "Which schedule this is."
        bounds = _bounds(field)
        needed = " (needed)" if field.is_required() else ""
        value = ", ".join(part for part in (words, bounds) if part)
        yield f"`{key}`{needed}", meaning, value, _default(field, inner)


def _sections_in(annotation: Any) -> list[type[Section]]:
    if inspect.isclass(annotation) and issubclass(annotation, Section):
        return [annotation]
    return [each for inner in typing.get_args(annotation) for each in _sections_in(inner)]


def _bounds(field: FieldInfo) -> str:
    found: dict[str, Any] = {}
    for note in field.metadata:
        match note:
            case Ge(ge=value):
                found["least"] = value
            case Gt(gt=value):
                found["above"] = value
            case Le(le=value):
                found["most"] = value
            case Lt(lt=value):
                found["below"] = value
            case MinLen(min_length=value):
                found["entries"] = value
    words = range_words(found.get("least"), found.get("above"), found.get("most"), found.get("below"))
    return words or (f"at least {found['entries']}" if "entries" in found else "")


def _default(field: FieldInfo, inner: list[type[Section]]) -> str:
    if field.is_required() or field.default is None:
        return ""
    if inner:
        return f"`{_kind_of(type(field.default))}`" if len(inner) > 1 else ""
    return f"`{_toml(field.default)}`"


def _schedule_there(place: str) -> str:
    """The schedule that a section has by itself: its kind, and what differs from the defaults of that kind."""
    default: Any = Recipe.model_validate({"name": "a", "data": {"dataset": "a", "root": "a", "splits": ["a"]}})
    for part in place.split("."):
        default = getattr(default, "global_" if part == "global" else part)
    if default is None:
        return "that of the others"
    own = [
        f"`{name} = {_toml(getattr(default, name))}`"
        for name, field in type(default).model_fields.items()
        if not field.is_required() and getattr(default, name) != field.default
    ]
    return ", ".join([f"`{_kind_of(type(default))}`", *own])


def _kind_of(section: type[Section]) -> str:
    return str(typing.get_args(section.model_fields["kind"].annotation)[0])


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(each) for each in value)}]"
    return "{}" if value == {} else str(value)
