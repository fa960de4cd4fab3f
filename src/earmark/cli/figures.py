"""`earmark figures`: a measured run in, the letter's figures out."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from earmark.cli.console import say
from earmark.errors import MissingExtraError


class Format(StrEnum):
    """What a figure is written as."""

    PNG = "png"
    SVG = "svg"
    PDF = "pdf"


def figures(
    run: Annotated[Path, typer.Argument(help="The folder of a measured run, such as runs/demo.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option(help="Folder for the figures; without it RUN/figures.", show_default=False)
    ] = None,
    formats: Annotated[
        list[Format] | None,
        typer.Option("--format", help="Again for more; without it png and svg.", show_default=False),
    ] = None,
    side: Annotated[
        Literal["test", "valid"], typer.Option(help="Which measured side to draw, as in earmark evaluate.")
    ] = "test",
    level_scale: Annotated[
        int | None,
        typer.Option(
            help="Scale, in frames, of which levels are shown; without it 27, or the first that was measured.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Draw the letter's figures 1 to 5 from what `earmark evaluate` measured; says what was not measured."""
    try:
        from earmark.training.figures import draw_run
    except ImportError as error:
        raise MissingExtraError("Drawing", "train", error.name or str(error)) from error
    endings = [str(chosen) for chosen in formats or (Format.PNG, Format.SVG)]
    for path in draw_run(run, output, list(dict.fromkeys(endings)), side=side, level_scale=level_scale, say=say):
        typer.echo(path)
