"""What a person sees while a command works: all of it on stderr, progress only when somebody looks."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer


def say(line: str) -> None:
    """One line on stderr."""
    typer.echo(line, err=True)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr that is told the number done and the total; nothing where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield _say_nothing
        return
    # rich is slow to import, so a command that nobody watches does without it.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _say_nothing(done: int, total: int) -> None:
    del done, total
