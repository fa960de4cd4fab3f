"""What a server can be told, and the problems that it answers with, from the code of `earmark.web`."""

import ast
import dataclasses
import inspect
import typing
from collections.abc import Iterator
from dataclasses import dataclass

from earmark.web import problems
from earmark.web.settings import ServerSettings
from generation.kinds import kind
from generation.markdown import guide, page, paragraphs, table
from generation.meanings import meanings, without_meanings


@dataclass(frozen=True)
class Known:
    """A problem as its page shows it."""

    name: str
    status: str
    title: str
    detail: str
    advice: str


def server_page() -> str:
    """Return the page of the server."""
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
    """Return the names of all settings."""
    return tuple(field.name for field in dataclasses.fields(ServerSettings))


def known() -> Iterator[Known]:
    """Yield the problems in the order of the code; what differs from case to case is shown as `…`."""
    calls = [node for node in ast.walk(ast.parse(inspect.getsource(problems))) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda each: each.lineno):
        if isinstance(call.func, ast.Name) and call.func.id == "Problem":
            yield Known(*(_text(each) for each in call.args[:5]))


def _said(problem: Known) -> str:
    """Return the title and the detail of a problem, without a part that differs in every case."""
    parts = [each.rstrip(".") for each in (problem.title, problem.detail)]
    return " ".join(f"{each}." for each in parts if each.strip("…")) or "…"


def _text(node: ast.expr) -> str:
    """Return the text of an expression, with an ellipsis for each part that is filled in later."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(each.value) if isinstance(each, ast.Constant) else "…" for each in node.values)
    return "…"


def _default(value: object) -> str:
    return "" if value is None or value in ("", ()) else f"`{value}`"
