"""Assemble the command `earmark` from its subcommands and run it."""

import contextlib
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from earmark import __version__
from earmark.cli.configuration import config, configure
from earmark.cli.data import data
from earmark.cli.doctor import doctor
from earmark.cli.ending import end_in_order
from earmark.cli.evaluation import calibrate, evaluate, figures, robustness
from earmark.cli.library import library
from earmark.cli.library_files import undo, verify, write
from earmark.cli.library_tracks import heads, list_tracks, playlist, remove, search, similar, stats
from earmark.cli.library_watch import watch
from earmark.cli.listen import listen
from earmark.cli.output import prepare_streams
from earmark.cli.resources import models, recipes
from earmark.cli.serve import serve
from earmark.cli.site import site
from earmark.cli.tag import tag
from earmark.cli.teach import teach
from earmark.cli.train import model_card, train
from earmark.errors import EarmarkError, OutputError

app = typer.Typer(
    name="earmark",
    help="Tag music by its sound: instruments, voices, genres, moods and tempo.",
    no_args_is_help=True,
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
app.command()(site)
app.command()(doctor)
app.command()(config)
library.command()(search)
library.command("list")(list_tracks)
library.command()(stats)
library.command()(similar)
library.command()(playlist)
library.command()(heads)
library.command()(remove)
library.command()(write)
library.command()(undo)
library.command()(verify)
library.command()(watch)
app.add_typer(data, name="data")
app.add_typer(library, name="library")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"earmark {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    config_file: Annotated[
        Path | None,
        typer.Option(
            "--config",
            envvar="EARMARK_CONFIG",
            help="File (TOML) with the values of options; default: earmark.toml in your configuration folder.",
            show_default=False,
        ),
    ] = None,
) -> None:
    del version
    configure(context, config_file)


def main() -> None:
    """Run the command line. An EarmarkError becomes one line on stderr and exit status 1."""
    # numpy's matrix products are small here, so a second thread would only wait for the first. The variable must be set
    # before numpy is imported, and a value that the user has set is kept.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    prepare_streams()
    ending = end_in_order()
    try:
        app()
    except EarmarkError as error:
        if not (isinstance(error, OutputError) and error.reader_left):
            with contextlib.suppress(OutputError):  # A closed terminal accepts no more lines.
                typer.echo(f"earmark: {error}", err=True)
        sys.exit(ending.status or 1)
