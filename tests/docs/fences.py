"""What stands in the pages between fences, and the commands that they name."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_FENCE = re.compile(r"^```([\w{}-]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`(earmark [^`\n]+)`")


@dataclass(frozen=True)
class Fence:
    """A block of code: its language, "" where none is named, its text, and the line of the page where it begins."""

    page: Path
    language: str
    text: str
    line: int

    @property
    def place(self) -> str:
        """Where it stands, for a message."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def fences(page: Path) -> list[Fence]:
    """The blocks of code of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [Fence(page, at[1], at[2], text.count("\n", 0, at.start()) + 1) for at in _FENCE.finditer(text)]


def shell_lines(fence: Fence) -> list[str]:
    """The commands of a block, one a line; one that ends in a backslash goes on."""
    lines = fence.text.replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def earmark_commands(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Every call of `earmark` that a page shows, with its place: in blocks, and in the text between backticks."""
    for fence in fences(page):
        for line in shell_lines(fence):
            if line.startswith("earmark ") and (words := _words(line)):
                yield fence.place, words
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    for found in _INLINE.finditer(text):
        if words := _words(found[1]):
            yield f"{page.relative_to(ROOT)}: `{found[1]}`", words


def _words(line: str) -> list[str]:
    """The words after `earmark`; none for a sentence that only begins with its name."""
    try:
        words = shlex.split(line, comments=True)[1:]
    except ValueError:
        return []
    return [word for word in words if word not in ("…", "...")]
