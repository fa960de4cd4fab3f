"""A page a command of the command line: how it is called, every argument and option, and what the rest means."""

import inspect
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import typer

from earmark.cli.main import app
from generation.kinds import kind, range_words
from generation.markdown import code, contents, first_sentence, guide, page, paragraphs, table

GUIDES = {
    "calibrate": "measure-a-model",
    "data check": "train-your-own",
    "doctor": "when-something-fails",
    "evaluate": "measure-a-model",
    "figures": "figures-and-tables",
    "library": "library",
    "library export": "exports",
    "library undo": "writing-tags",
    "library write": "writing-tags",
    "listen": "listening",
    "recipes": "recipes",
    "robustness": "measure-a-model",
    "serve": "serving",
    "tag": "tag-files",
    "teach": "teaching",
    "train": "train-your-own",
}
"""The page of the how-to part that says what a command, or a group of commands, is for."""


@dataclass(frozen=True)
class Parameter:
    """An argument or an option as its page shows it."""

    names: tuple[str, ...]
    kind: str
    default: str
    help: str
    required: bool
    many: bool
    is_option: bool


@dataclass(frozen=True)
class Command:
    """A command by its words, such as "library add"."""

    name: str
    parsed: Any
    """What reads its command line, as typer made it."""

    @property
    def callback(self) -> Callable[..., Any]:
        """The function that runs."""
        callback: Callable[..., Any] = inspect.unwrap(self.parsed.callback)
        return callback

    @property
    def slug(self) -> str:
        """The name of its page."""
        return self.name.replace(" ", "-")

    @property
    def parameters(self) -> list[Parameter]:
        """What it takes, in the order of its help."""
        hints = typing.get_type_hints(self.callback)
        # Typer adds the options of completion itself, which are flags.
        return [_parameter(each, hints.get(each.name, bool)) for each in self.parsed.params if not each.hidden]


def commands() -> Iterator[Command]:
    """All commands, those of groups too, in the order of the help; first `earmark` itself, whose name is empty."""
    yield from _commands(typer.main.get_command(app), "")


def _commands(parsed: Any, name: str) -> Iterator[Command]:
    inside = getattr(parsed, "commands", {})
    if not inside or not name:
        yield Command(name, parsed)
    for each, below in inside.items():
        if not below.hidden:
            yield from _commands(below, f"{name} {each}".strip())


def command_pages() -> dict[str, str]:
    """The pages, by their names in the folder `commands`."""
    itself, *found = commands()
    pages = {f"{command.slug}.md": _page(command) for command in found}
    pages["index.md"] = _index(itself, found)
    return pages


def _index(itself: Command, found: list[Command]) -> str:
    rows = [(f"[`earmark {each.name}`]({each.slug}.md)", first_sentence(_doc(each))) for each in found]
    return page(
        "Commands",
        table(["command", "what it does"], rows),
        "Results go to stdout, everything else to stderr, so that results can be piped. The exit status is 0 when all "
        "went well, 1 when something failed (each failure is a line on stderr), and 2 when the command was not "
        "understood. `--help` after any command shows what this page of it shows.",
        "## Of `earmark` itself",
        _table(itself.parameters),
        contents(*(each.slug for each in found)),
    )


def _page(command: Command) -> str:
    parameters = command.parameters
    arguments = [each for each in parameters if not each.is_option]
    options = [each for each in parameters if each.is_option]
    told = GUIDES.get(command.name) or GUIDES.get(command.name.split()[0])
    return page(
        f"earmark {command.name}",
        *paragraphs(_doc(command)),
        code(_usage(command, arguments, options)),
        "## Arguments" if arguments else "",
        _table(arguments),
        "## Options" if options else "",
        _table(options),
        guide(told, "What it is for, with examples", "../..") if told else "",
    )


def _table(parameters: list[Parameter]) -> str:
    rows = [
        (
            ", ".join(f"`{name}`" for name in each.names) + (" (needed)" if each.required and each.is_option else ""),
            each.help,
            each.kind,
            each.default,
        )
        for each in parameters
    ]
    return table(["name", "what it does", "value", "default"], rows)


def _usage(command: Command, arguments: list[Parameter], options: list[Parameter]) -> str:
    parts = [f"earmark {command.name}"]
    parts += ["[OPTIONS]"] if any(not each.required for each in options) else []
    parts += [f"{each.names[-1]} {each.names[-1].lstrip('-').upper()}" for each in options if each.required]
    for each in arguments:
        name = each.names[0] + ("..." if each.many else "")
        parts.append(name if each.required else f"[{name}]")
    return " ".join(parts)


def _doc(command: Command) -> str:
    return inspect.getdoc(command.callback) or ""


def _parameter(parsed: Any, annotation: Any) -> Parameter:
    plain, many = _plain(annotation)
    is_option = parsed.opts[0].startswith("-")
    switch = plain is bool
    bounds = range_words(parsed.min, None, parsed.max, None)
    return Parameter(
        (*parsed.opts, *parsed.secondary_opts) if is_option else (parsed.metavar or parsed.name.upper(),),
        ", ".join(part for part in ("" if switch else kind(plain), bounds) if part),
        "" if switch and not parsed.secondary_opts else _default(parsed.default),
        (parsed.help or "").strip(),
        parsed.required,
        many,
        is_option,
    )


def _plain(annotation: Any) -> tuple[Any, bool]:
    """A type without None, and without the list of those that may be given again; whether there was one."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        annotation = next(each for each in typing.get_args(annotation) if each is not type(None))
    if typing.get_origin(annotation) is list:
        return typing.get_args(annotation)[0], True
    return annotation, False


def _default(default: object) -> str:
    if default is None or default is Ellipsis or default == []:
        return ""
    if isinstance(default, bool):
        return "on" if default else "off"
    return f"`{default}`"
