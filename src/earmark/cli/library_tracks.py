"""Run the commands of `earmark library` that find, list, compare and remove tracks."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from earmark.cli.library import FileOption, JsonOption, ModelOption, open_library
from earmark.cli.output import JsonOutput, clock, say, show

OPERATORS = frozenset(("AND", "OR", "NOT"))

if TYPE_CHECKING:
    from earmark.library.library import Library
    from earmark.library.searching import Found
    from earmark.library.similarity import Choice

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
    typer.Option(
        help="What to compare: the classifier's hidden layer (all), the low levels (sound), or the high ones (style)."
    ),
]
LevelOption = Annotated[
    list[int] | None, typer.Option(help="Compare only this level, from 1; repeat for more.", show_default=False)
]
ScaleOption = Annotated[
    list[str] | None, typer.Option(help="Compare only this scale; repeat for more.", show_default=False)
]


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
    from earmark.library.query import with_quotes

    # A single argument is the whole search; of several, each is a part.
    text = " ".join(map(with_quotes, words)) if len(words) > 1 else words[0]
    with JsonOutput(as_json) as output, open_library(file) as opened:
        result = opened.search(text, n=tracks, offset=offset, sort=sort, threshold=threshold)
        _show(result.tracks, output)
        left_out = opened.left_out()
    for note in result.notes:
        say(note)
    if result.total > len(result) and len(result):
        say(f"{offset + 1} to {offset + len(result)} of {result.total}; --offset {offset + len(result)} shows more")
    if left_out:
        say(f"{left_out} recordings are left out because another model analysed them; add their folders again")


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
    with JsonOutput(as_json) as output, open_library(file) as opened:
        _show(_similar(opened, source, model, tracks, _choice(alike, level, scale)), output)


def playlist(
    output: Annotated[
        Path | None,
        typer.Argument(
            help="Playlist file to write, such as piano.m3u8; default: standard output.", show_default=False
        ),
    ] = None,
    query: Annotated[str | None, typer.Option(help="Words or query, as in `search`.", show_default=False)] = None,
    like: Annotated[
        str | None,
        typer.Option(help="File or track to which the others are similar, as in `similar`.", show_default=False),
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="First track, a file or number; needs --to.", show_default=False)
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Last track, a file or number.", show_default=False)] = None,
    file: FileOption = None,
    model: ModelOption = None,
    tracks: Annotated[
        int | None,
        typer.Option(
            "-n",
            "--tracks",
            "--length",
            min=1,
            help="Largest number of tracks; default: 50, or 20 with --from and --to.",
            show_default=False,
        ),
    ] = None,
    threshold: ThresholdOption = None,
    alike: AlikeOption = "all",
    level: LevelOption = None,
    scale: ScaleOption = None,
    relative: Annotated[
        bool, typer.Option("--relative", help="Write paths relative to the playlist's folder.")
    ] = False,
) -> None:
    """Write an M3U8 playlist of the results of a search, of tracks similar to one, or of steps from one to another.

    Of similar tracks, those that are less similar than two random tracks are left out. From one track to another, sound
    and energy change in small steps, and no two tracks of one artist follow each other if there is a choice.
    """
    if (query is not None) + (like is not None) + (start is not None or end is not None) != 1:
        raise typer.BadParameter("give either --query, --like, or --from and --to")
    if (start is None) != (end is None):
        raise typer.BadParameter("give both --from and --to")
    if output is None and relative:
        raise typer.BadParameter("--relative needs a playlist file")
    from earmark.library.playlist import PlaylistEntry, playlist_text

    with open_library(file) as opened:
        if query is not None:
            found = list(opened.search(query, n=tracks or 50, threshold=threshold))
        elif start is not None and end is not None:
            found = opened.course(_number_or_path(start), _number_or_path(end), n=tracks or 20)
        else:
            found = _similar(opened, like or "", model, tracks or 50, _choice(alike, level, scale))
            found = _more_similar_than_chance(found, len(opened))
        if output is None:
            text, left_out = playlist_text(PlaylistEntry(each.path, each.duration_seconds) for each in found)
            show(text.rstrip("\n"))
        else:
            left_out = opened.playlist(output, found, relative=relative)
    for path in left_out:
        say(f"left out, because a playlist cannot contain its name: {path!r}")
    say(f"wrote {len(found) - len(left_out)} tracks")
    if output is not None:
        show(str(output))


def list_tracks(
    conditions: Annotated[
        list[str] | None,
        typer.Argument(
            help="What the tracks must fulfil, such as: piano artist:leoni year:1990-1999; default: all tracks.",
            show_default=False,
        ),
    ] = None,
    file: FileOption = None,
    tracks: Annotated[
        int | None,
        typer.Option("-n", "--tracks", min=1, help="Largest number of tracks; default: all.", show_default=False),
    ] = None,
    offset: OffsetOption = 0,
    sort: SortOption = "path",
    threshold: ThresholdOption = None,
    as_json: JsonOption = False,
) -> None:
    """List tracks with what their files say: number, artist, title, album, year, length and path."""
    from earmark.library.query import with_quotes

    with JsonOutput(as_json) as output, open_library(file) as opened:
        given = [with_quotes(each) for each in conditions or ()]
        # Arguments that are operators make one query together; without any, each is a condition of its own.
        query = " ".join(given) if OPERATORS & set(given) else " AND ".join(f"({each})" for each in given)
        found = opened.search(query, n=tracks, offset=offset, sort=sort, strict=True, threshold=threshold)
        if as_json:
            output.show([_record(each) for each in found])
            return
        for each in found:
            said = each.description
            year = "" if said.year is None else str(said.year)
            length = clock(round(each.duration_seconds))
            show("\t".join([str(each.track_id), said.artist, said.title, said.album, year, length, each.path]))


def stats(file: FileOption = None, as_json: JsonOption = False) -> None:
    """Show how much the library holds, and how much of it has each tag."""
    with JsonOutput(as_json) as output, open_library(file) as opened:
        found = opened.stats()
        if as_json:
            output.show(vars(found))
            return
    show(f"{found.recordings} recordings, {found.seconds / 3600:.1f} hours")
    show(f"{found.files} files, {found.missing_files} of them missing; {found.failed_files} others failed")
    show(f"{found.artists} artists, {found.albums} albums, as the files say")
    for model, count in found.models.items():
        show(f"{count} recordings analysed by {model}")
    for label, share in found.tags.items():
        show(f"  {share:6.1%}  {label}")


def heads(
    added: Annotated[
        list[str] | None,
        typer.Option(
            "--add",
            help="Folder or name of a model with the library's extractors, such as a taught one.",
            show_default=False,
        ),
    ] = None,
    removed: Annotated[
        list[str] | None, typer.Option("--remove", help="Name of a head to remove.", show_default=False)
    ] = None,
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the further heads whose tags searches know, or add or remove some. No file is analysed again.

    The tag driving of the head mine is found as driving or mine:driving.
    """
    with JsonOutput(as_json) as output, open_library(file) as opened:
        for name in removed or ():
            opened.heads.remove(name)
        for model in added or ():
            from earmark.tagging.tagger import load

            source = str(Path(model).absolute()) if Path(model).exists() else model
            say(f"{opened.heads.add(load(model), source)} recordings classified")
        found = opened.heads.all()
        if as_json:
            output.show(
                [
                    {"name": head.name, "source": head.source, "tracks": head.tracks, "tags": list(head.card.labels)}
                    for head in found
                ]
            )
            return
    for head in found:
        show(f"{head.name}\t{head.tracks} recordings\t{', '.join(head.card.labels)}")


def remove(
    named: Annotated[
        list[str] | None,
        typer.Argument(help="Files, folders, or numbers of tracks.", show_default=False),
    ] = None,
    missing: Annotated[bool, typer.Option("--missing", help="Remove all tracks whose files are missing.")] = False,
    file: FileOption = None,
) -> None:
    """Remove tracks from the library. Their files stay as they are.

    A track that has further files elsewhere stays. The next `add` of a folder analyses its files again.
    """
    if not named and not missing:
        raise typer.BadParameter("name files, folders or tracks, or give --missing")
    with open_library(file) as opened:
        removed = opened.remove(*(_number_or_path(each) for each in named or ()), missing=missing)
        say(f"{removed} recordings removed; {len(opened)} remain")


def _similar(opened: "Library", source: str, model: str | None, tracks: int, choice: "Choice") -> "list[Found]":
    """Find the tracks similar to a file or to a track number."""
    named = _number_or_path(source)
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


def _show(found: "Sequence[Found]", output: JsonOutput) -> None:
    if output.wanted:
        output.show([_record(each) for each in found])
        return
    for each in found:
        why = ", ".join(map(str, each.why))
        show(f"{each.score:.2f}  {each.path}{f'  {why}' if why else ''}")


def _record(found: "Found") -> dict[str, Any]:
    return {
        "track": found.track_id,
        "score": found.score,
        "path": found.path,
        "paths": list(found.paths),
        "duration_seconds": found.duration_seconds,
        "tags": dict(found.tags),
        **vars(found.description),
        "why": [vars(reason) for reason in found.why],
    }


def _number_or_path(text: str) -> int | str:
    """Return a track's number if a text is one and names no file."""
    from earmark.library.query import track_number

    number = track_number(text)
    return text if number is None or Path(text).exists() else number
