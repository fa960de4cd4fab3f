"""`earmark data`: is a dataset whole, is it the one that others mean, and where it can be had."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from earmark.cli.console import say
from earmark.errors import DatasetError

data = typer.Typer(help="Datasets on disk.", no_args_is_help=True)


@data.callback()
def _group() -> None:
    """Datasets on disk."""


@data.command()
def check(
    name: Annotated[str, typer.Argument(help="The dataset's name, as in a recipe.", show_default=False)],
    root: Annotated[Path, typer.Option(help="Its folder (or CSV file).", show_default=False)],
    option: Annotated[
        list[str] | None,
        typer.Option(help="An option of the dataset, as key=value; again for more.", show_default=False),
    ] = None,
) -> None:
    """Say which files are found, missing, corrupt and unexpected, and whether the splits are the official ones.

    Exit status 1 when a file is missing or corrupt, or the dataset does not load with these options.
    """
    from earmark.training.datasets.registry import DATASETS, check_dataset, load_dataset

    options = _options(option or ())
    if name in DATASETS:
        say("opening every file; a large dataset takes minutes")
    report = check_dataset(name, root, options)
    entry = DATASETS[name]
    typer.echo(f"{name}: {root}\nlicence: {entry.licence}\ncitation: {entry.citation}\n{report.text()}")
    try:
        dataset = load_dataset(name, root, options)
    except DatasetError as error:
        typer.echo(f"does not load: {error}")
        raise typer.Exit(1) from error
    if not report.splits:
        typer.echo("\n".join(f"split {split.text()}" for split in dataset.splits.values()))
    typer.echo(
        f"loads: {len(dataset.tracks)} tracks, {len(dataset.tags)} tags, {dataset.task} (hash {dataset.hash[:12]})"
    )
    for note in dataset.left_out:
        if note not in report.notes:
            typer.echo(f"note: {note}")
    if not report.ok:
        raise typer.Exit(1)


@data.command()
def fetch(
    name: Annotated[str, typer.Argument(help="The dataset's name; debian is the one that can be fetched.")] = "debian",
    root: Annotated[Path, typer.Option(help="Where its files go.")] = Path("runs/debian"),
    beside: Annotated[
        list[Path] | None,
        typer.Option(
            help="A folder with a tracks.csv of other music; recordings that are in it are left out. Again for more.",
            show_default=False,
        ),
    ] = None,
    package: Annotated[
        list[str] | None,
        typer.Option(help="Take only the music of this package; again for more.", show_default=False),
    ] = None,
) -> None:
    """Download the free music of Debian's packages, without installing them, and cut it into excerpts.

    It needs a Debian system with apt-get and the program fpcalc (package libchromaprint-tools), 8 GB, and an hour or
    so. What was fetched before is kept. Exit status 1 when a file of a package could not be read.
    """
    from earmark.training.datasets import debian

    if name != debian.NAME:
        raise typer.BadParameter(f"{name!r} cannot be fetched; {debian.NAME} can.", param_hint="name")
    rows = debian.music_list()
    known = {row.cells["package"] for row in rows}
    unknown = [each for each in package or () if each not in known]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is not on the list of packages with music.", param_hint="--package")
    wanted = [row for row in rows if not package or row.cells["package"] in package]
    failed = debian.fetch(root, wanted, beside or (), say)
    typer.echo(f"{root / 'tracks.csv'} is written; earmark data check debian --root {root} says what is there")
    for line in failed:
        typer.echo(f"not read: {line}", err=True)
    if failed:
        raise typer.Exit(1)


@data.command()
def make(
    what: Annotated[Literal["speech", "soundfont"], typer.Argument(help="What is made.", show_default=False)],
    root: Annotated[Path, typer.Option(help="Where its files go.", show_default=False)],
    tracks: Annotated[int, typer.Option(min=1, help="How many tracks are made, of about half a minute each.")] = 600,
    seed: Annotated[int, typer.Option(min=0, help="Another seed makes other tracks.")] = 0,
    music: Annotated[
        Path | None,
        typer.Option(help="speech: a folder that soundfont was made in, to speak over its music.", show_default=False),
    ] = None,
    packages: Annotated[
        Path, typer.Option(help="speech: where Debian packages with recordings lie or are downloaded to.")
    ] = Path("runs/packages"),
    kind: Annotated[
        list[str] | None,
        typer.Option(
            help="speech: only speech, recorded speech, speech over music, surroundings or blank; again for more.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make sound whose tags are known: speech and other sound that is no music, or music of sampled instruments.

    It needs programs of Debian: speech espeak-ng, flite and festival (with festvox-kallpc16k and festvox-us-slt-hts),
    soundfont mma, fluidsynth, fluid-soundfont-gm and musescore-general-soundfont. What is there is kept. The dataset
    annotated loads it. Exit status 1 when a recording in a package could not be read.
    """
    from earmark.training.datasets import soundfont, speech

    failed: tuple[str, ...] = ()
    if what == "soundfont":
        soundfont.make(root, tracks, seed, say)
    else:
        failed = speech.make(root, tracks, seed, packages, music, say, kind or ())
    typer.echo(f"{root / 'tracks.csv'} is written; earmark data check annotated --root {root} says what is there")
    for line in failed:
        typer.echo(f"not read: {line}", err=True)
    if failed:
        raise typer.Exit(1)


def _options(texts: Sequence[str]) -> dict[str, object]:
    """Read key=value: true, false, numbers and lists as in TOML, anything else as text."""
    options: dict[str, object] = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key.strip():
            raise typer.BadParameter(f"{text!r} is not key=value, such as allow_missing=true", param_hint="--option")
        options[key.strip()] = _value(value.strip())
    return options


def _value(text: str) -> object:
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return value if isinstance(value, bool | int | float | str | list) else text
