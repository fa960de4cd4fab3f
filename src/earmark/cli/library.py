"""Run the commands of `earmark library` that fill, draw and export a library."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from earmark.cli.output import JsonOutput, ProgressOption, json_text, library_progress, say, show
from earmark.errors import FileError

if TYPE_CHECKING:
    from earmark.library.adding import Added
    from earmark.library.library import Library, NewEngine

library = typer.Typer(help="Analyse many tracks once, then search them.", no_args_is_help=True)

FileOption = Annotated[
    Path | None,
    typer.Option("--library", help="File of the library; default: the one in your data folder.", show_default=False),
]
ModelOption = Annotated[
    str | None, typer.Option(help="Folder or name of the model; default: the bundled model.", show_default=False)
]
JobsOption = Annotated[
    int | None, typer.Option(min=1, help="Number of processes; default: one for each processor.", show_default=False)
]
LowPriorityOption = Annotated[bool, typer.Option(help="Give other programs priority.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Write all results as JSON.")]


@library.callback()
def _group() -> None:
    """Analyse many tracks once, then search them."""


@library.command()
def add(
    named: Annotated[
        list[str], typer.Argument(help="Folders, files, or addresses such as s3://bucket/music.", show_default=False)
    ],
    file: FileOption = None,
    model: ModelOption = None,
    jobs: JobsOption = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try files again that failed before.")] = False,
    low_priority: LowPriorityOption = True,
    over_time: Annotated[bool, typer.Option(help="Also store tags over time.")] = True,
    longest_hours: Annotated[float, typer.Option(min=0.01, help="Refuse files that are longer than this.")] = 24.0,
    memory_megabytes: Annotated[int, typer.Option(min=1, help="Memory that a process may use for a file.")] = 2048,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="Where to analyse files: on this machine, or on a Ray cluster.")
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(help="Address of the Ray cluster; default: a running one, or a new one.", show_default=False),
    ] = None,
    progress: ProgressOption = "bar",
    as_json: JsonOption = False,
) -> None:
    """Analyse all new files and store the results.

    The command may be stopped at any time; the next one continues. The exit status is 1 if a file failed.
    """
    if address is not None and engine != "ray":
        raise typer.BadParameter("--address needs --engine ray")
    from earmark.workers.limits import Limits

    limits = Limits(longest_hours=longest_hours, memory_megabytes=memory_megabytes)
    with (
        JsonOutput(as_json) as output,
        open_library(file, model, heard=True) as opened,
        library_progress(progress) as watch,
    ):
        added = opened.add(
            *named,
            jobs=jobs,
            retry=retry,
            over_time=over_time,
            low_priority=low_priority,
            limits=limits,
            engine=_on_ray(jobs, address) if engine == "ray" else None,
            watch=watch,
        )
        recordings = len(opened)
    _finish(added, recordings, output)


@library.command()
def failures(
    file: FileOption = None,
    retry: Annotated[
        bool, typer.Option("--retry", help="Try the files again, and list those that still fail.")
    ] = False,
    model: ModelOption = None,
    jobs: JobsOption = None,
    low_priority: LowPriorityOption = True,
    as_json: JsonOption = False,
) -> None:
    """List the files that failed, with their reasons. The exit status is 1 if there are any."""
    with JsonOutput(as_json) as output, open_library(file, model, heard=retry) as opened:
        if retry:
            failed = [failure.path for failure in opened.failures()]
            with library_progress() as watch:
                say_summary(
                    opened.add(*failed, jobs=jobs, retry=True, low_priority=low_priority, watch=watch), len(opened)
                )
        found = opened.failures()
        if as_json:
            output.show([vars(failure) for failure in found])
    if not as_json:
        for failure in found:
            show(f"{failure.path}\t{failure.reason}")
    if found:
        raise typer.Exit(1)


@library.command("map")
def draw_map(
    output: Annotated[
        Path | None,
        typer.Argument(
            help="Picture file to write, .png or .svg; default: JSON on standard output.", show_default=False
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Also write the points as JSON to this file.", show_default=False)
    ] = None,
    file: FileOption = None,
) -> None:
    """Draw the collection in two dimensions. Tracks that sound similar are close together."""
    from earmark.plots import draw_collection_map, refuse_picture

    if output is not None:
        refuse_picture(output)
    with open_library(file) as opened:
        laid_out = opened.map()
        document = opened.map_document(laid_out)
    if output is None and data is None:
        show(json_text(document))
    if data is not None:
        data.write_text(json_text(document) + "\n", encoding="utf-8")
        say(f"wrote {data}")
    if output is not None:
        draw_collection_map(laid_out.points, laid_out.tag, laid_out.labels, laid_out.share, output)
        say(f"drew {output}")


@library.command("export")
def export_tracks(
    output: Annotated[
        Path,
        typer.Argument(
            help="File to write, or - for JSONL on standard output; for m3u8 and nsp, the folder of the playlists.",
            show_default=False,
        ),
    ],
    form: Annotated[
        Literal["jsonl", "parquet", "m3u8", "nsp", "rekordbox"] | None,
        typer.Option(
            "--format",
            help="jsonl or parquet: all that is known of each track; m3u8: a playlist for each tag; nsp: a smart "
            "playlist of Navidrome for each word that `write` puts into files; rekordbox: XML for Rekordbox; default: "
            "parquet or jsonl, by the file's ending.",
            show_default=False,
        ),
    ] = None,
    embeddings: Annotated[bool, typer.Option(help="Include vectors, which `import` needs.")] = True,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Least probability of a tag in playlists; default: that with the best F1 of each tag.",
            show_default=False,
        ),
    ] = None,
    relative: Annotated[bool, typer.Option("--relative", help="In m3u8, write paths relative to the folder.")] = False,
    mapping: Annotated[
        Path | None,
        typer.Option(help="For nsp: the TOML file with words and fields of `write`.", show_default=False),
    ] = None,
    file: FileOption = None,
) -> None:
    """Export all tracks for other programs, for players or for `import`.

    The exit status is 1 if a track cannot be exported.
    """
    from earmark.library.exchange import export_records, jsonl_lines, write_jsonl, write_parquet

    failed: list[FileError] = []
    with open_library(file) as opened:
        if form in ("m3u8", "nsp", "rekordbox"):
            _export_for_players(opened, output, form, threshold, mapping, relative)
            return
        content = export_records(opened.database, embeddings=embeddings, failed=failed.append)
        if str(output) == "-":
            for line in jsonl_lines(content):
                show(line)
        else:
            as_parquet = form == "parquet" or (form is None and output.suffix.lower() == ".parquet")
            say(f"wrote {(write_parquet if as_parquet else write_jsonl)(output, content)} recordings")
            show(str(output))
    for error in failed:
        say(f"earmark: {error}")
    if failed:
        raise typer.Exit(1)


def _export_for_players(
    opened: "Library", output: Path, form: str, threshold: float | None, mapping: Path | None, relative: bool
) -> None:
    if str(output) == "-":
        raise typer.BadParameter(f"--format {form} needs a file or folder, found -")
    from earmark.library import players
    from earmark.library.mapping import TagMapping, read_mapping

    left_out: list[str] = []
    if form == "nsp":
        vocabulary = TagMapping() if mapping is None else read_mapping(mapping)
        count = players.write_smart_playlists(output, opened.database.current_card()[1], vocabulary)
    else:
        playlists = players.tag_playlists(opened, threshold)
        count = len(playlists)
        if form == "m3u8":
            left_out = players.write_tag_playlists(output, playlists, relative=relative)
        else:
            left_out = players.write_rekordbox(output, opened.search("", n=None).tracks, playlists)
    say(f"wrote {count} playlists")
    show(str(output))
    for path in left_out:
        say(f"left out, because its name cannot be written there: {path!r}")
    if left_out:
        raise typer.Exit(1)


@library.command("import")
def import_tracks(
    source: Annotated[Path, typer.Argument(help="File that `export` wrote.", show_default=False)],
    file: FileOption = None,
) -> None:
    """Import the tracks of another library."""
    with open_library(file, make=True) as opened:
        new = opened.import_from(source)
        say(f"{new} recordings are new, of {len(opened)} in all")


def open_library(file: Path | None, model: str | None = None, *, heard: bool = False, make: bool = False) -> "Library":
    """Open the library; load the model if files are to be analysed."""
    from earmark.library.library import Library

    if not heard:
        return Library(file, make=make)
    from earmark.tagging.tagger import load

    return Library(file, load(model))


def _on_ray(jobs: int | None, address: str | None) -> "NewEngine":
    from earmark.library.cluster import RayEngine

    return lambda setup: RayEngine(setup, jobs, address)


def _finish(added: "Added", recordings: int, output: JsonOutput) -> None:
    say_summary(added, recordings)
    if output.wanted:
        output.show({**vars(added), "all_recordings": recordings})
    if added.failed or added.absent or added.left:
        raise typer.Exit(1)


def say_summary(added: "Added", recordings: int) -> None:
    """Say which files failed and why, then how many files had which result."""
    for note in added.notes:
        say(f"earmark: {note}")
    for path, reason in added.failed:
        say(f"earmark: {path}: {reason}")
    counts = (
        (added.recordings, "new"),
        (added.again, "analysed again for this model"),
        (added.same, "known by their sound"),
        (added.known, "known"),
        (len(added.failed), "failed"),
        (added.set_aside, "failed before (--retry tries again)"),
        (added.left, "not done yet"),
        (added.vanished, "vanished"),
        (added.missing, "gone since"),
    )
    parts = [f"{count} {what}" for count, what in counts if count]
    analysed = added.recordings + added.again
    rate = f", {analysed / added.seconds:.1f} recordings/s" if analysed and added.seconds > 0 else ""
    say(f"{added.found} files: {', '.join(parts) or 'nothing to do'}{rate}. {recordings} recordings in all")
