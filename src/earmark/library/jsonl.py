"""A library as JSONL: a line that says what it is and which models heard, then a line a track."""

import json
from collections.abc import Iterator
from pathlib import Path

from earmark.errors import LibraryError
from earmark.file_name import is_text, percent_encoded, text_of
from earmark.library.exchange import FORMAT, VERSION, Content, Record


def jsonl_lines(content: Content) -> Iterator[str]:
    """The lines of a library as JSONL, in ASCII, without line breaks: what it is, then a track each.

    Where a name is no text, `paths` have U+FFFD in its place, and `path_bytes` are all names, percent-encoded.
    """
    cards = {str(number): json.loads(text) for number, text in content.cards.items()}
    yield json.dumps({"format": FORMAT, "version": VERSION, "models": cards})
    for record in content.records:
        names: list[str] = record["paths"]
        exact = {} if all(map(is_text, names)) else {"path_bytes": [percent_encoded(name) for name in names]}
        yield json.dumps({**record, "paths": [text_of(name) for name in names], **exact}, allow_nan=False)


def write_jsonl(file: Path, content: Content) -> int:
    """Write all records and return how many; raises LibraryError where the file cannot be written."""
    lines = 0
    try:
        with file.open("w", encoding="ascii", newline="\n") as written:
            for line in jsonl_lines(content):
                written.write(line + "\n")
                lines += 1
    except OSError as error:
        raise LibraryError(f"{file}: it cannot be written ({error.strerror or error}); name another place.") from error
    return lines - 1


def read_jsonl(file: Path) -> Content:
    """Read what `write_jsonl` wrote, the records as they are asked for; raises LibraryError for anything else."""
    lines = _objects(file)
    head = next(lines, {})
    if head.get("format") != FORMAT or head.get("version") != VERSION:
        raise LibraryError(
            f"{file}: found {head.get('format')!r} of version {head.get('version')!r} in the first line, expected "
            f"{FORMAT!r} of version {VERSION}. Give a file that `earmark library export` wrote."
        )
    models = head.get("models")
    if not isinstance(models, dict) or not all(number.isdecimal() for number in models):
        raise LibraryError(f"{file}: found no models by their numbers in the first line, expected them. Export again.")
    return Content({int(number): json.dumps(card) for number, card in models.items()}, lines)


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
