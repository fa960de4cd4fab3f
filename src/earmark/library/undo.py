"""Written tags taken back: every file of a run as it was before, but for what somebody changed since."""

from collections.abc import Iterator
from pathlib import Path

from earmark.errors import LibraryError
from earmark.library.database import Database
from earmark.library.fields import PROVENANCE, names_in
from earmark.library.journal import Change, Journal, Write
from earmark.library.rewriting import clear_copy, refuse_unwritable, rewrite
from earmark.library.tag_file import Id3Version, TagFile
from earmark.library.write import Kept, Outcome


class Undoing:
    """Undoes the runs of a library."""

    def __init__(self, database: Database, *, keep_time: bool = False) -> None:
        """`keep_time`: files keep their time of change."""
        self._database, self._keep_time = database, keep_time
        self._journal = Journal(database.store)

    def __call__(self, run: int | None = None, *, dry_run: bool = False) -> Iterator[Outcome]:
        """Take back what a run wrote, without a number the latest; the last file that was written comes first.

        A file that was not written, as the process was killed just before, is left as it is. A name that holds
        something else than the run wrote was changed since, and is left too. Raises LibraryError, before any file is
        touched, where there is no such run.
        """
        number = self._journal.latest_run() if run is None else run
        return self._all(self._journal.standing(number), dry_run)

    def _all(self, writes: list[Write], dry_run: bool) -> Iterator[Outcome]:
        for write in writes:
            path = self._place(write)
            try:
                yield self._undone(write, path, dry_run)
            except LibraryError as error:
                yield Outcome(path, write.kind, reason=str(error).removeprefix(f"{path}: "))

    def _undone(self, write: Write, path: str, dry_run: bool) -> Outcome:
        file = Path(path)
        if not dry_run:
            clear_copy(file)
        tags = TagFile(file, _id3_version(write))
        back, kept = [], []
        for change in write.changes:
            now = tags.values(change.name)
            if now == change.new and now != change.old:
                back.append(Change(change.name, change.new, change.old))
            elif now != change.old:
                kept.append(Kept(change.name, now, change.old))
        provenance = names_in(PROVENANCE, tags.kind)
        if kept and all(change.name in provenance for change in back):
            back = []  # who wrote what stands there is not forgotten
        outcome = Outcome(path, write.kind, tuple(back), tuple(kept))
        if dry_run:
            refuse_unwritable(file)
            return outcome
        if back:
            self._write_back(write, path, back)
        self._journal.end(write.id, "undone")
        return outcome

    def _write_back(self, write: Write, path: str, back: list[Change]) -> None:
        def change(copy: Path) -> None:
            tags = TagFile(copy, _id3_version(write))
            for each in back:
                tags.put(each.name, each.new)
            tags.save()
            if not write.had_tags:
                TagFile(copy, _id3_version(write)).drop_if_bare()

        stamp = rewrite(Path(path), change, write.identity, keep_time=self._keep_time)
        known = self._database.known_path(path)
        if known is not None:
            self._database.add_paths([(path, stamp, write.identity)])

    def _place(self, write: Write) -> str:
        """Where the file is now: at its path, or where the library has found the recording since."""
        if Path(write.path).exists() or self._database.model_of(write.identity) is None:
            return write.path
        rows = self._database.store.rows("SELECT id FROM tracks WHERE identity = ?", (write.identity,))
        moved = self._database.paths_of(int(rows[0][0]), missing=False)
        return moved[0] if len(moved) == 1 else write.path


def _id3_version(write: Write) -> Id3Version:
    """Of a file without a tag: the version that it was to get."""
    return 3 if write.kind == "ID3v2.3" else 4
