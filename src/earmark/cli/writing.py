"""`earmark library write` and `earmark library undo`: tags into files, and back."""

import shlex
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from earmark.cli.console import progress, say
from earmark.cli.library import FileOption, JsonOption

# Known here with its two further commands.
from earmark.cli.library import library as library
from earmark.cli.output import JsonOutput, show

if TYPE_CHECKING:
    from earmark.library.database import Database
    from earmark.library.write import Outcome

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")]
KeepTimeOption = Annotated[bool, typer.Option("--keep-time", help="Leave the files' time of change as it is.")]


@library.command()
def write(
    named: Annotated[
        list[str] | None,
        typer.Argument(help="Folders and files of the library; without them all.", show_default=False),
    ] = None,
    query: Annotated[
        str | None, typer.Option(help="Only what this search finds, as in `search`.", show_default=False)
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(help="A TOML file: which tags, in which words and fields.", show_default=False),
    ] = None,
    threshold: Annotated[float, typer.Option(min=0.0, max=1.0, help="The least probability of a tag.")] = 0.5,
    precision: Annotated[
        float | None,
        typer.Option(
            min=0.01, max=1.0, help="Instead: only tags that promise this precision, such as 0.9.", show_default=False
        ),
    ] = None,
    scores: Annotated[
        bool, typer.Option("--scores", help="Also write every tag's probability, as EARMARK_GUITAR=0.912.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace also what a person or another program wrote.")
    ] = False,
    dry_run: DryRunOption = False,
    keep_time: KeepTimeOption = False,
    id3: Annotated[
        Literal["2.3", "2.4"], typer.Option(help="Version of ID3 where a file has none; others keep theirs.")
    ] = "2.4",
    model: Annotated[
        str | None,
        typer.Option(
            help="A model with the library's extractors, such as a taught one; without it the library's own.",
            show_default=False,
        ),
    ] = None,
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write tags into the files: only fields that are empty, unless --overwrite. `undo` takes it back.

    Exit status 1 when a file could not be written, with a line for each.
    """
    from earmark.library.library import Library
    from earmark.library.mapping import Vocabulary, read_vocabulary
    from earmark.library.remote import absolute_path
    from earmark.library.write import WriteRule, Writing, files_of

    tagger = None
    with JsonOutput(as_json) as output, ExitStack() as ending:
        rule = WriteRule(
            read_vocabulary(mapping) if mapping is not None else Vocabulary(),
            threshold,
            precision,
            scores,
            overwrite,
            keep_time,
            3 if id3 == "2.3" else 4,
        )
        if model is not None:
            from earmark.tagging.tagger import load

            tagger = load(model)
        opened = ending.enter_context(Library(file))
        writing = Writing(opened.database, rule, tagger)
        if unplaced := writing.unplaced():
            say(f"not written, as no field is theirs (a mapping can name one): {', '.join(unplaced)}")
        files = files_of(opened.database, [absolute_path(name) for name in named or ()])
        if query is not None:
            found = {path for each in opened.search(query, n=None) for path in each.paths}
            files = [each for each in files if each[0] in found]
        if not files:
            say("earmark: found no such files in the library")
            if as_json:
                output.show([])
            raise typer.Exit(1)
        failed = _show(writing(files, dry_run=dry_run), len(files), output, dry_run, "writing")
        if writing.run is not None:
            named_library = "" if file is None else f" --library {shlex.quote(absolute_path(str(file)))}"
            say(f"run {writing.run}; take it back with: earmark library undo {writing.run}{named_library}")
    if failed:
        raise typer.Exit(1)


@library.command()
def undo(
    run: Annotated[
        int | None, typer.Argument(help="The run to take back; without it the latest.", show_default=False)
    ] = None,
    runs: Annotated[bool, typer.Option("--runs", help="Only list the runs.")] = False,
    dry_run: DryRunOption = False,
    keep_time: KeepTimeOption = False,
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take back what `write` wrote; what somebody changed since is left and told.

    Exit status 1 when a file could not be brought back, with a line for each.
    """
    from earmark.library.library import Library
    from earmark.library.undo import Undoing

    with JsonOutput(as_json) as output, Library(file) as opened:
        if runs:
            _show_runs(opened.database, output)
            return
        outcomes = Undoing(opened.database, keep_time=keep_time)(run, dry_run=dry_run)
        failed = _show(outcomes, None, output, dry_run, "undoing")
        say(f"the library: {opened.path}")
    if failed:
        raise typer.Exit(1)


def _show(outcomes: "Iterable[Outcome]", total: int | None, output: JsonOutput, dry_run: bool, what: str) -> int:
    """Show each outcome as it comes, and how many there were; returns how many failed."""
    changed = failed = left = 0
    records: list[dict[str, Any]] = []
    with ExitStack() as ending:
        if output.wanted:
            ending.callback(output.show, records)  # however it ends: what was written stands in the files
        done = ending.enter_context(progress(what))
        for number, outcome in enumerate(outcomes, start=1):
            failed += bool(outcome.reason)
            changed += bool(outcome.changes)
            left += bool(outcome.kept)
            if outcome.reason:
                say(f"earmark: {outcome.path}: {outcome.reason}")
            if output.wanted:
                records.append(_record(outcome))
            elif outcome.changes or (outcome.kept and (dry_run or what == "undoing")):
                _show_one(outcome)
            done(number, number if total is None else total)
    would = "would be " if dry_run else ""
    verb = "written" if what == "writing" else "brought back"
    say(f"{changed} files {would}{verb}, {left} with fields that were left as somebody filled them, {failed} failed")
    return failed


def _show_one(outcome: "Outcome") -> None:
    show(f"{outcome.path}  ({outcome.kind})")
    for change in outcome.changes:
        show(f"  {change.name}: {_words(change.old)} -> {_words(change.new)}")
    for kept in outcome.kept:
        show(f"  {kept.field}: left as {_words(kept.there)}, not {_words(kept.wanted)}")


def _words(values: tuple[str, ...]) -> str:
    from earmark.library.tag_file import readable

    return "; ".join(map(readable, values)) if values else "(empty)"


def _record(outcome: "Outcome") -> dict[str, Any]:
    return {
        "path": outcome.path,
        "kind": outcome.kind,
        "changes": [{"name": each.name, "old": each.old, "new": each.new} for each in outcome.changes],
        "kept": [{"field": each.field, "there": each.there, "wanted": each.wanted} for each in outcome.kept],
        "reason": outcome.reason,
    }


def _show_runs(database: "Database", output: JsonOutput) -> None:
    from earmark.library.journal import Journal

    found = Journal(database.store).runs()
    if output.wanted:
        output.show([vars(run) for run in found])
        return
    for run in found:
        show(f"{run.id}\t{run.started}\t{run.model}\t{run.files} files, {run.standing} of them stand")
