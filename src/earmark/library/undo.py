"""Written tags taken back: every file of a run as it was before, but for what somebody changed since."""

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
from earmark.library.write import Kept, Outcome, refuse_lost


class Undoing:
    """Undoes the runs of a library."""

    def __init__(self, database: Database, *, keep_time: bool = False) -> None:
        """`keep_time`: files keep their time of change."""
        self._database, self._keep_time = database, keep_time
        self._journal = Journal(database.store)

    def __call__(self, run: int | None = None, *, dry_run: bool = False) -> Iterator[Outcome]:
        """Take back what a run wrote, without a number the latest; the last file that was written comes first.

        A file that nobody changed since is what it was before, byte for byte; in another one the names are brought
        back that still hold what the run wrote. A file that was not written, as the process was killed just before, is
        left as it is. Raises LibraryError, before any file is touched, where there is no such run.
        """
        number = self._journal.latest_run() if run is None else run
        return self._all(self._journal.standing(number), dry_run)

    def _all(self, writes: list[Write], dry_run: bool) -> Iterator[Outcome]:
        taken = {write.path for write in writes if self._is_there(write)}
        for write in writes:
            path = write.path
            try:
                with file_errors(write.path):
                    path = self._place(write, taken)
                    taken.add(path)
                    outcome = self._undone(write, path, dry_run)
            except EarmarkError as error:
                outcome = Outcome(path, write.kind, reason=reason_without_name(error))
            yield outcome

    def _undone(self, write: Write, path: str, dry_run: bool) -> Outcome:
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
            back = []  # who wrote what stands there is not forgotten
        outcome = Outcome(path, write.kind, tuple(back), tuple(kept))
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
        """Give a file back that nobody changed since."""

        def change(copy: Path) -> None:
            if not original.restore(copy):
                raise TrackFileError(
                    path,
                    "what was kept of it does not give it back as it was; it was left as it is. Its library "
                    "is damaged: take it from a backup.",
                )

        self._rewrite(write, path, change, ())

    def _write_back(self, write: Write, path: str, back: list[Change]) -> None:
        """Bring back the values of some names in a file that somebody else changed since, too."""

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
        """Whether the file lies where it was written, as far as the library knows."""
        known = self._database.known_path(write.path)
        return Path(write.path).exists() and (known is None or same_sound(known.identity, write.identity))

    def _place(self, write: Write, taken: set[str]) -> str:
        """Where the file is now: at its path, or where the library has found the recording since.

        taken: where other files of the run are. Of several copies it is the one that is as it was written, then the
        one whose path ends most alike; and in any case one that holds what was written.
        """
        if self._is_there(write):
            return write.path
        track_id = self._database.track_of(write.identity)
        found = self._database.paths_of(track_id, missing=False) if track_id is not None else ()
        copies = [path for path in found if path not in taken and self._holds(write, path)]
        original = self._journal.original(write.id)

        def likeness(path: str) -> tuple[bool, int]:
            return original is not None and original.is_of(Path(path)), _alike(path, write.path)

        return max(copies, key=likeness, default=write.path)

    def _holds(self, write: Write, path: str) -> bool:
        """Whether anything of what was written stands in a file."""
        try:
            with file_errors(path):
                tags = TagFile(Path(path), _id3_version(write))
                return any(tags.values(change.name) == change.new for change in write.changes)
        except EarmarkError:
            return False


def _alike(path: str, other: str) -> int:
    """How many parts two paths have in common, from their ends."""
    count = 0
    for one, another in zip(reversed(PurePath(path).parts), reversed(PurePath(other).parts), strict=False):
        if one != another:
            break
        count += 1
    return count


def _id3_version(write: Write) -> Id3Version:
    """Of a file without a tag: the version that it was to get."""
    return 3 if write.kind == "ID3v2.3" else 4
