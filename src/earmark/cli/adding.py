"""What a person sees while a library is added to: how far, how fast, how long still, and what failed."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from earmark.cli.console import say

if TYPE_CHECKING:
    from earmark.library.adding import Added, Progress


@contextmanager
def watched() -> "Iterator[Callable[[Progress], None] | None]":
    """A progress bar on stderr: files, files a second, the time that is left, failures; None where nobody looks.

    Only files that need work are counted, so that what is skipped makes neither the rate nor the estimate look better.
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("listening"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}"),
    )
    # The rate of the last ten minutes: files differ, and so do the hours of a night.
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


def tell(added: "Added", recordings: int) -> None:
    """Say on stderr what came of it: a line for each file that failed, then one for everything."""
    for note in added.notes:
        say(f"earmark: {note}")
    for path, reason in added.failed:
        say(f"earmark: {path}: {reason}")
    counts = (
        (added.recordings, "new"),
        (added.again, "heard again for this model"),
        (added.same, "known by their sound"),
        (added.known, "known"),
        (len(added.failed), "failed"),
        (added.set_aside, "failed before (--retry tries again)"),
        (added.left, "left to be done"),
        (added.vanished, "vanished"),
        (added.missing, "gone since"),
    )
    parts = [f"{count} {what}" for count, what in counts if count]
    heard = added.recordings + added.again
    rate = f", {heard / added.seconds:.1f} recordings/s" if heard and added.seconds > 0 else ""
    say(f"{added.found} files: {', '.join(parts) or 'nothing to do'}{rate}. {recordings} recordings in all")
