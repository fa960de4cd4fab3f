"""Undo written tags: restore the files of a run, except for fields that were changed afterwards."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePath

from earmark.audio.identity import same_sound
from earmark.errors import EarmarkError, TrackFileError
from earmark.file_errors import file_errors, reason_without_name
from earmark.library.database import Database
from earmark.library.fields import PROVENANCE, names_in
from earmark.library.journal import Change, Journal, Write
from earmark.library.original import Original
from earmark.library.rewriting import clear_copy, refuse_unwritable, rewrite
from earmark.library.tag_file import Id3Version, TagFile
from earmark.library.write import Kept, WriteOutcome, refuse_lost


class Undoing:
    """Undoes runs of a library."""

    def __init__(self, database: Database, *, keep_time: bool = False) -> None:
        """Prepare undoing. keep_time: keep the files' modification times."""
        self._database, self._keep_time = database, keep_time
        self._journal = Journal(database.store)

    def __call__(self, run: int | None = None, *, dry_run: bool = False) -> Iterator[WriteOutcome]:
        """Undo a run, and yield the outcome of each file. The file that was written last comes first.

        A file without later changes is restored byte for byte. In other files, only names that still have the values of
        the run are restored. A file that was never written, because the process was killed before, does not change.

        run: the number of the run; default: the latest.

        Raises:
            LibraryError: there is no such run. No file has been changed.
        """
        number = self._journal.latest_run() if run is None else run
        return self._all(self._journal.standing(number), dry_run)

    def _all(self, writes: list[Write], dry_run: bool) -> Iterator[WriteOutcome]:
        taken = {write.path for write in writes if self._is_there(write)}
        for write in writes:
            path = write.path
            try:
                with file_errors(write.path):
                    path = self._place(write, taken)
                    taken.add(path)
                    outcome = self._undone(write, path, dry_run)
            except EarmarkError as error:
                outcome = WriteOutcome(path, write.kind, reason=reason_without_name(error))
            yield outcome

    def _undone(self, write: Write, path: str, dry_run: bool) -> WriteOutcome:
        file = Path(path)
        if not dry_run:
            clear_copy(file)
        tags = TagFile(file, _id3_version(write))
        original = self._journal.original(write.id)
        unchanged = original is not None and original.is_of(file)
        back, kept = [], []
        for change in write.changes:
            now = tags.values(change.name)
            if now == change.new and now != change.old:
                back.append(Change(change.name, change.new, change.old))
            elif now != change.old:
                kept.append(Kept(change.name, now, change.old))
        provenance = names_in(PROVENANCE, tags.kind)
        if kept and all(change.name in provenance for change in back):
            back = []  # The provenance stays as long as any of the run's values do.
        outcome = WriteOutcome(path, write.kind, tuple(back), tuple(kept))
        if dry_run:
            refuse_unwritable(file)
            return outcome
        if original is not None and unchanged:
            self._restore(write, path, original)
        elif back:
            self._write_back(write, path, back)
        self._journal.end(write.id, "undone")
        return outcome

    def _restore(self, write: Write, path: str, original: Original) -> None:
        """Restore a file without later changes."""

        def change(copy: Path) -> None:
            if not original.restore(copy):
                raise TrackFileError(
                    path,
                    "the stored bytes do not restore it; the file was not changed. The library is damaged: restore "
                    "the file from a backup.",
                )

        self._rewrite(write, path, change, ())

    def _write_back(self, write: Write, path: str, back: list[Change]) -> None:
        """Restore the values of some names in a file that has later changes."""

        def change(copy: Path) -> None:
            tags = TagFile(copy, _id3_version(write))
            for each in back:
                tags.put(each.name, each.new)
            tags.save()
            if not write.had_tags:
                TagFile(copy, _id3_version(write)).drop_if_bare()

        self._rewrite(write, path, change, back)

    def _rewrite(self, write: Write, path: str, change: Callable[[Path], None], back: Sequence[Change]) -> None:
        def check(file: Path, copy: Path) -> None:
            version = _id3_version(write)
            if back:
                refuse_lost(Path(path), TagFile(file, version), TagFile(copy, version), back)

        stamp = rewrite(Path(path), change, check, write.identity, keep_time=self._keep_time)
        known = self._database.known_path(path)
        if known is not None:
            self._database.add_paths([(path, stamp, known.identity)])

    def _is_there(self, write: Write) -> bool:
        """Return whether the file still exists where it was written, as far as the library knows."""
        known = self._database.known_path(write.path)
        return Path(write.path).exists() and (known is None or same_sound(known.identity, write.identity))

    def _place(self, write: Write, taken: set[str]) -> str:
        """Return where the file is now: at its path, or where the library has found the recording since.

        taken: the paths of other files of the run. A copy must contain what was written. Of several copies, the first
        choice is an unchanged one, and then the one with the longest common end of its path.
        """
        if self._is_there(write):
            return write.path
        found = self._database.paths_of_sound(write.identity)
        copies = [path for path in found if path not in taken and self._holds(write, path)]
        original = self._journal.original(write.id)

        def rank(path: str) -> tuple[bool, int]:
            return original is not None and original.is_of(Path(path)), _common_end(path, write.path)

        return max(copies, key=rank, default=write.path)

    def _holds(self, write: Write, path: str) -> bool:
        """Return whether a file contains any of the values that were written."""
        try:
            with file_errors(path):
                tags = TagFile(Path(path), _id3_version(write))
                return any(tags.values(change.name) == change.new for change in write.changes)
        except EarmarkError:
            return False


def _common_end(path: str, other: str) -> int:
    """Return how many parts two paths have in common at their end."""
    count = 0
    for one, another in zip(reversed(PurePath(path).parts), reversed(PurePath(other).parts), strict=False):
        if one != another:
            break
        count += 1
    return count


def _id3_version(write: Write) -> Id3Version:
    """Return the version of ID3 that a file without tags was given."""
    return 3 if write.kind == "ID3v2.3" else 4
