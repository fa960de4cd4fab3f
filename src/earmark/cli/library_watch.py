"""Run `earmark library watch`, which follows folders and adds what is new."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli.library import FileOption, JobsOption, ModelOption, open_library, say_summary
from earmark.cli.output import say

if TYPE_CHECKING:
    from earmark.library.adding import Added
    from earmark.library.library import Library
    from earmark.library.write import WriteRule


def watch(
    folders: Annotated[list[Path], typer.Argument(help="Folders to follow.", show_default=False)],
    write: Annotated[
        bool, typer.Option("--write", help="Also write tags to the empty fields of the files, as `library write`.")
    ] = False,
    mapping: Annotated[
        Path | None, typer.Option(help="TOML file with words and fields, as for `library write`.", show_default=False)
    ] = None,
    threshold: Annotated[float, typer.Option(min=0.0, max=1.0, help="Least probability of a tag to write.")] = 0.5,
    precision: Annotated[
        float | None,
        typer.Option(
            min=0.01, max=1.0, help="Write tags that promise this precision, such as 0.9.", show_default=False
        ),
    ] = None,
    settled_seconds: Annotated[
        float, typer.Option(min=0.0, help="How long a file must not change before it counts as whole.")
    ] = 10.0,
    poll: Annotated[
        bool, typer.Option("--poll", help="Look at all files regularly, for network drives that tell no changes.")
    ] = False,
    jobs: JobsOption = None,
    model: ModelOption = None,
    file: FileOption = None,
) -> None:
    """Follow folders until it is stopped: add new files as soon as they are whole, and write their tags if asked.

    It starts with a look at everything. A disk that goes is waited for.
    """
    if not write and (mapping is not None or precision is not None):
        raise typer.BadParameter("--mapping and --precision need --write")
    from earmark.errors import LibraryError
    from earmark.library.mapping import TagMapping, read_mapping
    from earmark.library.remote import absolute_path
    from earmark.library.watching import Following, folder_changes
    from earmark.library.write import WriteRule

    rule = WriteRule(TagMapping() if mapping is None else read_mapping(mapping), threshold, precision)
    named = [absolute_path(folder) for folder in folders]
    with open_library(file, model, heard=True) as opened:

        def add(paths: Sequence[str]) -> "Added":
            added = opened.add(*paths, jobs=jobs)
            if write and len(opened):
                _write(opened, paths, rule)
            return added

        say(f"following {', '.join(named)}; stop with Ctrl-C")
        for result in Following(named, add, settled_seconds=settled_seconds)(folder_changes(named, poll=poll)):
            if isinstance(result, LibraryError):
                say(f"earmark: {result} Trying again.")
            elif result.known < result.found or result.missing or result.notes:
                say_summary(result, len(opened))


def _write(opened: "Library", paths: Sequence[str], rule: "WriteRule") -> None:
    from earmark.library.write import Writing, files_of

    writing = Writing(opened.database, rule)
    for outcome in writing(files_of(opened.database, paths)):
        if outcome.reason:
            say(f"earmark: {outcome.path}: {outcome.reason}")
    if writing.written:
        say(f"wrote tags to {writing.written} files; undo it with: earmark library undo {writing.run}")
