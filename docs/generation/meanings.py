"""What the fields of a class mean: as the text below a field says, or the class's docstring as `name: meaning.`"""

import ast
import inspect
import re
from collections.abc import Iterable, Mapping
from textwrap import dedent

from generation.markdown import capital, dedent_all


def meanings(owner: type, names: Iterable[str]) -> Mapping[str, str]:
    """The meaning of each of a class's fields that has one."""
    names = tuple(names)
    return {**_in_docstring(inspect.getdoc(owner) or "", names), **_below_fields(owner)}


def without_meanings(owner: type, names: Iterable[str]) -> str:
    """A class's docstring without the paragraphs that say what its fields mean."""
    start = _start(tuple(names))
    blocks = re.split(r"\n\s*\n", inspect.getdoc(owner) or "")
    return "\n\n".join(block for block in blocks if not start.match(block.strip()))


def _in_docstring(docstring: str, names: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for block in re.split(r"\n\s*\n", dedent_all(docstring) if docstring else ""):
        text = " ".join(line.strip() for line in block.splitlines())
        if not _start(names).match(text):
            continue
        for named, meaning in said(text, names):
            found.update(dict.fromkeys(named, capital(meaning.rstrip(".;")) + "."))
    return found


def said(text: str, names: tuple[str, ...]) -> list[tuple[list[str], str]]:
    """What a paragraph such as `a: this. b, c: that.` says of each name, or of several at once."""
    places = list(re.finditer(rf"(?:(?<=^)|(?<=[.;] )){_start(names).pattern}", text))
    ends = [*(each.start() for each in places[1:]), len(text)]
    known = re.compile(r"\w+")
    return [
        ([name for name in known.findall(at.group()) if name in names], text[at.end() : end].strip())
        for at, end in zip(places, ends, strict=True)
    ]


def begins(text: str, names: tuple[str, ...]) -> bool:
    """Whether a paragraph begins to say what some of these names mean."""
    return _start(names).match(text) is not None


def _start(names: tuple[str, ...]) -> re.Pattern[str]:
    if not names:
        return re.compile("(?!)")
    one = f"`?(?:{'|'.join(map(re.escape, names))})`?"
    return re.compile(f"{one}(?:(?:, | and ){one})*: ")


def _below_fields(owner: type) -> dict[str, str]:
    tree = ast.parse(dedent(inspect.getsource(owner))).body[0]
    if not isinstance(tree, ast.ClassDef):
        return {}
    found = {}
    for field, below in zip(tree.body, tree.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(line.strip() for line in text.splitlines()).strip()
    return found
