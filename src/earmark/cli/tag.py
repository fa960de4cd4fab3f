"""Run `earmark tag`, which tags files and writes the results."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from earmark.cli.exports import exports_of
from earmark.cli.output import ProgressOption, progress, say
from earmark.cli.results import CsvResults, JsonLinesResults, JsonResults, ResultOptions, Results, TextResults
from earmark.cli.sources import STANDARD_INPUT, sound_files
from earmark.errors import EarmarkError, InstallationError

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
            help="Sound files, folders to search for them, and playlists (M3U, PLS). Use - to read paths from standard "
            "input, one in each line, or @FILE to read them from a file.",
            show_default=False,
        ),
    ],
    ending_with_nul: Annotated[
        bool, typer.Option("--null", "-0", help="Paths on standard input end with NUL, as `find -print0` writes them.")
    ] = False,
    model: Annotated[
        str | None, typer.Option(help="Folder or name of the model; default: the bundled model.", show_default=False)
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Number of tags to show for each track.")] = 5,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write one JSON array with all results of each track.")
    ] = False,
    as_jsonl: Annotated[bool, typer.Option("--jsonl", help="Write one JSON object in a line for each track.")] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Write a CSV table with a row for each track and a column for each tag.")
    ] = False,
    precision: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=1.0,
            help="Write only tags that promise this precision, such as 0.9; default: all tags.",
            show_default=False,
        ),
    ] = None,
    explain: Annotated[
        list[str] | None,
        typer.Option(help="Explain when and why this tag was found; repeat for more tags.", show_default=False),
    ] = None,
    over_time: Annotated[bool, typer.Option("--over-time", help="Also write probabilities over time.")] = False,
    window_seconds: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            help="Length of a window for tags over time; default: 5, or the model's longest segment if that is longer.",
            show_default=False,
        ),
    ] = None,
    hop_seconds: Annotated[
        float, typer.Option(min=0.01, help="Time from the start of one window to the start of the next.")
    ] = 2.5,
    picture: Annotated[
        Path | None,
        typer.Option(help="Draw the tags of one track over time to this .png or .svg file.", show_default=False),
    ] = None,
    export: Annotated[
        list[Path] | None,
        typer.Option(
            help="Also write results and vectors to this .parquet (extra 'export') or .npz file; repeat for more "
            "files.",
            show_default=False,
        ),
    ] = None,
    jams: Annotated[
        Path | None, typer.Option(help="Also write a JAMS file for each track to this folder.", show_default=False)
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Number of processes; each uses one thread.")] = 1,
    engine: Annotated[
        EngineName,
        typer.Option(
            help="Engine that runs the networks: numpy; onnx (ONNX Runtime), with the same scores; or int8 (the same "
            "with 8-bit integers), with slightly different scores. The last two need the extra 'onnx'; fast is the old "
            "name of onnx."
        ),
    ] = "numpy",
    read_ahead: Annotated[
        bool,
        typer.Option("--read-ahead", help="Decode in a second thread while the networks run; scores do not change."),
    ] = False,
    longest_hours: Annotated[float, typer.Option(min=0.01, help="Refuse files that are longer than this.")] = 24.0,
    progress_form: ProgressOption = "bar",
    profile: Annotated[
        bool, typer.Option("--profile", help="Report how long each step took; JSON output includes it.")
    ] = False,
) -> None:
    """Tag tracks.

    Results go to standard output and messages to standard error. The exit status is 1 if any file failed.
    """
    if as_json + as_jsonl + as_csv > 1:
        raise typer.BadParameter("choose one of --json, --jsonl and --csv")
    tags_to_explain = tuple(dict.fromkeys(explain or ()))
    if as_csv and tags_to_explain:
        raise typer.BadParameter("--explain does not work with --csv; choose --json, --jsonl or text")
    if profile and read_ahead:
        raise typer.BadParameter("--profile measures one thread, but --read-ahead uses two; choose one of them")
    if ending_with_nul and STANDARD_INPUT not in files:
        raise typer.BadParameter("-0 needs paths from standard input; add - to the arguments")
    options = ResultOptions(top, over_time, precision, tags_to_explain)
    form = JsonResults if as_json else JsonLinesResults if as_jsonl else CsvResults if as_csv else TextResults
    writer: Results = form(options)
    with ExitStack() as ending:
        # An error or Ctrl-C must not leave incomplete output.
        ending.callback(writer.close)
        found = sound_files(files, ending_with_nul=ending_with_nul)
        sources = found.files
        if picture is not None and len(sources) != 1:
            raise typer.BadParameter(f"--picture draws one track, found {len(sources)}")
        # These imports are slow, so they come after the checks of the options.
        from earmark.plots import draw_over_time, refuse_picture
        from earmark.tagging.batch import TagOptions, tag_files
        from earmark.tagging.bundle.calibration import refuse_unpromised
        from earmark.tagging.evidence import place_of
        from earmark.tagging.tagger import load
        from earmark.tagging.windows import OverTimeSettings
        from earmark.workers.limits import Limits

        if picture is not None:
            refuse_picture(picture)
        if engine == "fast":
            say("earmark: --engine fast is now called --engine onnx")
        chosen_engine: Engine = "onnx" if engine == "fast" else engine
        tagger = load(model, chosen_engine)
        # An unknown tag or precision is an error of the command, so it is raised before any file is read.
        for label in tags_to_explain:
            place_of(label, tagger.card.tags)
        if precision is not None:
            refuse_unpromised(tagger.card, precision)
        windows: OverTimeSettings | None = None
        if over_time or picture is not None:
            longest = max(extractor.segment_length * extractor.row_seconds for extractor in tagger.card.extractors)
            windows = OverTimeSettings(max(5.0, longest) if window_seconds is None else window_seconds, hop_seconds)
            # A window that is too short for the model is an error of the command too.
            windows.refuse_short_windows(tagger.card.extractors)
        exports = exports_of(export or (), jams)
        limits = Limits(longest_hours=longest_hours)
        tag_options = TagOptions(windows, bool(tags_to_explain), read_ahead, profile, limits)
        jobs = min(jobs, len(sources))
        failed = len(found.failed)
        for line in (*found.notes, *found.failed):
            say(f"earmark: {line}")
        latest: Prediction | None = None
        profiles: list[Profile] = []
        sound_seconds = 0.0
        for each in exports:
            ending.callback(each.close)
        done = ending.enter_context(progress("tagging", progress_form))
        results = tag_files(tagger, sources, max(1, jobs), tag_options)
        for number, result in enumerate(results, start=1):
            if isinstance(result, InstallationError):  # no other file can be read either
                raise result
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
        say(f"earmark: found no sound files in {', '.join(files)}")
    if failed or not sources:
        raise typer.Exit(1)


def _profile_lines(profiles: "Sequence[Profile]", sound_seconds: float) -> list[str]:
    """Return lines that say how long each step took, summed over all files."""
    wall_seconds = sum(profile.wall_seconds for profile in profiles)
    lines = [
        f"profile: {sound_seconds:.1f} s of sound in {wall_seconds:.3f} s, {sound_seconds / wall_seconds:.0f} times"
    ]
    for part in profiles[0].parts:
        seconds = sum(profile.parts[part] for profile in profiles)
        lines.append(f"  {part:9}  {seconds:8.3f} s  {seconds / wall_seconds:4.0%}")
    return lines
