"""Files that are not on this machine's disks: addresses such as s3://bucket/song.mp3, through fsspec."""

import importlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from earmark.errors import FileError, LibraryError, MissingExtraError
from earmark.file_errors import file_errors
from earmark.library.jobs import Stamp

MARK = "://"
COPIED_BYTES = 1 << 22


def is_remote(path: str) -> bool:
    """Whether a path is an address with a protocol."""
    return MARK in path


def absolute_path(path: str | os.PathLike[str]) -> str:
    """Return a path as the library keeps it: absolute, with the home folder for `~`; an address as it is."""
    text = os.fsdecode(path)
    return text if is_remote(text) else os.path.abspath(os.path.expanduser(text))  # noqa: PTH100, PTH111


@contextmanager
def fetched(address: str) -> Iterator[BinaryIO]:
    """Yield a temporary file with the content of an address.

    It has no name (on Windows, the system removes it), so that a process that is killed leaves nothing behind.
    Raises FileError where the address cannot be read, from what the storage raised.
    """
    system, inside = _system(address)
    with tempfile.TemporaryFile(prefix="earmark-") as copy:
        with file_errors(address):
            if os.name == "posix":  # storages fetch in parallel, to a path alone
                system.get_file(inside, f"/dev/fd/{copy.fileno()}")
            else:
                with system.open(inside, "rb") as content:
                    shutil.copyfileobj(content, copy, COPIED_BYTES)
        copy.seek(0)
        yield cast(BinaryIO, copy)


def listing(folder: str, endings: frozenset[str]) -> list[tuple[str, Stamp]]:
    """The files under an address that end in one of `endings`, in the order of their names, with their stamps.

    The time of change is what the storage tells; where it tells none, the size alone says whether a file is another.
    Raises LibraryError for an address that is not there or cannot be listed.
    """
    system, inside = _system(folder)
    protocol = folder.split(MARK, maxsplit=1)[0]
    try:
        with file_errors(folder):
            found = system.find(inside, detail=True)
            there = bool(found) or system.exists(inside)
    except FileError as error:
        raise LibraryError(
            f"{folder}: it cannot be listed: {error.reason}. Check the address, the connection, and who may read it."
        ) from error
    if not there:
        raise LibraryError(f"{folder}: found nothing at this address, expected files. Check the address.")
    files = []
    for name, details in sorted(found.items()):
        if os.path.splitext(name)[1].lower() in endings:  # noqa: PTH122 (an address is no path)
            files.append((f"{protocol}{MARK}{name}", Stamp(int(details.get("size") or 0), _modified_ns(details))))
    return files


def _modified_ns(details: dict[str, Any]) -> int:
    for key in ("mtime", "LastModified", "last_modified", "updated"):
        value = details.get(key)
        if isinstance(value, int | float):
            return int(value * 1e9)
        if value is not None and hasattr(value, "timestamp"):
            return int(value.timestamp() * 1e9)
    return 0


def _system(path: str) -> tuple[Any, str]:
    """The storage that an address names, and the place in it."""
    try:
        core = importlib.import_module("fsspec.core")
    except ImportError as error:
        raise MissingExtraError("Reading files by address", "cluster", "fsspec") from error
    try:
        with file_errors(path):
            system, inside = core.url_to_fs(path)
    except FileError as error:
        raise LibraryError(
            f"{path}: its storage cannot be used: {error.reason}. Install what fsspec needs for it, or check the "
            "address."
        ) from error
    return system, str(inside)
