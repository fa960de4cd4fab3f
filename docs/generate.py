"""Write the pages made from code and stored records: `python docs/generate.py`; `--check` only lists changes."""

import sys
from pathlib import Path

from generation.commands import command_pages
from generation.end_to_end import end_to_end_page
from generation.errors import errors_page
from generation.file_keys import file_keys_page
from generation.python_names import python_page
from generation.recipe_keys import recipe_page
from generation.server import server_page

DOCS = Path(__file__).resolve().parent


def pages() -> dict[Path, str]:
    """All pages that are made, by their places."""
    reference = DOCS / "reference"
    made = {reference / "commands" / name: text for name, text in command_pages().items()}
    made[reference / "recipe-keys.md"] = recipe_page()
    made[reference / "file-keys.md"] = file_keys_page()
    made[reference / "python.md"] = python_page()
    made[reference / "errors.md"] = errors_page()
    made[reference / "server.md"] = server_page()
    made[DOCS / "results" / "end-to-end.md"] = end_to_end_page()
    return made


def main(arguments: list[str]) -> int:
    """Write, or check; 1 when a page is not as it would be made, or is of a command that is gone."""
    made = pages()
    gone = [path for path in sorted((DOCS / "reference" / "commands").glob("*.md")) if path not in made]
    stale = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in [*stale, *gone]:
        sys.stdout.write(f"{path.relative_to(DOCS.parent)}\n")
    if "--check" in arguments:
        if stale or gone:
            sys.stderr.write("These pages are not what the code says; write them anew: python docs/generate.py\n")
        return int(bool(stale or gone))
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made[path], encoding="utf-8")
    for path in gone:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
