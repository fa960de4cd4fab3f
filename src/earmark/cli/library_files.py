"""Run `earmark library write`, `undo` and `verify`, which write tags to files, restore files, and check files."""

import shlex
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from earmark.cli.library import FileOption, JobsOption, JsonOption, ModelOption
from earmark.cli.output import JsonOutput, ProgressForm, ProgressOption, progress, say, show

if TYPE_CHECKING:
    from earmark.library.database import Database
    from earmark.library.write import WriteOutcome


DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would change, but change nothing.")]
KeepTimeOption = Annotated[bool, typer.Option("--keep-time", help="Keep the files' modification times.")]


def write(
    named: Annotated[
        list[str] | None,
        typer.Argument(help="Folders and files of the library; default: all.", show_default=False),
    ] = None,
    query: Annotated[
        str | None,
        typer.Option(
            help="Write only to the tracks that fulfil this query, such as 'piano AND NOT vocals'.", show_default=False
        ),
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(help="TOML file that names the tags to write and their words and fields.", show_default=False),
    ] = None,
    threshold: Annotated[float, typer.Option(min=0.0, max=1.0, help="Least probability of a tag.")] = 0.5,
    precision: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=1.0,
            help="Write tags that promise this precision, such as 0.9, instead of using --threshold.",
            show_default=False,
        ),
    ] = None,
    scores: Annotated[
        bool, typer.Option("--scores", help="Also write every tag's probability, as EARMARK_GUITAR=0.912.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also replace values that a person or another program wrote.")
    ] = False,
    dry_run: DryRunOption = False,
    keep_time: KeepTimeOption = False,
    id3: Annotated[
        Literal["2.3", "2.4"], typer.Option(help="ID3 version for files without ID3 tags; other files keep theirs.")
    ] = "2.4",
    model: Annotated[
        str | None,
        typer.Option(
            help="Folder or name of a model with the library's extractors, such as a taught one; default: the "
            "library's own.",
            show_default=False,
        ),
    ] = None,
    file: FileOption = None,
    as_json: JsonOption = False,
    progress_form: ProgressOption = "bar",
) -> None:
    """Write tags to the empty fields of files. `undo` restores the files.

    The exit status is 1 if a file could not be written.
    """
    from earmark.library.library import Library
    from earmark.library.mapping import TagMapping, read_mapping
    from earmark.library.remote import absolute_path
    from earmark.library.write import WriteRule, Writing, files_of

    tagger = None
    with JsonOutput(as_json) as output, ExitStack() as ending:
        rule = WriteRule(
            read_mapping(mapping) if mapping is not None else TagMapping(),
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
            say(f"not written, because they have no field (a mapping can name one): {', '.join(unplaced)}")
        files = files_of(opened.database, [absolute_path(name) for name in named or ()])
        if query is not None:
            found = {path for each in opened.search(query, n=None, strict=True) for path in each.paths}
            files = [each for each in files if each[0] in found]
        if not files:
            say("earmark: found no such files in the library")
            if as_json:
                output.show([])
            raise typer.Exit(1)
        failed = _show(writing(files, dry_run=dry_run), len(files), output, dry_run, "writing", progress_form)
        if writing.written:
            named_library = "" if file is None else f" --library {shlex.quote(absolute_path(str(file)))}"
            say(f"run {writing.run}; undo it with: earmark library undo {writing.run}{named_library}")
    if failed:
        raise typer.Exit(1)


def undo(
    run: Annotated[
        int | None, typer.Argument(help="Number of the run to undo; default: the latest.", show_default=False)
    ] = None,
    runs: Annotated[bool, typer.Option("--runs", help="List the runs, but undo nothing.")] = False,
    dry_run: DryRunOption = False,
    keep_time: KeepTimeOption = False,
    file: FileOption = None,
    as_json: JsonOption = False,
    progress_form: ProgressOption = "bar",
) -> None:
    """Restore the files that a run of `write` changed. Fields that were changed afterwards are kept and listed.

    The exit status is 1 if a file could not be restored.
    """
    from earmark.library.library import Library
    from earmark.library.undo import Undoing

    with JsonOutput(as_json) as output, Library(file) as opened:
        if runs:
            _show_runs(opened.database, output)
            return
        outcomes = Undoing(opened.database, keep_time=keep_time)(run, dry_run=dry_run)
        failed = _show(outcomes, None, output, dry_run, "undoing", progress_form)
        say(f"the library: {opened.path}")
    if failed:
        raise typer.Exit(1)


def _show(
    outcomes: "Iterable[WriteOutcome]",
    total: int | None,
    output: JsonOutput,
    dry_run: bool,
    what: str,
    form: ProgressForm,
) -> int:
    """Show the outcome of each file, then a summary; return the number of files that failed."""
    changed = failed = left = 0
    records: list[dict[str, Any]] = []
    with ExitStack() as ending:
        if output.wanted:
            # The records of files that were written must be shown even if the command is interrupted.
            ending.callback(output.show, records)
        done = ending.enter_context(progress(what, form))
        for number, outcome in enumerate(outcomes, start=1):
            failed += bool(outcome.reason)
            changed += bool(outcome.changes)
            left += bool(outcome.kept)
            if outcome.reason:
                say(f"earmark: {outcome.path}: {outcome.reason}")
            if output.wanted:
                records.append(_record(outcome))
            elif outcome.changes or outcome.withheld or (outcome.kept and (dry_run or what == "undoing")):
                _show_one(outcome)
            done(number, number if total is None else total)
    would = "would be " if dry_run else ""
    verb = "written" if what == "writing" else "restored"
    say(f"{changed} files {would}{verb}, {left} keep values that somebody else wrote, {failed} failed")
    return failed


def _show_one(outcome: "WriteOutcome") -> None:
    show(f"{outcome.path}  ({outcome.kind})")
    if outcome.withheld:
        show(f"  no tags of music: {outcome.withheld}")
    for change in outcome.changes:
        show(f"  {change.name}: {_words(change.old)} -> {_words(change.new)}")
    for kept in outcome.kept:
        show(f"  {kept.field}: keeps {_words(kept.there)}, not {_words(kept.wanted)}")


def _words(values: tuple[str, ...]) -> str:
    from earmark.library.tag_file import readable

    return "; ".join(map(readable, values)) if values else "(empty)"


def _record(outcome: "WriteOutcome") -> dict[str, Any]:
    return {
        "path": outcome.path,
        "kind": outcome.kind,
        "changes": [{"name": each.name, "old": each.old, "new": each.new} for each in outcome.changes],
        "kept": [{"field": each.field, "there": each.there, "wanted": each.wanted} for each in outcome.kept],
        "reason": outcome.reason,
        "withheld": outcome.withheld,
    }


def _show_runs(database: "Database", output: JsonOutput) -> None:
    from earmark.library.journal import Journal

    found = Journal(database.store).runs()
    if output.wanted:
        output.show([vars(run) for run in found])
        return
    for run in found:
        show(f"{run.id}\t{run.started}\t{run.model}\t{run.files} files, {run.standing} not undone")


def verify(
    file: FileOption = None,
    deep: Annotated[bool, typer.Option("--deep", help="Analyse every file again and compare.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Correct the library where it differs.")] = False,
    model: ModelOption = None,
    jobs: JobsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find files that no longer match what the library stores about them.

    The exit status is 1 if there are any that were not repaired.
    """
    from earmark.library.library import Library
    from earmark.tagging.tagger import load

    with JsonOutput(as_json) as output, Library(file, make=False) as opened:
        opened.tagger = load(model)
        findings = opened.verify(deep=deep, repair=repair, jobs=jobs)
        if as_json:
            output.show([vars(each) for each in findings])
    if not as_json:
        for each in findings:
            show(f"{each.path}\t{each.what}\t{each.detail}")
    say(f"{len(findings)} files do not match the library{'; repaired' if findings and repair else ''}")
    if findings and not repair:
        raise typer.Exit(1)
