"""`earmark tag`: files in, tags out."""

import csv
import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from earmark.cli.console import progress, say
from earmark.cli.sources import sound_files
from earmark.errors import EarmarkError, MissingExtraError

if TYPE_CHECKING:
    from earmark.tagging.prediction import Prediction
    from earmark.tagging.tagger import Tagger
    from earmark.tagging.windows import OverTimeSettings


class Writer(Protocol):
    """A form of results on stdout."""

    def write(self, prediction: "Prediction") -> None:
        """Write one track."""

    def close(self) -> None:
        """Write what only the end can say."""


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
    over_time: Annotated[bool, typer.Option("--over-time", help="Scores over time as well.")] = False,
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
    sources = sound_files(files)
    if picture is not None and len(sources) != 1:
        raise typer.BadParameter(f"--picture draws one track, but {len(sources)} are named")
    # What runs a model is imported here, so that --help and a wrong option answer at once.
    from earmark.tagging.tagger import load
    from earmark.tagging.windows import OverTimeSettings

    tagger = load(model)
    windows: OverTimeSettings | None = None
    if over_time or picture is not None:
        longest = max(extractor.segment_length * extractor.row_seconds for extractor in tagger.card.extractors)
        windows = OverTimeSettings(max(5.0, longest) if window_seconds is None else window_seconds, hop_seconds)
        # Once, before any file: it is the model that the window does not fit.
        windows.refuse_short_windows(tagger.card.extractors)
    writer: Writer = (
        _Json() if as_json else _JsonLines() if as_jsonl else _Table(over_time) if as_csv else _Text(top, over_time)
    )
    failed = 0
    latest: Prediction | None = None
    with progress("tagging") as done:
        for number, result in enumerate(_tagged(tagger, sources, windows), start=1):
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
    tagger: "Tagger", sources: Sequence[Path], windows: "OverTimeSettings | None"
) -> "Iterator[Prediction | EarmarkError]":
    """Each track's prediction or the error that stopped it, in order; one broken file never stops the others."""
    for source in sources:
        try:
            # By its path: many folders have a 01.mp3.
            yield dataclasses.replace(tagger.tag(source, over_time=windows), source=str(source))
        except EarmarkError as error:
            yield error


class _Text:
    """For a person: a block a track."""

    def __init__(self, top: int, over_time: bool) -> None:
        self._top, self._over_time = top, over_time

    def write(self, prediction: "Prediction") -> None:
        strongest = prediction.top(self._top)
        marks = [
            mark for mark, there in (("truncated", prediction.truncated), ("short", bool(prediction.short))) if there
        ]
        typer.echo(f"{prediction.source}{''.join(f'  [{mark}]' for mark in marks)}")
        for found in strongest:
            typer.echo(f"  {found.score:.2f}  {found.label}")
        if self._over_time and prediction.over_time is not None:
            places = [prediction.labels.index(found.label) for found in strongest]
            typer.echo("  " + "  ".join(["seconds", *(found.label for found in strongest)]))
            for second, scores in zip(prediction.over_time.seconds, prediction.over_time.scores, strict=True):
                row = "  ".join(
                    f"{scores[place]:{len(found.label)}.2f}" for place, found in zip(places, strongest, strict=True)
                )
                typer.echo(f"  {second:7.1f}  {row}")

    def close(self) -> None:
        """Nothing is left to say."""


class _Json:
    """For a program: one array."""

    def __init__(self) -> None:
        self._opened = False

    def write(self, prediction: "Prediction") -> None:
        typer.echo(("," if self._opened else "[") + "\n" + json.dumps(prediction.to_dict(), indent=1))
        self._opened = True

    def close(self) -> None:
        typer.echo("]" if self._opened else "[]")


class _JsonLines:
    """For a program that reads as results come: one object a line."""

    def write(self, prediction: "Prediction") -> None:
        typer.echo(prediction.to_json())

    def close(self) -> None:
        """Nothing is left to say."""


class _Table:
    """For a spreadsheet: a row a track (or a window of one), a column a tag."""

    def __init__(self, over_time: bool) -> None:
        self._over_time = over_time
        self._writer = csv.writer(sys.stdout, lineterminator="\n")
        self._headed = False

    def write(self, prediction: "Prediction") -> None:
        windowed = prediction.over_time if self._over_time else None
        if not self._headed:
            header = prediction.csv_header()
            self._writer.writerow(header if windowed is None else ["source", "seconds", *prediction.labels])
            self._headed = True
        if windowed is None:
            self._writer.writerow(prediction.csv_row())
        else:
            for second, scores in zip(windowed.seconds, windowed.scores, strict=True):
                self._writer.writerow([prediction.source, f"{second:.3f}", *(f"{score:.6f}" for score in scores)])

    def close(self) -> None:
        sys.stdout.flush()
