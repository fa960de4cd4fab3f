"""`earmark library verify`: whether files still give what the library keeps of them."""

from typing import Annotated

import typer

from earmark.cli.console import say
from earmark.cli.library import FileOption, JobsOption, JsonOption, ModelOption
from earmark.cli.output import JsonOutput, show

# Known here with its commands that write.
from earmark.cli.writing import library as library


@library.command()
def verify(
    file: FileOption = None,
    deep: Annotated[bool, typer.Option("--deep", help="Hear every file again and compare.")] = False,
    repair: Annotated[bool, typer.Option("--repair", help="Put right what is found.")] = False,
    model: ModelOption = None,
    jobs: JobsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find files that no longer give what is kept of them. Exit status 1 when there are any that were not repaired."""
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
    say(f"{len(findings)} files do not give what is kept{'; repaired' if findings and repair else ''}")
    if findings and not repair:
        raise typer.Exit(1)
