"""Markdown, as far as the reference needs it: tables, paragraphs of docstrings, a hidden table of contents."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from textwrap import dedent

NOTICE = "<!-- Made by `python docs/generate.py` from the code: change the code, not this page. -->"


def page(title: str, *parts: str) -> str:
    """A page that says where it comes from."""
    return "\n\n".join([f"# {title}", NOTICE, *(part.strip("\n") for part in parts if part.strip())]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells may hold Markdown, but no line breaks. Columns that are empty in every row are left out."""
    filled = [tuple(cell.replace("|", "\\|").replace("\n", " ").strip() for cell in row) for row in rows]
    if not filled:
        return ""
    kept = [number for number in range(len(head)) if any(row[number] for row in filled)]
    lines = [[head[number] for number in kept], ["---"] * len(kept)]
    lines += [[row[number] for number in kept] for row in filled]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def code(text: str, language: str = "") -> str:
    """A block of code."""
    return f"```{language}\n{text}\n```"


def guide(name: str, text: str, up: str = "..") -> str:
    """A link to a page of the how-to part, where there is one of this name."""
    there = Path(__file__).resolve().parents[1] / "how-to" / f"{name}.md"
    return f"[{text}]({up}/how-to/{name}.md)" if there.exists() else ""


def contents(*names: str) -> str:
    """The table of contents that the built site shows at its side, which is no part of the page itself."""
    listed = "\n".join(names)
    return f"```{{toctree}}\n:hidden:\n\n{listed}\n```"


def paragraphs(docstring: str) -> list[str]:
    """A docstring's paragraphs, each on one line; an indented list after `Raises:` becomes a list."""
    found = []
    for block in re.split(r"\n\s*\n", dedent_all(docstring)):
        first, *rest = block.splitlines()
        if first.strip() in ("Raises:", "Yields:", "Returns:"):
            entries: list[str] = []
            for line in rest:
                if re.match(r"\s{4}\S", line):
                    entries.append(line.strip())
                else:
                    entries[-1] += f" {line.strip()}"
            found.append("\n".join([f"{first.strip()}", "", *(f"- {entry}" for entry in entries)]))
        else:
            found.append(" ".join(line.strip() for line in block.splitlines()))
    return found


def dedent_all(docstring: str) -> str:
    """A docstring without the indentation of its later lines."""
    first, newline, rest = docstring.strip().partition("\n")
    return first.strip() + newline + dedent(rest)


def first_sentence(docstring: str) -> str:
    """The first paragraph of a docstring, up to its first full stop that ends a sentence."""
    paragraph = paragraphs(docstring)[0]
    found = re.match(r".*?[.](?=\s|$)", paragraph)
    return found.group(0) if found else paragraph


def capital(text: str) -> str:
    """A text that begins with a capital letter, unless it begins with code."""
    return text[:1].upper() + text[1:]
