"""Write the results of `earmark tag` to standard output as text, JSON or CSV."""

import csv
import itertools
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from earmark.cli.ending import whole
from earmark.cli.output import clock, json_text, show
from earmark.file_name import text_of

if TYPE_CHECKING:
    from earmark.audio.stopwatch import Profile
    from earmark.tagging.evidence import Evidence
    from earmark.tagging.prediction import OverTime, Prediction, Tag


_BARS = "▁▂▃▄▅▆▇█"
_CURVE_CHARACTERS = 60
"""The largest width of the curve of a tag over time."""


@dataclass(frozen=True)
class ResultOptions:
    """The options of the results that are written.

    top: the number of tags in text output. over_time: whether to write the tags over time. precision: write only tags
    that promise this precision; None writes all. explained: the tags whose evidence is written.
    """

    top: int
    over_time: bool
    precision: float | None
    explained: tuple[str, ...]


class Results(Protocol):
    """Writes the results of tracks to standard output."""

    def __init__(self, options: ResultOptions) -> None: ...

    def write(self, prediction: "Prediction", profile: "Profile | None" = None) -> None:
        """Write one track. Only JSON output includes the profile."""

    def close(self) -> None:
        """Complete the output."""


class TextResults:
    """Writes each track as a few lines of text."""

    def __init__(self, options: ResultOptions) -> None:
        self._options = options

    def write(self, prediction: "Prediction", profile: "Profile | None" = None) -> None:
        """Write a track's most probable tags, or those that promise the precision, and why promises are withheld."""
        del profile
        marks = [
            mark for mark, there in (("truncated", prediction.truncated), ("short", bool(prediction.short))) if there
        ]
        show(f"{prediction.source}{''.join(f'  [{mark}]' for mark in marks)}")
        if prediction.silent:
            show("  silence")
            return
        if prediction.withheld is not None:
            show(f"  {prediction.withheld.sentence}: no tag of music is promised")
        chosen = self._chosen(prediction)
        for found in chosen:
            show(f"  {found.probability:.2f}  {found.label}")
        if not chosen:
            show(f"  no tag can be promised at precision {self._options.precision:g}")
        if self._options.over_time and prediction.over_time is not None and chosen:
            _show_over_time(prediction.over_time, chosen)
        for label in self._options.explained:
            for line in explanation_lines(prediction.evidence(label), prediction.duration_seconds):
                show(f"  {line}")

    def close(self) -> None:
        """Do nothing; text needs no end."""

    def _chosen(self, prediction: "Prediction") -> "list[Tag]":
        if self._options.precision is None:
            return prediction.top(self._options.top)
        return prediction.promised(self._options.precision)[: self._options.top]


class JsonResults:
    """Writes all tracks as one JSON array."""

    def __init__(self, options: ResultOptions) -> None:
        self._options = options
        self._opened = False

    def write(self, prediction: "Prediction", profile: "Profile | None" = None) -> None:
        """Write all results of one track as an object."""
        record = json_text(_record(prediction, profile, self._options), indent=1)
        with whole():
            before, self._opened = self._opened, True
            show(("," if before else "[") + "\n" + record)

    def close(self) -> None:
        """Close the array."""
        show("]" if self._opened else "[]")


class JsonLinesResults:
    """Writes each track as a JSON object in one line."""

    def __init__(self, options: ResultOptions) -> None:
        self._options = options

    def write(self, prediction: "Prediction", profile: "Profile | None" = None) -> None:
        """Write all results of one track as an object."""
        show(json_text(_record(prediction, profile, self._options)))

    def close(self) -> None:
        """Do nothing; lines need no end."""


class CsvResults:
    """Writes a CSV table with one column for each tag and one row for each track, or for each window of it."""

    def __init__(self, options: ResultOptions) -> None:
        self._options = options
        self._writer = csv.writer(sys.stdout, lineterminator="\n")
        self._headed = False

    def write(self, prediction: "Prediction", profile: "Profile | None" = None) -> None:
        """Write a track's row, or the rows of its windows. Tags that do not promise the precision have empty cells."""
        del profile
        windowed = prediction.over_time if self._options.over_time else None
        if not self._headed:
            header = prediction.csv_header()
            self._writer.writerow(header if windowed is None else ["source", "seconds", "withheld", *prediction.labels])
            self._headed = True
        if windowed is None:
            self._writer.writerow(prediction.csv_row(self._options.precision))
            return
        # What runs a model is imported here, so that --help and a wrong option answer at once.
        from earmark.tagging.withheld import promisable

        labels, tags = prediction.labels, prediction.tags
        kept = set(labels)
        if self._options.precision is not None:
            kept = {tag.label for tag in prediction.promised(self._options.precision)}
        rows = zip(windowed.seconds, windowed.probabilities, windowed.withheld, strict=True)
        for second, values, withheld in rows:
            here = kept
            if self._options.precision is not None:
                here = kept & {tag.label for tag, may in zip(tags, promisable(tags, withheld), strict=True) if may}
            cells = [f"{value:.6f}" if label in here else "" for label, value in zip(labels, values, strict=True)]
            reason = "" if withheld is None else withheld.sentence
            self._writer.writerow([text_of(prediction.source), f"{second:.3f}", reason, *cells])

    def close(self) -> None:
        """Flush standard output."""
        sys.stdout.flush()


def _record(prediction: "Prediction", profile: "Profile | None", options: ResultOptions) -> dict[str, object]:
    """Return all results of a track as JSON values, with the requested evidence, precision and profile."""
    record = prediction.to_dict(evidence=options.explained)
    if options.precision is not None:
        kept = [tag.label for tag in prediction.promised(options.precision)]
        record["promised"] = {"precision": options.precision, "tags": kept}
    if profile is not None:
        record["profile"] = profile.to_dict()
    return record


def _show_over_time(over_time: "OverTime", chosen: "list[Tag]") -> None:
    """Show a table of text with one row for each window and one column for each tag."""
    columns = [over_time.labels.index(found.label) for found in chosen]
    show("  " + "  ".join(["seconds", *(found.label for found in chosen)]))
    for second, values in zip(over_time.seconds, over_time.probabilities, strict=True):
        cells = [f"{values[column]:{len(found.label)}.2f}" for column, found in zip(columns, chosen, strict=True)]
        show(f"  {second:7.1f}  {'  '.join(cells)}")


def explanation_lines(evidence: "Evidence", duration_seconds: float) -> list[str]:
    """Return lines that explain a tag: what each level of each scale contributes, and when the tag is strongest."""
    levels = sorted({part.level for part in evidence.parts})
    scales = list(dict.fromkeys(part.extractor for part in evidence.parts))
    added = {(part.extractor, part.level): part.contribution for part in evidence.parts}
    width = max(5, *(len(scale) for scale in scales))
    exactness = "" if evidence.exact else f" (drawn; to ±{max(part.error for part in evidence.parts):.2f})"
    lines = [
        f"why {evidence.label}: its log odds are {evidence.base:+.2f} when nothing is known of a track, "
        f"{evidence.log_odds:+.2f} here; the difference, by scale and level{exactness}:",
        f"  {'scale':{width}}  " + "  ".join(f"{f'L{level}':>6}" for level in levels),
    ]
    for scale in scales:
        cells = [f"{added[scale, level]:+6.2f}" if (scale, level) in added else " " * 6 for level in levels]
        lines.append(f"  {scale:{width}}  {'  '.join(cells)}".rstrip())
    stretches = ", ".join(f"{clock(round(start))} to {clock(round(end))}" for start, end in evidence.strongest)
    low, high = float(evidence.curve.min()), float(evidence.curve.max())
    return [
        *lines,
        f"  strongest {stretches}",
        f"  0:00 {_curve_line(evidence)} {clock(round(duration_seconds))}  from {low:.2f} to {high:.2f}",
    ]


def _curve_line(evidence: "Evidence") -> str:
    """Draw the curve as bars from 0 to 1; where windows share a bar, it shows their largest value."""
    curve = evidence.curve
    columns = min(len(curve), _CURVE_CHARACTERS)
    edges = [column * len(curve) // columns for column in range(columns + 1)]
    heights = [float(curve[first:last].max()) for first, last in itertools.pairwise(edges)]
    return "".join(_BARS[min(len(_BARS) - 1, int(height * len(_BARS)))] for height in heights)
