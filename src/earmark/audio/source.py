"""A path, bytes or a binary file object, opened for reading from where it stands."""

from __future__ import annotations

import errno
import io
import os
import shutil
import stat
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, cast

from earmark.errors import DecodeError, StorageError

SPOOL_BYTES = 1 << 25
OF_THE_FILE = frozenset(
    (
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EACCES,
        errno.EPERM,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.EINVAL,
    )
)
"""What the system says of a path that is wrong or forbidden; all else, such as EIO, is a failure of the storage."""


class Opened(io.RawIOBase):
    """A seekable file from its current position on, without the name by which a library might judge it.

    A read that fails looks like the end of the file to the libraries, which cannot tell of it; check() tells.

    short_name: the file's name without its folder, or <bytes>, <stream>. label: the same with the folder, for messages.
    owned: that close() closes the file too; a file object of the caller's stays open.
    """

    def __init__(self, file: BinaryIO, label: str, *, owned: bool) -> None:
        self.label = label
        self.short_name = Path(label).name
        self._file = file
        self._owned = owned
        self._start = file.tell()
        self._failure: OSError | ValueError | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        filled = 0
        while filled < len(view):  # a raw file may give less than was asked for
            try:
                part = self._file.read(len(view) - filled)
            except (OSError, ValueError) as error:
                self._failure = error
                break
            if not part:
                break
            view[filled : filled + len(part)] = part
            filled += len(part)
        return filled

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_SET:
            offset += self._start
        return self._file.seek(offset, whence) - self._start

    def tell(self) -> int:
        return self._file.tell() - self._start

    def check(self) -> None:
        """Raise StorageError where reading the file has failed, and DecodeError where the caller has closed it."""
        if self._failure is not None:
            raise _refusal(self.label, "reading it failed", self._failure) from self._failure

    def close(self) -> None:
        if not self.closed and self._owned:
            self._file.close()
        super().close()


def open_source(source: object) -> Opened:
    """Open a path, bytes or a binary file object.

    Raises DecodeError for what cannot be read, and StorageError where that is the fault of the storage.

    A file object that cannot seek is first copied to a temporary file, in memory up to 32 MB.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return Opened(io.BytesIO(source), "<bytes>", owned=True)
    if isinstance(source, str | os.PathLike):
        return _open_path(os.fsdecode(source))
    read = getattr(source, "read", None)
    if read is None:
        raise DecodeError(
            f"<{type(source).__name__}>",
            "it cannot be decoded; pass a path, bytes, a binary file object, a Waveform or (array, rate)",
        )
    name = getattr(source, "name", None)
    label = name if isinstance(name, str) and name else "<stream>"
    try:
        if not isinstance(read(0), bytes):
            raise DecodeError(label, "the file object gives text; open it in binary mode ('rb')")
        return _seekable(cast(BinaryIO, source), label, owned=False)
    except (OSError, ValueError) as error:  # ValueError: it is closed
        raise _refusal(label, "the file object cannot be read", error) from error


def _open_path(path: str) -> Opened:
    """Open a path, or raise DecodeError."""
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISDIR(mode):
            raise DecodeError(path, "it is a folder; a sound file is needed")
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise DecodeError(path, "it is a device or a socket; a sound file is needed")
        return _seekable(Path(path).open("rb"), path, owned=True)
    except FileNotFoundError as error:
        raise DecodeError(path, "there is no such file") from error
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise _refusal(path, "it cannot be read", error) from error


def _refusal(label: str, what: str, error: OSError | ValueError) -> DecodeError:
    """Return the error for a failure to open or read: that of the storage, unless it is the file's own."""
    kind = StorageError if isinstance(error, OSError) and error.errno not in OF_THE_FILE else DecodeError
    return kind(label, f"{what}: {getattr(error, 'strerror', None) or error}")


def _seekable(file: BinaryIO, label: str, *, owned: bool) -> Opened:
    """Return a file as one that can seek, spooled where it cannot."""
    seekable = getattr(file, "seekable", None)
    if seekable is not None and seekable():
        return Opened(file, label, owned=owned)
    spool = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES))  # noqa: SIM115 (Opened closes it)
    with ExitStack() as failing:
        failing.callback(spool.close)
        try:
            shutil.copyfileobj(file, spool, 1 << 20)
        finally:
            if owned:
                file.close()
        failing.pop_all()
    spool.seek(0)
    return Opened(spool, label, owned=True)
