"""Run the commands of `earmark library` that fill, search and export a library."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from earmark.cli.output import JsonOutput, json_text, library_progress, say, show
from earmark.errors import FileError

if TYPE_CHECKING:
    from earmark.library.adding import Added
    from earmark.library.library import Library, NewEngine
    from earmark.library.searching import Found
    from earmark.library.similarity import Choice

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
TracksOption = Annotated[int, typer.Option("-n", "--tracks", min=1, help="Largest number of tracks.")]
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        max=1.0,
        help="Least probability of a tag that a query with AND, OR or NOT names without a number; default: that with "
        "the best F1 of each tag.",
        show_default=False,
    ),
]
OffsetOption = Annotated[int, typer.Option(min=0, help="Number of results to leave out before the first.")]
SortOption = Annotated[
    Literal["relevance", "artist", "title", "album", "genre", "year", "duration", "added", "path"],
    typer.Option(help="Order of the results; relevance: the best first."),
]
AlikeOption = Annotated[
    Literal["all", "sound", "style"],
    typer.Option(help="Levels to compare: the low ones (sound), the high ones (style), or all."),
]
LevelOption = Annotated[
    list[int] | None, typer.Option(help="Compare only this level, from 1; repeat for more.", show_default=False)
]
ScaleOption = Annotated[
    list[str] | None, typer.Option(help="Compare only this scale; repeat for more.", show_default=False)
]


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
    as_json: JsonOption = False,
) -> None:
    """Analyse all new files and store the results.

    The command may be stopped at any time; the next one continues. The exit status is 1 if a file failed.
    """
    if address is not None and engine != "ray":
        raise typer.BadParameter("--address needs --engine ray")
    from earmark.library.jobs import Limits

    limits = Limits(longest_hours=longest_hours, memory_megabytes=memory_megabytes)
    with JsonOutput(as_json) as output, _opened(file, model, heard=True) as opened, library_progress() as watch:
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
    words: Annotated[
        list[str],
        typer.Argument(
            help="Words, such as: sad piano leoni; or a query, such as 'piano AND NOT vocals AND guitar>0.6'.",
            show_default=False,
        ),
    ],
    file: FileOption = None,
    tracks: TracksOption = 20,
    offset: OffsetOption = 0,
    sort: SortOption = "relevance",
    threshold: ThresholdOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find tracks by words: tags, or words of titles, artists, albums, genres and paths. The best matches come first.

    AND, OR, NOT, < and > make it a query that every result fulfils. Conditions such as artist:leoni, year:1990-1999,
    path:live, folder:~/Music or like:song.mp3 may be added to both.
    """
    with JsonOutput(as_json) as output, _opened(file) as opened:
        result = opened.search(" ".join(words), n=tracks, offset=offset, sort=sort, threshold=threshold)
        _show(result.tracks, output)
        left_out = opened.left_out()
    for note in result.notes:
        say(note)
    if result.total > len(result) and len(result):
        say(f"{offset + 1} to {offset + len(result)} of {result.total}; --offset {offset + len(result)} shows more")
    if left_out:
        say(f"{left_out} recordings are left out because another model analysed them; add their folders again")


@library.command()
def similar(
    source: Annotated[str, typer.Argument(help="File, or number of a track of the library.", show_default=False)],
    file: FileOption = None,
    model: ModelOption = None,
    tracks: TracksOption = 10,
    alike: AlikeOption = "all",
    level: LevelOption = None,
    scale: ScaleOption = None,
    as_json: JsonOption = False,
) -> None:
    """Find the tracks that are most similar to one. The most similar come first."""
    with JsonOutput(as_json) as output, _opened(file) as opened:
        _show(_similar(opened, source, model, tracks, _choice(alike, level, scale)), output)


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
    with JsonOutput(as_json) as output, _opened(file, model, heard=retry) as opened:
        if retry:
            failed = [failure.path for failure in opened.failures()]
            with library_progress() as watch:
                _say_summary(
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


@library.command()
def playlist(
    output: Annotated[Path, typer.Argument(help="Playlist file to write, such as piano.m3u8.", show_default=False)],
    query: Annotated[str | None, typer.Option(help="Words or query, as in `search`.", show_default=False)] = None,
    like: Annotated[
        str | None,
        typer.Option(help="File or track to which the others are similar, as in `similar`.", show_default=False),
    ] = None,
    file: FileOption = None,
    model: ModelOption = None,
    tracks: TracksOption = 50,
    threshold: ThresholdOption = None,
    alike: AlikeOption = "all",
    level: LevelOption = None,
    scale: ScaleOption = None,
    relative: Annotated[
        bool, typer.Option("--relative", help="Write paths relative to the playlist's folder.")
    ] = False,
) -> None:
    """Write an M3U8 playlist of the results of a search, or of tracks similar to one.

    Tracks that are less similar than two random tracks are left out.
    """
    if (query is None) == (like is None):
        raise typer.BadParameter("give either --query or --like")
    with _opened(file) as opened:
        if query is not None:
            found = list(opened.search(query, n=tracks, threshold=threshold))
        else:
            found = _similar(opened, like or "", model, tracks, _choice(alike, level, scale))
            found = _more_similar_than_chance(found, len(opened))
        left_out = opened.playlist(output, found, relative=relative)
    for path in left_out:
        say(f"left out, because a playlist cannot contain its name: {path!r}")
    say(f"wrote {len(found) - len(left_out)} tracks")
    show(str(output))


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
        typer.Argument(
            help="File to write, .jsonl or .parquet, or - for JSONL on standard output.", show_default=False
        ),
    ],
    embeddings: Annotated[bool, typer.Option(help="Include vectors, which `import` needs.")] = True,
    file: FileOption = None,
) -> None:
    """Export all tracks for other programs or for `import`. The exit status is 1 if a track cannot be exported."""
    from earmark.library.exchange import export_records, jsonl_lines

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
    source: Annotated[Path, typer.Argument(help="File that `export` wrote.", show_default=False)],
    file: FileOption = None,
) -> None:
    """Import the tracks of another library."""
    with _opened(file, make=True) as opened:
        new = opened.import_from(source)
        say(f"{new} recordings are new, of {len(opened)} in all")


def _opened(file: Path | None, model: str | None = None, *, heard: bool = False, make: bool = False) -> "Library":
    """Open the library; load the model if files are to be analysed."""
    from earmark.library.library import Library

    if not heard:
        return Library(file, make=make)
    from earmark.tagging.tagger import load

    return Library(file, load(model))


def _similar(opened: "Library", source: str, model: str | None, tracks: int, choice: "Choice") -> "list[Found]":
    """Find the tracks similar to a file or to a track number."""
    named: int | str = int(source) if source.isdecimal() and not Path(source).exists() else source
    if not opened.knows(named):
        # Only a file that is not in the library needs the model.
        from earmark.tagging.tagger import load

        opened.tagger = load(model)
    return opened.similar(named, n=tracks, choice=choice)


def _more_similar_than_chance(found: "list[Found]", recordings: int) -> "list[Found]":
    """Return the tracks that are more similar than two random tracks; say so if some are not."""
    from earmark.library.similarity import chance_similarity

    alike = [each for each in found if each.score >= chance_similarity(recordings)]
    if len(alike) < len(found):
        say(
            f"stopped after {len(alike)} tracks: the similarity of the next one, {found[len(alike)].score:.2f}, is no "
            "higher than that of two random tracks of the library"
        )
    return alike


def _choice(alike: Literal["all", "sound", "style"], level: list[int] | None, scale: list[str] | None) -> "Choice":
    from earmark.library.similarity import Choice

    return Choice(alike, tuple(level or ()), tuple(scale or ()))


def _on_ray(jobs: int | None, address: str | None) -> "NewEngine":
    from earmark.library.cluster import RayEngine

    return lambda setup: RayEngine(setup, jobs, address)


def _show(found: "Sequence[Found]", output: JsonOutput) -> None:
    if output.wanted:
        records: list[dict[str, Any]] = [
            {
                "track": each.track_id,
                "score": each.score,
                "path": each.path,
                "paths": list(each.paths),
                "duration_seconds": each.duration_seconds,
                "tags": dict(each.tags),
                **vars(each.description),
                "why": [vars(reason) for reason in each.why],
            }
            for each in found
        ]
        output.show(records)
        return
    for each in found:
        why = ", ".join(map(str, each.why))
        show(f"{each.score:.2f}  {each.path}{f'  {why}' if why else ''}")


def _finish(added: "Added", recordings: int, output: JsonOutput) -> None:
    _say_summary(added, recordings)
    if output.wanted:
        output.show({**vars(added), "all_recordings": recordings})
    if added.failed or added.absent or added.left:
        raise typer.Exit(1)


def _say_summary(added: "Added", recordings: int) -> None:
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
