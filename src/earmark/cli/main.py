"""The command `earmark`: one module a command group, gathered here."""

import contextlib
import os
import sys
from typing import Annotated

import typer

from earmark import __version__
from earmark.cli.data import data
from earmark.cli.doctor import doctor
from earmark.cli.ending import end_in_order
from earmark.cli.figures import figures
from earmark.cli.listen import listen
from earmark.cli.models import models
from earmark.cli.output import prepare_streams
from earmark.cli.recipes import recipes
from earmark.cli.robustness import calibrate, robustness
from earmark.cli.serve import serve
from earmark.cli.tag import tag
from earmark.cli.teach import teach
from earmark.cli.train import evaluate, model_card, train
from earmark.cli.verifying import library
from earmark.errors import EarmarkError, OutputError

app = typer.Typer(
    name="earmark",
    help="Listens to tracks and tags them: instruments, voices, genres, moods, tempo words.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(tag)
app.command()(listen)
app.command()(train)
app.command()(teach)
app.command()(evaluate)
app.command()(calibrate)
app.command()(robustness)
app.command()(figures)
app.command("model-card")(model_card)
app.command()(models)
app.command()(recipes)
app.command()(serve)
app.command()(doctor)
app.add_typer(data, name="data")
app.add_typer(library, name="library")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"earmark {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    del version


def main() -> None:
    """Run the command line; an error that earmark raises on purpose is one clear sentence on stderr, exit status 1."""
    # numpy's matrix products here are small: a second thread only waits for the first, and many times longer on a busy
    # machine. It has to be said before numpy is loaded; who sets it is left alone.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    prepare_streams()
    ending = end_in_order()
    try:
        app()
    except EarmarkError as error:
        if not (isinstance(error, OutputError) and error.reader_left):
            with contextlib.suppress(OutputError):  # a terminal that was closed takes no more lines
                typer.echo(f"earmark: {error}", err=True)
        sys.exit(ending.status or 1)
