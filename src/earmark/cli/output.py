"""What a command writes: results on standard output, all else on standard error.

Nothing that is written can end a command with a traceback: a name that the stream's encoding lacks, a full disk, a
reader that has left.
"""

import codecs
import errno
import io
import json
import os
import sys
from types import TracebackType
from typing import Any, Self, cast

from earmark.cli.ending import whole
from earmark.errors import OutputError
from earmark.file_name import unicode_record


def show(line: str) -> None:
    """Write a line of results."""
    with whole():
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def json_text(value: object, indent: int | None = None) -> str:
    """Return strict JSON in ASCII, which every encoding of a stream has.

    A name that is no text is told twice, see `unicode_record`.
    """
    return json.dumps(unicode_record(value), indent=indent, allow_nan=False)


class JsonOutput:
    """The one JSON document that a command writes, also where it ends early: a context manager.

    Where nothing was shown before an exception, an object is written whose `error` says why.
    """

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted
        self._shown = False

    def show(self, value: object) -> None:
        """Write the document, once."""
        with whole():
            self._shown = True
            show(json_text(value, indent=1))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.wanted and error is not None and not self._shown:  # where stdout itself failed, it takes no more
            self.show({"error": _reason_of(error)})


def _reason_of(error: BaseException) -> str:
    """Why a command ends early."""
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return "it was interrupted"
    return str(error) or type(error).__name__


class Stream(io.RawIOBase):
    """Standard output or standard error, unbuffered, whose failure is an OutputError, raised once.

    What is written after a failure is dropped, so that the command can end in order.
    """

    def __init__(self, raw: io.RawIOBase, name: str) -> None:
        super().__init__()
        self._raw, self._name = raw, name
        self._failed = False

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return self._raw.isatty()

    def fileno(self) -> int:
        return self._raw.fileno()

    def write(self, content: Any) -> int | None:
        if self._failed:
            return len(content)
        try:
            return self._raw.write(content)
        except OSError as error:
            self._failed = True
            reader_left = error.errno == errno.EPIPE
            raise OutputError(self._name, error.strerror or str(error), reader_left=reader_left) from error


def prepare_streams() -> None:
    """Let standard output and standard error take every name, and fail with an OutputError.

    A name goes out as it came in where the stream is UTF-8; elsewhere what the encoding lacks is written as \\x, \\u or
    \\U and its number.
    """
    sys.stdout = _prepared(sys.stdout, "standard output")
    sys.stderr = _prepared(sys.stderr, "standard error")


def _prepared(stream: Any, name: str) -> Any:
    if stream is None:  # it was closed by whoever started the command
        return open(os.devnull, "w", encoding="utf-8", errors="replace")  # noqa: PTH123
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.flush()
    unicode = codecs.lookup(stream.encoding).name.startswith("utf-8")
    raw = cast(io.RawIOBase, getattr(stream.buffer, "raw", stream.buffer))
    return io.TextIOWrapper(
        io.BufferedWriter(Stream(raw, name)),
        encoding=stream.encoding,
        errors="surrogateescape" if unicode else "backslashreplace",
        line_buffering=stream.line_buffering,
    )
