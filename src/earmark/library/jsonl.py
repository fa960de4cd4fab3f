"""A library as JSONL: a line that says what it is and which models heard, then a line a track."""

import json
from collections.abc import Iterator
from pathlib import Path

from earmark.errors import LibraryError
from earmark.library.exchange import FORMAT, VERSION, Content, Record


def write_jsonl(file: Path, content: Content) -> int:
    """Write all records and return how many; a name that is no text keeps its bytes as lone surrogates.

    Raises LibraryError where the file cannot be written.
    """
    count = 0
    try:
        with file.open("w", encoding="ascii", newline="\n") as lines:
            cards = {str(number): json.loads(text) for number, text in content.cards.items()}
            lines.write(json.dumps({"format": FORMAT, "version": VERSION, "models": cards}) + "\n")
            for record in content.records:
                lines.write(json.dumps(record, allow_nan=False) + "\n")
                count += 1
    except OSError as error:
        raise LibraryError(f"{file}: it cannot be written ({error.strerror or error}); name another place.") from error
    return count


def read_jsonl(file: Path) -> Content:
    """Read what `write_jsonl` wrote, the records as they are asked for; raises LibraryError for anything else."""
    lines = _objects(file)
    head = next(lines, {})
    if head.get("format") != FORMAT or head.get("version") != VERSION:
        raise LibraryError(
            f"{file}: found {head.get('format')!r} of version {head.get('version')!r} in the first line, expected "
            f"{FORMAT!r} of version {VERSION}. Give a file that `earmark library export` wrote."
        )
    return Content({int(number): json.dumps(card) for number, card in head["models"].items()}, lines)


def _objects(file: Path) -> Iterator[Record]:
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                found = json.loads(line)
                if not isinstance(found, dict):
                    raise LibraryError(f"{file}: line {number}: found {type(found).__name__}, expected a JSON object.")
                yield found
    except (OSError, ValueError) as error:
        raise LibraryError(f"{file}: it cannot be read ({error}); expected JSON, an object a line.") from error
