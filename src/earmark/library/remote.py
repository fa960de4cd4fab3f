"""Read remote files by address, such as s3://bucket/song.mp3, with fsspec."""

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
    """Return whether a path is an address with a protocol."""
    return MARK in path


def paths_within(folder: str) -> tuple[bytes, bytes]:
    """Return the first possible path below a folder or address, in byte order, and the first one after all of them."""
    separator = "/" if is_remote(folder) else os.sep
    start = os.fsencode(folder.rstrip(separator) + separator)
    return start, start[:-1] + bytes([start[-1] + 1])


def absolute_path(path: str | os.PathLike[str]) -> str:
    """Return a path in the form that a library stores: absolute, with `~` expanded. An address does not change."""
    text = os.fsdecode(path)
    return text if is_remote(text) else os.path.abspath(os.path.expanduser(text))  # noqa: PTH100, PTH111


@contextmanager
def fetched(address: str) -> Iterator[BinaryIO]:
    """Give a temporary file with the content of an address, within a `with` block.

    The file has no name (on Windows, the system removes it), so a killed process leaves nothing behind.

    Raises:
        FileError: the address cannot be read.
    """
    system, inside = _system(address)
    with tempfile.TemporaryFile(prefix="earmark-") as copy:
        with file_errors(address):
            # Storages fetch in parallel only to a path, which an open file has on POSIX systems.
            if os.name == "posix":
                system.get_file(inside, f"/dev/fd/{copy.fileno()}")
            else:
                with system.open(inside, "rb") as content:
                    shutil.copyfileobj(content, copy, COPIED_BYTES)
        copy.seek(0)
        yield cast(BinaryIO, copy)


def listing(folder: str, endings: frozenset[str]) -> list[tuple[str, Stamp]]:
    """Return the files under an address with one of `endings`, in the order of their names, with their stamps.

    If the storage reports no modification time, it is 0 in the stamp, and only the size shows that a file has changed.

    Raises:
        LibraryError: the address does not exist or cannot be listed.
    """
    system, inside = _system(folder)
    protocol = folder.split(MARK, maxsplit=1)[0]
    try:
        with file_errors(folder):
            found = system.find(inside, detail=True)
            there = bool(found) or system.exists(inside)
    except FileError as error:
        raise LibraryError(
            f"{folder}: it cannot be listed: {error.reason}. Check the address, the connection, and the permissions."
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
    """Return fsspec's file system for an address, and the path in it."""
    try:
        core = importlib.import_module("fsspec.core")
    except ImportError as error:
        raise MissingExtraError("Reading files by address", "cluster", "fsspec") from error
    try:
        with file_errors(path):
            system, inside = core.url_to_fs(path)
    except FileError as error:
        raise LibraryError(
            f"{path}: its storage cannot be used: {error.reason}. Install the package that fsspec needs for it, or "
            "check the address."
        ) from error
    return system, str(inside)
