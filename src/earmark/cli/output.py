"""Write results to standard output, and messages and progress to standard error.

Writing never ends a command with a traceback, even if the stream's encoding lacks a character, the disk is full, or the
reader of a pipe has closed it.
"""

import codecs
import errno
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, cast

import typer

from earmark.cli.ending import whole
from earmark.errors import OutputError
from earmark.file_name import unicode_record

if TYPE_CHECKING:
    from earmark.library.adding import Progress


ProgressForm = Literal["bar", "json", "none"]
ProgressOption = Annotated[
    ProgressForm,
    typer.Option(
        "--progress",
        help="How standard error shows progress: a bar, if it is a terminal; a line of JSON for each file; or not at "
        "all.",
    ),
]


def show(line: str) -> None:
    """Write a line of results to standard output."""
    with whole():
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def json_text(value: object, indent: int | None = None) -> str:
    """Return strict JSON in ASCII, which every stream's encoding can represent.

    A file name that is not valid text is given twice, see `unicode_record`.
    """
    return json.dumps(unicode_record(value), indent=indent, allow_nan=False)


class JsonOutput:
    """Writes the JSON document of a command, as a context manager.

    If an exception ends the block before the document was written, the document is an object whose `error` says why.
    """

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted
        self._shown = False

    def show(self, value: object) -> None:
        """Write the document. Call this only once."""
        with whole():
            self._shown = True
            show(json_text(value, indent=1))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # If standard output itself failed, it ignores this.
        if self.wanted and error is not None and not self._shown:
            self.show({"error": _reason_of(error)})


def _reason_of(error: BaseException) -> str:
    """Return why a command ends early."""
    if isinstance(error, KeyboardInterrupt | SystemExit):
        return "it was interrupted"
    return str(error) or type(error).__name__


def say(line: str) -> None:
    """Write a line to standard error."""
    typer.echo(line, err=True)


def say_nothing(line: str) -> None:
    """Ignore a line. When several processes train together, only one of them writes messages."""
    del line


def clock(seconds: float) -> str:
    """Format seconds as 0:07, 12:30 or 1:02:03; fractions are dropped."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@contextmanager
def progress(what: str, form: ProgressForm = "bar") -> Iterator[Callable[[int, int], None]]:
    """Show on standard error how many items are done.

    what: the work, such as "tagging". form: "bar" shows a bar if standard error is a terminal, "json" a line of JSON
    for each item, "none" nothing. Yields a function that takes the number of items done and the total.
    """
    if form == "json":
        yield lambda done, total: say(json_text({"progress": what, "done": done, "total": total}))
        return
    if form == "none" or not sys.stderr.isatty():
        yield _ignore
        return
    # rich is slow to import, so it is imported only if the bar is shown.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _ignore(done: int, total: int) -> None:
    del done, total


@contextmanager
def library_progress(form: ProgressForm = "bar") -> "Iterator[Callable[[Progress], None] | None]":
    """Show on standard error how many files are done, files a second, the remaining time and failures.

    form: as for `progress`. Yields a function that takes a Progress, or None if nothing is shown. Skipped files do not
    count, so the rate and the remaining time are those of the real work.
    """
    if form == "json":
        yield lambda progress: say(json_text({"progress": "analysing", **vars(progress)}))
        return
    if form == "none" or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("analysing"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}"),
    )
    # The rate is that of the last ten minutes, because files and the load of the machine differ over a long run.
    with Bar(*columns, console=Console(stderr=True), transient=True, speed_estimate_period=600) as bar:
        task = bar.add_task("", total=None, rate="", failed="")

        def watch(progress: "Progress") -> None:
            speed = bar.tasks[0].speed
            bar.update(
                task,
                completed=progress.done,
                total=progress.total,
                rate=f"{speed:.1f} files/s" if speed else "",
                failed=f"{progress.failed} failed" if progress.failed else "",
            )

        yield watch


class GuardedStream(io.RawIOBase):
    """An unbuffered output stream that reports its first failure as OutputError.

    Later writes are ignored, so that the command can still close its files.
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
    """Make standard output and standard error accept every file name and report failures as OutputError.

    A UTF-8 stream writes a name with the bytes that it was read with. Other streams write characters that their
    encoding lacks as escapes: \\x, \\u or \\U and a number.
    """
    sys.stdout = _prepared(sys.stdout, "standard output")
    sys.stderr = _prepared(sys.stderr, "standard error")


def _prepared(stream: Any, name: str) -> Any:
    if stream is None:  # The command was started with this stream closed.
        return open(os.devnull, "w", encoding="utf-8", errors="replace")  # noqa: PTH123
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.flush()
    unicode = codecs.lookup(stream.encoding).name.startswith("utf-8")
    raw = cast(io.RawIOBase, getattr(stream.buffer, "raw", stream.buffer))
    return io.TextIOWrapper(
        io.BufferedWriter(GuardedStream(raw, name)),
        encoding=stream.encoding,
        errors="surrogateescape" if unicode else "backslashreplace",
        line_buffering=stream.line_buffering,
    )
