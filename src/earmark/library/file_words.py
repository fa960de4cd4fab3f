"""Read the words that people have written to the tags of files, such as genres, moods and comments."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from earmark.errors import EarmarkError
from earmark.file_errors import file_errors, reason_without_name
from earmark.file_name import folded
from earmark.library.database import Database
from earmark.library.fields import ARTIST, GENRE, MOOD
from earmark.library.journal import Journal
from earmark.library.remote import is_remote
from earmark.library.tag_file import TagFile

USUAL_FIELDS = (GENRE, MOOD)
SEPARATOR = ";"
"""What other programs put between several words in one value."""


@dataclass(frozen=True)
class FileWords:
    """The words in a file's tags.

    words: the words in the requested fields, without those that earmark wrote. group: the artist, or else the folder.
    reason: why the file could not be read, or an empty text.
    """

    path: str
    words: tuple[str, ...]
    group: str
    reason: str = ""


def words_in_files(database: Database, paths: Iterable[str], fields: Sequence[str]) -> Iterator[FileWords]:
    """Read fields of files, in the order of the paths. A file that fails yields its reason, and the others follow.

    Values that earmark wrote and nobody changed are left out, because a model learns nothing from its own words.
    """
    journal = Journal(database.store)
    for path in paths:
        if is_remote(path):
            yield FileWords(path, (), "", "it is not on this machine's disks")
            continue
        known = database.known_path(path)
        own = journal.own_values(path, known.identity if known is not None else "")
        try:
            with file_errors(path):
                found = _words_in(Path(path), own, fields)
        except EarmarkError as error:
            found = FileWords(path, (), "", reason_without_name(error))
        yield found


def _words_in(path: Path, own: Mapping[str, tuple[str, ...]], fields: Sequence[str]) -> FileWords:
    """Read the words of one file. `own` is what earmark wrote to it."""
    tags = TagFile(path)
    words: list[str] = []
    for field in fields:
        ours = [own[each] for each in tags.present(field) if own.get(each) == tags.values(each)]
        if not ours:
            words += [part.strip() for value in tags.read(field) for part in value.split(SEPARATOR)]
    artist = tags.read(ARTIST)
    return FileWords(str(path), tuple(dict.fromkeys(filter(None, words))), artist[0] if artist else str(path.parent))


def unify_spelling(words: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Return the words of each file in their most frequent spelling, so that "hip-hop" and "Hip-Hop" are one word."""
    spellings: dict[str, Counter[str]] = {}
    for of_file in words:
        for word in of_file:
            spellings.setdefault(folded(word), Counter())[word] += 1
    usual = {key: max(sorted(counts), key=lambda word: counts[word]) for key, counts in spellings.items()}
    return [tuple(dict.fromkeys(usual[folded(word)] for word in of_file)) for of_file in words]
