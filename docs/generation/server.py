"""What a server can be told, and the problems that it answers with, from the code of `earmark.web`."""

import ast
import dataclasses
import inspect
import typing
from collections.abc import Iterator
from dataclasses import dataclass

from earmark.web import library_problems, live, problems, security, sound_problems
from earmark.web.settings import ServerSettings
from generation.kinds import kind
from generation.markdown import capital, guide, page, paragraphs, table
from generation.meanings import meanings, without_meanings

MODULES = (problems, sound_problems, library_problems, security, live)
"""Where problems are made."""


@dataclass(frozen=True)
class Known:
    """A problem as its page shows it."""

    name: str
    status: str
    title: str
    meaning: str
    advice: str


def server_page() -> str:
    """The page of the server."""
    names = setting_names()
    hints = typing.get_type_hints(ServerSettings)
    told = meanings(ServerSettings, names)
    settings = [
        (f"`{field.name}`", told.get(field.name, ""), kind(hints[field.name]), _default(field.default))
        for field in dataclasses.fields(ServerSettings)
    ]
    rows = [(f"`{each.name}`", _said(each), each.advice, each.status) for each in known()]
    return page(
        "The server",
        guide("serving", "How to run it"),
        "What it can be asked, and its answers, are described with examples at its own address `/openapi.json`.",
        "## Settings",
        *paragraphs(without_meanings(ServerSettings, names)),
        table(["setting of `ServerSettings`", "meaning", "value", "default"], settings),
        "The options of `earmark serve` ([commands](commands/index.md)) set these.",
        "## Problems",
        "Whatever goes wrong is answered as `application/problem+json` (RFC 9457) with `type` "
        "(`urn:earmark:problem:` and the name below), `title`, `status`, `detail` and `what_to_do`. Programs may rely "
        "on the name and the status.",
        table(["name", "what happened", "what to do", "status"], rows),
    )


def setting_names() -> tuple[str, ...]:
    """The names of all settings."""
    return tuple(field.name for field in dataclasses.fields(ServerSettings))


def known() -> Iterator[Known]:
    """The problems, as the functions that make them say; what differs from case to case is shown as `…`."""
    nodes = (node for module in MODULES for node in ast.walk(ast.parse(inspect.getsource(module))))
    for node in nodes:
        if not (isinstance(node, ast.FunctionDef) and isinstance(node.returns, ast.Name)):
            continue
        if node.returns.id != "Problem" or not isinstance(node.body[-1], ast.Return):
            continue
        made = node.body[-1].value
        if isinstance(made, ast.Call):
            name, status, title, _, advice = (_text(each) for each in made.args[:5])
            meaning = capital((ast.get_docstring(node) or "").strip())
            yield Known(name, status, title, meaning, advice)


def _said(problem: Known) -> str:
    return problem.meaning if problem.title == "…" else f"{problem.title}. {problem.meaning}"


def _text(node: ast.expr) -> str:
    """A text of the code; what is filled in later is an ellipsis."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(each.value) if isinstance(each, ast.Constant) else "…" for each in node.values)
    return "…"


def _default(value: object) -> str:
    return "" if value is None or value in ("", ()) else f"`{value}`"
