"""Files beside a library, made from it: each is whole or not there, and a search that cannot make one does without."""

import errno
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ENDING = ".part"


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give the name of a file to write, which takes the place of `path` once it is on the disk as a whole.

    Nothing is left of it where writing fails, and what processes left that were killed meanwhile is removed.
    """
    _remove_leftovers(path)
    part = path.with_name(f"{path.name}.{os.getpid()}{ENDING}")
    try:
        yield part
        with part.open("r+b") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def refuse_too_little_room(path: Path, needed_bytes: int) -> None:
    """Raise OSError where a file of that size could not be written, before minutes are spent on it."""
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    if shutil.disk_usage(path.parent).free < needed_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def tell_that_not_kept(path: Path, reason: str) -> None:
    """Say, once for each search, that a file could not be kept and what that costs."""
    logging.getLogger("earmark.library").warning(
        "earmark: %s: it cannot be written (%s), so this search read the library itself, which takes longer. "
        "Make room, or the folder writable.",
        path,
        reason,
    )


def _remove_leftovers(path: Path) -> None:
    for part in path.parent.glob(f"{path.name}.*{ENDING}"):
        number = part.name.removeprefix(f"{path.name}.").removesuffix(ENDING)
        if number.isdecimal() and not _runs(int(number)):
            part.unlink(missing_ok=True)


def _runs(process_id: int) -> bool:
    if os.name != "posix":  # asking ends it there
        return True
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
