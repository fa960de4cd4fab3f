"""`earmark tag`: files in, tags out."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from earmark.cli.console import progress, say
from earmark.cli.exports import exports_of
from earmark.cli.results import JsonArray, JsonLines, Shown, Table, Text, Writer
from earmark.cli.sources import STANDARD_INPUT, sound_files
from earmark.cli.tagging import Order, tag_here, tag_in_processes
from earmark.errors import EarmarkError

if TYPE_CHECKING:
    from earmark.audio.stopwatch import Profile
    from earmark.tagging.engines.engine import Engine
    from earmark.tagging.prediction import Prediction

EngineName = Literal["numpy", "onnx", "int8", "fast"]
"""The engines; `fast` is the old name of `onnx`."""


def tag(
    files: Annotated[
        list[str],
        typer.Argument(
            help="Sound files, folders to search for them, playlists (M3U, PLS); - for a path a line on standard "
            "input, @FILE for a path a line in a file.",
            show_default=False,
        ),
    ],
    ending_with_nul: Annotated[
        bool, typer.Option("--null", "-0", help="Paths on standard input end with NUL, as `find -print0` writes them.")
    ] = False,
    model: Annotated[
        str | None, typer.Option(help="A model's folder or name; without it the bundled one.", show_default=False)
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many tags to show of each track.")] = 5,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON array with everything known of each track.")
    ] = False,
    as_jsonl: Annotated[bool, typer.Option("--jsonl", help="The same, one JSON object a line.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="A table: a row a track, a column a tag.")] = False,
    precision: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=1.0,
            help="Keep only tags that promise this precision, such as 0.9; without it all.",
            show_default=False,
        ),
    ] = None,
    explain: Annotated[
        list[str] | None,
        typer.Option(help="A tag: say where and why it was found; again for more.", show_default=False),
    ] = None,
    over_time: Annotated[bool, typer.Option("--over-time", help="Probabilities over time as well.")] = False,
    window_seconds: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            help="Length of a window over time; without it 5 seconds, or the longest segment.",
            show_default=False,
        ),
    ] = None,
    hop_seconds: Annotated[float, typer.Option(min=0.01, help="From the start of one window to the next.")] = 2.5,
    picture: Annotated[
        Path | None,
        typer.Option(help="Draw the tags of a single track over time into this .png or .svg.", show_default=False),
    ] = None,
    export: Annotated[
        list[Path] | None,
        typer.Option(
            help="Also write everything and the vectors into this .parquet (extra 'export') or .npz; again for more.",
            show_default=False,
        ),
    ] = None,
    jams: Annotated[
        Path | None, typer.Option(help="Also write a JAMS file a track into this folder.", show_default=False)
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that tag files at a time, of one thread each.")] = 1,
    engine: Annotated[
        EngineName,
        typer.Option(
            help="The engine that runs the networks: numpy; onnx (ONNX Runtime), the same scores; or int8 (the same "
            "in 8-bit integers), whose scores differ a little. The last two need the extra 'onnx', and fast is the old "
            "name of onnx."
        ),
    ] = "numpy",
    read_ahead: Annotated[
        bool, typer.Option("--read-ahead", help="Decode in a second thread while the networks run; the same numbers.")
    ] = False,
    longest_hours: Annotated[float, typer.Option(min=0.01, help="Refuse files that claim to be longer.")] = 24.0,
    profile: Annotated[bool, typer.Option("--profile", help="Say where the time went; in JSON as well.")] = False,
) -> None:
    """Tag tracks. Results go to stdout, all else to stderr; exit status 1 when any file failed."""
    if as_json + as_jsonl + as_csv > 1:
        raise typer.BadParameter("choose one of --json, --jsonl and --csv")
    tags_to_explain = tuple(dict.fromkeys(explain or ()))
    if as_csv and tags_to_explain:
        raise typer.BadParameter("--explain has no place in a table; choose --json, --jsonl or text")
    if profile and read_ahead:
        raise typer.BadParameter("--profile measures one thread, and --read-ahead has two; choose one of them")
    if ending_with_nul and STANDARD_INPUT not in files:
        raise typer.BadParameter("-0 is of paths on standard input; name - as well")
    shown = Shown(top, over_time, precision, tags_to_explain)
    form = JsonArray if as_json else JsonLines if as_jsonl else Table if as_csv else Text
    writer: Writer = form(shown)
    with ExitStack() as ending:
        # What is written is whole however this ends: with an error, or with Ctrl-C.
        ending.callback(writer.close)
        found = sound_files(files, ending_with_nul=ending_with_nul)
        sources = found.files
        if picture is not None and len(sources) != 1:
            raise typer.BadParameter(f"--picture draws one track, but {len(sources)} are named")
        # What runs a model is imported here, so that --help and a wrong option answer at once.
        from earmark.library.jobs import Limits
        from earmark.plots import draw_over_time, refuse_picture
        from earmark.tagging.bundle.calibration import refuse_unpromised
        from earmark.tagging.evidence import place_of
        from earmark.tagging.tagger import load
        from earmark.tagging.windows import OverTimeSettings

        if picture is not None:
            refuse_picture(picture)
        if engine == "fast":
            say("earmark: --engine fast is now called --engine onnx")
        chosen_engine: Engine = "onnx" if engine == "fast" else engine
        tagger = load(model, chosen_engine)
        # Once, before any file: it is the model that has no such tag, or no such promise.
        for label in tags_to_explain:
            place_of(label, tagger.labels)
        if precision is not None:
            refuse_unpromised(tagger.card, precision)
        windows: OverTimeSettings | None = None
        if over_time or picture is not None:
            longest = max(extractor.segment_length * extractor.row_seconds for extractor in tagger.card.extractors)
            windows = OverTimeSettings(max(5.0, longest) if window_seconds is None else window_seconds, hop_seconds)
            # Once, before any file: it is the model that the window does not fit.
            windows.refuse_short_windows(tagger.card.extractors)
        exports = exports_of(export or (), jams)
        limits = Limits(longest_hours=longest_hours)
        order = Order(model, chosen_engine, windows, bool(tags_to_explain), read_ahead, profile, limits)
        jobs = min(jobs, len(sources))
        failed = len(found.failed)
        for line in (*found.notes, *found.failed):
            say(f"earmark: {line}")
        latest: Prediction | None = None
        profiles: list[Profile] = []
        sound_seconds = 0.0
        for each in exports:
            ending.callback(each.close)
        done = ending.enter_context(progress("tagging"))
        results = tag_here(tagger, order, sources) if jobs <= 1 else tag_in_processes(order, sources, jobs)
        for number, result in enumerate(results, start=1):
            if isinstance(result, EarmarkError):
                failed += 1
                say(f"earmark: {result}")
            else:
                latest = result.prediction
                writer.write(latest, result.profile)
                for each in exports:
                    each.write(latest)
                if result.profile is not None:
                    profiles.append(result.profile)
                    sound_seconds += latest.duration_seconds
            done(number, len(sources))
    if profiles:
        for line in _profile_lines(profiles, sound_seconds):
            say(line)
    if picture is not None and latest is not None:
        draw_over_time(latest, picture)
        say(f"drew {picture}")
    if not sources and not failed:
        say(f"earmark: no sound files in {', '.join(files)}")
    if failed or not sources:
        raise typer.Exit(1)


def _profile_lines(profiles: "Sequence[Profile]", sound_seconds: float) -> list[str]:
    """Where the time of all files went, added up."""
    wall_seconds = sum(profile.wall_seconds for profile in profiles)
    lines = [
        f"profile: {sound_seconds:.1f} s of sound in {wall_seconds:.3f} s, {sound_seconds / wall_seconds:.0f} times"
    ]
    for part in profiles[0].parts:
        seconds = sum(profile.parts[part] for profile in profiles)
        lines.append(f"  {part:9}  {seconds:8.3f} s  {seconds / wall_seconds:4.0%}")
    return lines
