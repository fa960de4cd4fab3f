"""`earmark library`: many tracks, heard once, searched at once."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from earmark.cli.adding import tell, watched
from earmark.cli.console import say
from earmark.cli.output import JsonOutput, json_text, show
from earmark.errors import FileError

if TYPE_CHECKING:
    from earmark.library.adding import Added
    from earmark.library.library import Found, Library, NewEngine
    from earmark.library.likeness import Choice

library = typer.Typer(help="Many tracks: heard once, searched at once.", no_args_is_help=True)

FileOption = Annotated[
    Path | None,
    typer.Option("--library", help="The library's file; without it yours in your data folder.", show_default=False),
]
ModelOption = Annotated[
    str | None, typer.Option(help="A model's folder or name; without it the bundled one.", show_default=False)
]
JobsOption = Annotated[
    int | None, typer.Option(min=1, help="Processes that listen; without it one a processor.", show_default=False)
]
LowPriorityOption = Annotated[bool, typer.Option(help="Leave the processor to other programs.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Everything known, as JSON.")]
TracksOption = Annotated[int, typer.Option("-n", "--tracks", min=1, help="How many tracks at most.")]
ThresholdOption = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="From which probability on a tag counts that has no number.")
]
AlikeOption = Annotated[
    Literal["all", "sound", "style"], typer.Option(help="Alike in sound (low levels), in style (high levels), in all.")
]
LevelOption = Annotated[
    list[int] | None, typer.Option(help="Compare this level alone, from 1; again for more.", show_default=False)
]
ScaleOption = Annotated[
    list[str] | None, typer.Option(help="Compare this scale alone; again for more.", show_default=False)
]


@library.callback()
def _group() -> None:
    """Many tracks: heard once, searched at once."""


@library.command()
def add(
    named: Annotated[
        list[str], typer.Argument(help="Folders, files, or addresses such as s3://bucket/music.", show_default=False)
    ],
    file: FileOption = None,
    model: ModelOption = None,
    jobs: JobsOption = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try again what failed before.")] = False,
    low_priority: LowPriorityOption = True,
    over_time: Annotated[bool, typer.Option(help="Keep tags over time as well.")] = True,
    longest_hours: Annotated[float, typer.Option(min=0.01, help="Refuse files that claim to be longer.")] = 24.0,
    memory_megabytes: Annotated[int, typer.Option(min=1, help="What a file may make a worker take.")] = 2048,
    engine: Annotated[Literal["local", "ray"], typer.Option(help="Where to listen: here, or on a Ray cluster.")] = (
        "local"
    ),
    address: Annotated[
        str | None, typer.Option(help="Of the Ray cluster; without it one is found or started.", show_default=False)
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Listen to all that is new; may be stopped at any time, and goes on where it was. Exit status 1 on failures."""
    if address is not None and engine != "ray":
        raise typer.BadParameter("--address is of --engine ray")
    from earmark.library.jobs import Limits

    limits = Limits(longest_hours=longest_hours, memory_megabytes=memory_megabytes)
    with JsonOutput(as_json) as output, _opened(file, model, heard=True) as opened, watched() as watch:
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
def search(
    query: Annotated[str, typer.Argument(help="Such as 'piano AND NOT vocals AND guitar>0.6'.", show_default=False)],
    file: FileOption = None,
    tracks: TracksOption = 20,
    threshold: ThresholdOption = 0.5,
    as_json: JsonOption = False,
) -> None:
    """Find tracks by their tags, paths (path:TEXT) and folders (folder:PATH), the best first."""
    with JsonOutput(as_json) as output, _opened(file) as opened:
        _show(opened.search(query, n=tracks, threshold=threshold), output)
        left_out = opened.left_out()
    if left_out:
        say(f"{left_out} recordings were heard by another model and are left out; add their folders again")


@library.command()
def similar(
    source: Annotated[str, typer.Argument(help="A file, or a track of the library by number.", show_default=False)],
    file: FileOption = None,
    model: ModelOption = None,
    tracks: TracksOption = 10,
    alike: AlikeOption = "all",
    level: LevelOption = None,
    scale: ScaleOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the tracks most like one, the most alike first."""
    with JsonOutput(as_json) as output, _opened(file) as opened:
        _show(_like(opened, source, model, tracks, _choice(alike, level, scale)), output)


@library.command()
def failures(
    file: FileOption = None,
    retry: Annotated[bool, typer.Option("--retry", help="Try all of them again, and show what fails still.")] = False,
    model: ModelOption = None,
    jobs: JobsOption = None,
    low_priority: LowPriorityOption = True,
    as_json: JsonOption = False,
) -> None:
    """List the files that could not be used, each with its reason; exit status 1 when there are any."""
    with JsonOutput(as_json) as output, _opened(file, model, heard=retry) as opened:
        if retry:
            failed = [failure.path for failure in opened.failures()]
            with watched() as watch:
                tell(opened.add(*failed, jobs=jobs, retry=True, low_priority=low_priority, watch=watch), len(opened))
        found = opened.failures()
        if as_json:
            output.show([vars(failure) for failure in found])
    if not as_json:
        for failure in found:
            show(f"{failure.path}\t{failure.reason}")
    if found:
        raise typer.Exit(1)


@library.command()
def playlist(
    output: Annotated[Path, typer.Argument(help="The playlist to write, such as piano.m3u8.", show_default=False)],
    query: Annotated[str | None, typer.Option(help="A search, as in `search`.", show_default=False)] = None,
    like: Annotated[
        str | None, typer.Option(help="A file or track that the others are like, as in `similar`.", show_default=False)
    ] = None,
    file: FileOption = None,
    model: ModelOption = None,
    tracks: TracksOption = 50,
    threshold: ThresholdOption = 0.5,
    alike: AlikeOption = "all",
    level: LevelOption = None,
    scale: ScaleOption = None,
    relative: Annotated[bool, typer.Option("--relative", help="Paths from the playlist's folder.")] = False,
) -> None:
    """Write an M3U8 playlist of a search, or of what is like a track, as far as it is more alike than chance."""
    if (query is None) == (like is None):
        raise typer.BadParameter("give either --query or --like")
    with _opened(file) as opened:
        if query is not None:
            found = opened.search(query, n=tracks, threshold=threshold)
        else:
            found = _alike(_like(opened, like or "", model, tracks, _choice(alike, level, scale)), len(opened))
        left_out = opened.playlist(output, found, relative=relative)
    for path in left_out:
        say(f"left out, as its name cannot stand in a playlist: {path!r}")
    say(f"wrote {len(found) - len(left_out)} tracks")
    show(str(output))


@library.command("map")
def draw_map(
    output: Annotated[
        Path | None, typer.Argument(help="Picture to draw, .png or .svg; without it JSON.", show_default=False)
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Also write the points here, as JSON.", show_default=False)] = None,
    file: FileOption = None,
) -> None:
    """Draw the collection in two dimensions: what sounds alike lies close together."""
    from earmark.plots import draw_collection_map, refuse_picture

    if output is not None:
        refuse_picture(output)
    with _opened(file) as opened:
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
        typer.Argument(help="tracks.jsonl, tracks.parquet, or - for JSONL on stdout.", show_default=False),
    ],
    embeddings: Annotated[bool, typer.Option(help="With vectors, so that it can be imported again.")] = True,
    file: FileOption = None,
) -> None:
    """Write all tracks for other programs, or for `import`. Exit status 1 when one of them cannot be."""
    from earmark.library.exchange import export_records
    from earmark.library.jsonl import jsonl_lines

    failed: list[FileError] = []
    with _opened(file) as opened:
        if str(output) == "-":
            for line in jsonl_lines(export_records(opened.database, embeddings=embeddings, failed=failed.append)):
                show(line)
        else:
            say(f"wrote {opened.export_to(output, embeddings=embeddings, failed=failed.append)} recordings")
            show(str(output))
    for error in failed:
        say(f"earmark: {error}")
    if failed:
        raise typer.Exit(1)


@library.command("import")
def import_tracks(
    source: Annotated[Path, typer.Argument(help="What `export` wrote.", show_default=False)],
    file: FileOption = None,
) -> None:
    """Take tracks in that another library has heard."""
    with _opened(file, make=True) as opened:
        new = opened.import_from(source)
        say(f"{new} recordings are new, of {len(opened)} in all")


def _opened(file: Path | None, model: str | None = None, *, heard: bool = False, make: bool = False) -> "Library":
    """The library, with a model where it is to listen."""
    from earmark.library.library import Library

    if not heard:
        return Library(file, make=make)
    from earmark.tagging.tagger import load

    return Library(file, load(model))


def _like(opened: "Library", source: str, model: str | None, tracks: int, choice: "Choice") -> "list[Found]":
    named: int | str = int(source) if source.isdecimal() and not Path(source).exists() else source
    if not opened.knows(named):
        # Only a file that has to be heard needs the model.
        from earmark.tagging.tagger import load

        opened.tagger = load(model)
    return opened.similar(named, n=tracks, choice=choice)


def _alike(found: "list[Found]", recordings: int) -> "list[Found]":
    """Of tracks found as the most alike those that are more so than chance; says where it stops."""
    from earmark.library.likeness import chance_likeness

    alike = [each for each in found if each.score >= chance_likeness(recordings)]
    if len(alike) < len(found):
        say(
            f"stopped after {len(alike)} tracks: the next, of likeness {found[len(alike)].score:.2f}, is less like it "
            "than any two tracks of the library are on average"
        )
    return alike


def _choice(alike: Literal["all", "sound", "style"], level: list[int] | None, scale: list[str] | None) -> "Choice":
    from earmark.library.likeness import Choice

    return Choice(alike, tuple(level or ()), tuple(scale or ()))


def _on_ray(jobs: int | None, address: str | None) -> "NewEngine":
    from earmark.library.cluster import RayEngine

    return lambda setup: RayEngine(setup, jobs, address)


def _show(found: "list[Found]", output: JsonOutput) -> None:
    if output.wanted:
        records: list[dict[str, Any]] = [
            {
                "track": each.track_id,
                "score": each.score,
                "path": each.path,
                "paths": list(each.paths),
                "duration_seconds": each.duration_seconds,
                "tags": dict(each.tags),
            }
            for each in found
        ]
        output.show(records)
        return
    for each in found:
        tags = "".join(f"  {label} {chance:.2f}" for label, chance in each.tags.items())
        show(f"{each.score:.2f}  {each.path}{tags if len(each.tags) > 1 else ''}")


def _finish(added: "Added", recordings: int, output: JsonOutput) -> None:
    tell(added, recordings)
    if output.wanted:
        output.show({**vars(added), "all_recordings": recordings})
    if added.failed or added.absent or added.left:
        raise typer.Exit(1)
