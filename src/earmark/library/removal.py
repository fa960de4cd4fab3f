"""Remove tracks from a library. Their files stay as they are."""

import os
from collections.abc import Iterable

from earmark.errors import LibraryError
from earmark.library.database import Database
from earmark.library.remote import absolute_path, paths_within

ORPHANS = "SELECT id FROM tracks WHERE id NOT IN (SELECT track_id FROM paths)"


def remove_tracks(database: Database, named: Iterable[int | str | os.PathLike[str]], *, missing: bool) -> int:
    """Remove tracks by number, file or folder, and return how many there were.

    Of a track with several files, only the named files are removed. missing: also remove tracks whose files are all
    missing. Failures of the named files are removed too.

    Raises:
        LibraryError: the library has nothing by one of the names; then nothing is removed.
    """
    store, before = database.store, database.count()
    orphans = {track for (track,) in store.rows(ORPHANS)}  # These are kept, as `verify --repair` left them.
    with store.transaction():
        for name in named:
            if not _remove(database, name):
                raise LibraryError(
                    f"{os.fsdecode(name) if not isinstance(name, int) else name}: found nothing by this name in the "
                    "library, expected the number of a track, or the path of a file or folder that was added. Nothing "
                    "was removed."
                )
        new = [track for (track,) in store.rows(ORPHANS) if track not in orphans]
        if missing:
            new += [track for (track,) in store.rows("SELECT track_id FROM absent")]
        for track in new:
            store.run("DELETE FROM tracks WHERE id = ?", (track,))
    return before - database.count()


def _remove(database: Database, name: int | str | os.PathLike[str]) -> int:
    """Remove a track, or the paths and failures of a file or folder; return how many rows there were."""
    store = database.store
    if isinstance(name, int):
        return store.run("DELETE FROM tracks WHERE id = ?", (name,))
    if not os.fspath(name):  # An empty path would be the current folder.
        return 0
    path = absolute_path(name)
    done = 0
    for table in ("paths", "failures"):
        done += store.run(f"DELETE FROM {table} WHERE path = ?", (os.fsencode(path),))
        done += store.run(f"DELETE FROM {table} WHERE path >= ? AND path < ?", paths_within(path))
    return done
