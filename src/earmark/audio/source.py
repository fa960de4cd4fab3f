"""Opening a path, bytes or a binary file object for reading from its current position."""

from __future__ import annotations

import errno
import io
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from earmark.errors import DecodeError, EarmarkError, FileError, StorageError
from earmark.file_errors import file_errors

SPOOL_BYTES = 1 << 25
FAILURES = (OSError, ValueError, ArithmeticError, LookupError, EOFError, MemoryError, RuntimeError)
"""The exceptions that a file object of the caller's may raise when it is read."""
LAST_POSITION = (1 << 63) - 1  # the highest position in a file
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
"""The system's errors for a path that is wrong or forbidden; all others, such as EIO, are failures of the storage."""


class SourceFile(io.RawIOBase):
    """A seekable file, or a part of one, without the name by which a library might judge it.

    Its methods raise nothing while a library uses it, because an exception in the callback of a C library would be lost
    or turned into another error. A read that fails looks like the end of the file, and check() raises the error
    afterwards. Seeking to an impossible position returns -1, as C libraries expect.

    short_name: the file's name without its folder, or <bytes>, <stream>. label: the name with the folder, for messages.
    owned: whether close() closes the file too; a file object of the caller's stays open. start, stop: the
    visible part of the file, from byte `start` up to, but not including, byte `stop` (None: to the end of the file).
    """

    def __init__(self, file: BinaryIO, label: str, *, owned: bool, start: int, stop: int | None = None) -> None:
        self.label = label
        self.short_name = Path(label).name
        self._file = file
        self._owned = owned
        self._start, self._stop = start, stop
        self._position = 0
        self._repairs: list[tuple[int, bytes]] = []
        self._failures: list[Exception] = []  # shared by a file and its stretches

    def stretch(self, start: int, stop: int | None = None) -> SourceFile:
        """Return the bytes from `start` to before `stop` as a file of their own, which leaves this one open."""
        behind = self._stop if stop is None else self._start + stop
        stretch = SourceFile(self._file, self.label, owned=False, start=self._start + start, stop=behind)
        stretch._failures = self._failures
        return stretch

    def repaired(self, repairs: list[tuple[int, bytes]]) -> SourceFile:
        """Return the same file with other bytes in some positions when it is read. Nothing is written."""
        repaired = self.stretch(0)
        repaired._repairs = repairs
        return repaired

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        got = self.read(len(view))
        view[: len(got)] = got
        return len(got)

    def read(self, size: int = -1) -> bytes:
        wanted = size if size >= 0 else max(0, self.size() - self._position)
        if self._stop is not None:
            wanted = max(0, min(wanted, self._stop - self._start - self._position))
        if not wanted or not self._reach():
            return b""
        parts = []
        try:
            while wanted and (part := self._file.read(wanted)):  # a raw file may return less than was asked for
                parts.append(part)
                wanted -= len(part)
        except FAILURES as error:
            self._failures.append(error)
        got = parts[0] if len(parts) == 1 else b"".join(parts)
        if self._repairs:
            got = self._with_repairs(got)
        self._position += len(got)
        return got

    def _with_repairs(self, got: bytes) -> bytes:
        """Return the bytes read at the current position, with the repairs that belong there."""
        right = bytearray(got)
        for place, repair in self._repairs:
            first = max(place, self._position)
            behind = min(place + len(repair), self._position + len(got))
            if first < behind:
                right[first - self._position : behind - self._position] = repair[first - place : behind - place]
        return bytes(right)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_CUR:
            offset += self._position
        elif whence == io.SEEK_END:
            offset += self.size()
        if not 0 <= offset <= LAST_POSITION - self._start:
            return -1
        self._position = offset
        return offset

    def tell(self) -> int:
        return self._position

    def size(self) -> int:
        """Return the number of bytes."""
        try:
            end = self._file.seek(0, io.SEEK_END)
        except FAILURES as error:
            self._failures.append(error)
            return self._position
        return max(0, (end if self._stop is None else min(end, self._stop)) - self._start)

    def _reach(self) -> bool:
        """Seek to the position in the file and return whether that worked; no file has too high a position."""
        try:
            self._file.seek(self._start + self._position)
        except (OSError, OverflowError, ValueError) as error:
            if not (isinstance(error, OverflowError) or getattr(error, "errno", None) == errno.EINVAL):
                self._failures.append(error)
            return False
        return True

    def check(self) -> None:
        """Raise StorageError where reading the file has failed, and DecodeError where the caller has closed it."""
        if self._failures:
            raise _refusal(self.label, "reading it failed", self._failures[0]) from self._failures[0]

    def close(self) -> None:
        if not self.closed and self._owned:
            self._file.close()
        super().close()


@contextmanager
def decode_errors(opened: SourceFile) -> Iterator[None]:
    """Raise DecodeError in place of whatever a library raises while it works on a file.

    Where reading the file failed, the error is that of check(), whatever the library made of it.
    """
    try:
        with file_errors(opened.label):
            yield
    except FileError as error:
        opened.check()
        if isinstance(error.__cause__, ImportError):  # the installation is at fault, not the file
            raise error.__cause__ from None
        raise DecodeError(error.source, error.reason) from error.__cause__
    except EarmarkError:
        opened.check()
        raise


def open_source(source: object) -> SourceFile:
    """Open a path, bytes or a binary file object.

    A file object that cannot seek is first copied to a temporary file, in memory up to 32 MB.

    Raises DecodeError for what cannot be read, and StorageError where that is the fault of the storage.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        return SourceFile(io.BytesIO(source), "<bytes>", owned=True, start=0)
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


def _open_path(path: str) -> SourceFile:
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


def _refusal(label: str, what: str, error: Exception) -> DecodeError:
    """Return the error for a failure to open or read: StorageError, or DecodeError where the file is at fault."""
    kind = StorageError if isinstance(error, OSError) and error.errno not in OF_THE_FILE else DecodeError
    return kind(label, f"{what}: {getattr(error, 'strerror', None) or str(error) or type(error).__name__}")


def _seekable(file: BinaryIO, label: str, *, owned: bool) -> SourceFile:
    """Return a file that can seek, copied to a temporary file where it cannot."""
    seekable = getattr(file, "seekable", None)
    if seekable is not None and seekable():
        return SourceFile(file, label, owned=owned, start=file.tell())
    spool = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES))  # noqa: SIM115 (SourceFile closes it)
    with ExitStack() as failing:
        failing.callback(spool.close)
        try:
            shutil.copyfileobj(file, spool, 1 << 20)
        finally:
            if owned:
                file.close()
        failing.pop_all()
    return SourceFile(spool, label, owned=True, start=0)
