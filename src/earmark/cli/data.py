"""Run `earmark data`, which checks datasets on disk, downloads one, and makes others."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from earmark.cli.output import say
from earmark.errors import DatasetError

data = typer.Typer(help="Check, download and make datasets.", no_args_is_help=True)


@data.callback()
def _group() -> None:
    """Check, download and make datasets."""


@data.command()
def check(
    name: Annotated[str, typer.Argument(help="Name of the dataset, as in a recipe.", show_default=False)],
    root: Annotated[Path, typer.Option(help="Folder or CSV file of the dataset.", show_default=False)],
    option: Annotated[
        list[str] | None,
        typer.Option(help="Option of the dataset, as key=value; repeat for more options.", show_default=False),
    ] = None,
) -> None:
    """Report found, missing, corrupt and unexpected files, and whether the splits are the official ones.

    The exit status is 1 if a file is missing or corrupt, or if the dataset does not load with these options.
    """
    from earmark.training.datasets.registry import DATASETS, check_dataset, load_dataset

    options = _options(option or ())
    if name in DATASETS:
        say("opening every file; this takes minutes for a large dataset")
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
    name: Annotated[str, typer.Argument(help="Name of the dataset; only debian can be downloaded.")] = "debian",
    root: Annotated[Path, typer.Option(help="Folder for the dataset's files.")] = Path("runs/debian"),
    beside: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder with a tracks.csv of other music, whose recordings are left out; repeat for more folders.",
            show_default=False,
        ),
    ] = None,
    package: Annotated[
        list[str] | None,
        typer.Option(help="Use only the music of this package; repeat for more packages.", show_default=False),
    ] = None,
) -> None:
    """Download the free music of Debian's packages, without installing them, and cut it into excerpts.

    This needs a Debian system with apt-get, the program fpcalc (package libchromaprint-tools), 8 GB of disk space and
    about an hour. Files that were downloaded before are kept. The exit status is 1 if a file of a package could not be
    read.
    """
    from earmark.training.datasets import debian

    if name != debian.NAME:
        raise typer.BadParameter(f"{name!r} cannot be downloaded; only {debian.NAME} can.", param_hint="name")
    rows = debian.music_list()
    known = {row.cells["package"] for row in rows}
    unknown = [each for each in package or () if each not in known]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is not on the list of packages with music.", param_hint="--package")
    wanted = [row for row in rows if not package or row.cells["package"] in package]
    failed = debian.fetch(root, wanted, beside or (), say)
    typer.echo(f"wrote {root / 'tracks.csv'}; check it with: earmark data check debian --root {root}")
    for line in failed:
        typer.echo(f"not read: {line}", err=True)
    if failed:
        raise typer.Exit(1)


@data.command()
def make(
    what: Annotated[
        Literal["speech", "soundfont", "mixtures"], typer.Argument(help="Kind of sound to make.", show_default=False)
    ],
    root: Annotated[Path, typer.Option(help="Folder for the files.", show_default=False)],
    tracks: Annotated[int, typer.Option(min=1, help="Number of tracks, each about half a minute long.")] = 600,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random choices.")] = 0,
    music: Annotated[
        Path | None,
        typer.Option(help="For speech: folder of a soundfont dataset, whose music is mixed in.", show_default=False),
    ] = None,
    packages: Annotated[
        Path, typer.Option(help="For speech: folder of Debian packages with recordings, downloaded if missing.")
    ] = Path("runs/packages"),
    source: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            help="For mixtures: folder with a tracks.csv of music to mix; repeat for more folders.",
            show_default=False,
        ),
    ] = None,
    other: Annotated[
        list[Path] | None,
        typer.Option(
            "--with",
            help="For mixtures: folder with more music for all parts but the loudest; repeat for more folders.",
            show_default=False,
        ),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            help="For speech: make only this kind: speech, recorded speech, speech over music, surroundings or blank; "
            "repeat for more.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make sound to train on: speech and other sound that is not music, music of sampled instruments, or mixtures.

    What is in speech and in music of sampled instruments is known; mixtures of other music have to be scored by
    teachers (`make teachers`).

    It needs Debian packages: espeak-ng, flite and festival (with festvox-kallpc16k and festvox-us-slt-hts) for speech;
    mma, fluidsynth, fluid-soundfont-gm and musescore-general-soundfont for soundfont. Existing files are kept. The
    dataset annotated loads the result. The exit status is 1 if a recording in a package could not be read.
    """
    from earmark.training.datasets import mixtures, soundfont, speech

    failed: tuple[str, ...] = ()
    if what == "soundfont":
        soundfont.make(root, tracks, seed, say)
    elif what == "mixtures":
        mixtures.make(root, source or (), other or (), tracks, seed, say)
    else:
        failed = speech.make(root, tracks, seed, packages, music, say, kind or ())
    typer.echo(f"wrote {root / 'tracks.csv'}; check it with: earmark data check annotated --root {root}")
    for line in failed:
        typer.echo(f"not read: {line}", err=True)
    if failed:
        raise typer.Exit(1)


def _options(texts: Sequence[str]) -> dict[str, object]:
    """Parse key=value: true, false, numbers and lists as in TOML, anything else as text."""
    options: dict[str, object] = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key.strip():
            raise typer.BadParameter(
                f"found {text!r}, expected key=value, such as allow_missing=true", param_hint="--option"
            )
        options[key.strip()] = _value(value.strip())
    return options


def _value(text: str) -> object:
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return value if isinstance(value, bool | int | float | str | list) else text
