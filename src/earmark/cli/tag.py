"""`earmark tag`: files in, tags out."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli.console import progress, say
from earmark.cli.results import JsonArray, JsonLines, Shown, Table, Text, Writer
from earmark.cli.sources import sound_files
from earmark.errors import EarmarkError, MissingExtraError

if TYPE_CHECKING:
    from earmark.tagging.prediction import Prediction
    from earmark.tagging.tagger import Tagger
    from earmark.tagging.windows import OverTimeSettings


def tag(
    files: Annotated[
        list[Path], typer.Argument(help="Sound files, or folders to search for them.", show_default=False)
    ],
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
) -> None:
    """Tag tracks. Results go to stdout, all else to stderr; exit status 1 when any file failed."""
    if as_json + as_jsonl + as_csv > 1:
        raise typer.BadParameter("choose one of --json, --jsonl and --csv")
    tags_to_explain = tuple(dict.fromkeys(explain or ()))
    if as_csv and tags_to_explain:
        raise typer.BadParameter("--explain has no place in a table; choose --json, --jsonl or text")
    sources = sound_files(files)
    if picture is not None and len(sources) != 1:
        raise typer.BadParameter(f"--picture draws one track, but {len(sources)} are named")
    # What runs a model is imported here, so that --help and a wrong option answer at once.
    from earmark.tagging.calibration import refuse_unpromised
    from earmark.tagging.evidence import place_of
    from earmark.tagging.tagger import load
    from earmark.tagging.windows import OverTimeSettings

    tagger = load(model)
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
    shown = Shown(top, over_time, precision, tags_to_explain)
    form = JsonArray if as_json else JsonLines if as_jsonl else Table if as_csv else Text
    writer: Writer = form(shown)
    failed = 0
    latest: Prediction | None = None
    with progress("tagging") as done:
        for number, result in enumerate(_tagged(tagger, sources, windows, bool(tags_to_explain)), start=1):
            if isinstance(result, EarmarkError):
                failed += 1
                say(f"earmark: {result}")
            else:
                writer.write(result)
                latest = result
            done(number, len(sources))
    writer.close()
    if picture is not None and latest is not None:
        try:
            from earmark.training.figures import draw_over_time
        except ImportError as error:
            raise MissingExtraError("Drawing", "train", error.name or str(error)) from error
        draw_over_time(latest, picture)
        say(f"drew {picture}")
    if not sources:
        say(f"earmark: no sound files in {', '.join(str(path) for path in files)}")
    if failed or not sources:
        raise typer.Exit(1)


def _tagged(
    tagger: "Tagger", sources: Sequence[Path], windows: "OverTimeSettings | None", keep_features: bool
) -> "Iterator[Prediction | EarmarkError]":
    """Each track's prediction or the error that stopped it, in order; one broken file never stops the others."""
    for source in sources:
        try:
            # By its path: many folders have a 01.mp3.
            found = tagger.tag(source, over_time=windows, keep_features=keep_features)
            yield dataclasses.replace(found, source=str(source))
        except EarmarkError as error:
            yield error
