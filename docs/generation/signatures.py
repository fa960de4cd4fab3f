"""Signatures as they stand in the code: the same on every version of Python and NumPy."""

import ast
import inspect
from collections.abc import Iterator
from textwrap import dedent
from typing import Any

LONGEST = 88
"""Characters of a signature that stands on one line."""


def signature(value: Any, name: str) -> str:
    """How a function is called, or what a class is made of; on several lines where it is long."""
    node = ast.parse(dedent(inspect.getsource(value))).body[0]
    returns = ""
    if isinstance(node, ast.ClassDef):
        makers = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
        parts = list(_parameters(makers[0].args)) if makers else list(_fields(node))
    elif isinstance(node, ast.FunctionDef):
        parts = list(_parameters(node.args))
        returns = f" -> {_text(node.returns)}" if node.returns is not None else ""
    else:
        raise TypeError(f"{name}: found neither a class nor a function")
    line = f"{name}({', '.join(parts)}){returns}"
    return line if len(line) <= LONGEST else f"{name}(\n" + "".join(f"    {each},\n" for each in parts) + f"){returns}"


def _parameters(given: ast.arguments) -> Iterator[str]:
    plain = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(plain) - len(given.defaults)) + list(given.defaults)
    for each, default in zip(plain, defaults, strict=True):
        if each.arg != "self":
            yield _parameter(each, default)
    if given.vararg is not None:
        yield f"*{_parameter(given.vararg, None)}"
    elif given.kwonlyargs:
        yield "*"
    for each, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        yield _parameter(each, default)


def _fields(owner: ast.ClassDef) -> Iterator[str]:
    for each in owner.body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            made = isinstance(each.value, ast.Call) and ast.unparse(each.value.func) == "field"
            default = "" if each.value is None else f" = {'...' if made else ast.unparse(each.value)}"
            yield f"{each.target.id}: {_text(each.annotation)}{default}"


def _parameter(given: ast.arg, default: ast.expr | None) -> str:
    kind = f": {_text(given.annotation)}" if given.annotation is not None else ""
    return given.arg + kind + (f" = {ast.unparse(default)}" if default is not None else "")


def _text(annotation: ast.expr) -> str:
    """A type as it is written, without quotes and without the packages of arrays and paths."""
    text = ast.unparse(annotation)
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        text = annotation.value
    for package in ("npt.", "np.", "os."):
        text = text.replace(package, "")
    return text
