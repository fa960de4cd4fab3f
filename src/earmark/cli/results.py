"""Results of `earmark tag` on stdout: for a person, for a program, for a spreadsheet."""

import csv
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from earmark.cli.ending import whole
from earmark.cli.explanation import explanation_lines
from earmark.cli.output import json_text, show
from earmark.file_name import text_of

if TYPE_CHECKING:
    from earmark.audio.stopwatch import Profile
    from earmark.tagging.prediction import OverTime, Prediction, Tag


@dataclass(frozen=True)
class Shown:
    """What is shown of a prediction.

    `top`: how many tags a person sees; `precision`: only tags that promise it, or None for all; `explained`: tags of
    which the evidence is shown.
    """

    top: int
    over_time: bool
    precision: float | None
    explained: tuple[str, ...]


class Writer(Protocol):
    """A form of results on stdout."""

    def __init__(self, shown: Shown) -> None: ...

    def write(self, prediction: "Prediction", profile: "Profile | None" = None) -> None:
        """Write one track; where its time went has a place in JSON only."""

    def close(self) -> None:
        """Write what only the end can say."""


class Text:
    """For a person: a block a track."""

    def __init__(self, shown: Shown) -> None:
        self._shown = shown

    def write(self, prediction: "Prediction", profile: "Profile | None" = None) -> None:
        """Write one track: its most probable tags, or those that can be promised; of silence that it is silence."""
        del profile
        marks = [
            mark for mark, there in (("truncated", prediction.truncated), ("short", bool(prediction.short))) if there
        ]
        show(f"{prediction.source}{''.join(f'  [{mark}]' for mark in marks)}")
        if prediction.silent:
            show("  silence")
            return
        chosen = self._chosen(prediction)
        for found in chosen:
            show(f"  {found.probability:.2f}  {found.label}")
        if not chosen:
            show(f"  no tag can be promised at precision {self._shown.precision:g}")
        if self._shown.over_time and prediction.over_time is not None and chosen:
            _write_over_time(prediction.over_time, chosen)
        for label in self._shown.explained:
            for line in explanation_lines(prediction.evidence(label), prediction.duration_seconds):
                show(f"  {line}")

    def close(self) -> None:
        """Nothing is left to say."""

    def _chosen(self, prediction: "Prediction") -> "list[Tag]":
        if self._shown.precision is None:
            return prediction.top(self._shown.top)
        return prediction.promised(self._shown.precision)[: self._shown.top]


class JsonArray:
    """For a program: one array."""

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._opened = False

    def write(self, prediction: "Prediction", profile: "Profile | None" = None) -> None:
        """Write one track, with everything known of it."""
        record = json_text(_record(prediction, profile, self._shown), indent=1)
        with whole():
            before, self._opened = self._opened, True
            show(("," if before else "[") + "\n" + record)

    def close(self) -> None:
        """Close the array."""
        show("]" if self._opened else "[]")


class JsonLines:
    """For a program that reads as results come: one object a line."""

    def __init__(self, shown: Shown) -> None:
        self._shown = shown

    def write(self, prediction: "Prediction", profile: "Profile | None" = None) -> None:
        """Write one track, with everything known of it."""
        show(json_text(_record(prediction, profile, self._shown)))

    def close(self) -> None:
        """Nothing is left to say."""


class Table:
    """For a spreadsheet: a row a track (or a window of one), a column a tag."""

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self._writer = csv.writer(sys.stdout, lineterminator="\n")
        self._headed = False

    def write(self, prediction: "Prediction", profile: "Profile | None" = None) -> None:
        """Write one track's row, or the rows of its windows; a tag that cannot be promised has an empty cell."""
        del profile
        windowed = prediction.over_time if self._shown.over_time else None
        if not self._headed:
            header = prediction.csv_header()
            self._writer.writerow(header if windowed is None else ["source", "seconds", *prediction.labels])
            self._headed = True
        if windowed is None:
            self._writer.writerow(prediction.csv_row(self._shown.precision))
            return
        labels = prediction.labels
        kept = set(labels)
        if self._shown.precision is not None:
            kept = {tag.label for tag in prediction.promised(self._shown.precision)}
        for second, values in zip(windowed.seconds, windowed.probabilities, strict=True):
            cells = [f"{value:.6f}" if label in kept else "" for label, value in zip(labels, values, strict=True)]
            self._writer.writerow([text_of(prediction.source), f"{second:.3f}", *cells])

    def close(self) -> None:
        """Hand over what is still held."""
        sys.stdout.flush()


def _record(prediction: "Prediction", profile: "Profile | None", shown: Shown) -> dict[str, object]:
    """Everything known of a track, and what was asked for beside it."""
    record = prediction.to_dict(evidence=shown.explained)
    if shown.precision is not None:
        kept = [tag.label for tag in prediction.promised(shown.precision)]
        record["promised"] = {"precision": shown.precision, "tags": kept}
    if profile is not None:
        record["profile"] = profile.to_dict()
    return record


def _write_over_time(over_time: "OverTime", chosen: "list[Tag]") -> None:
    """A row a window, a column a tag, for a person."""
    places = [over_time.labels.index(found.label) for found in chosen]
    show("  " + "  ".join(["seconds", *(found.label for found in chosen)]))
    for second, values in zip(over_time.seconds, over_time.probabilities, strict=True):
        cells = [f"{values[place]:{len(found.label)}.2f}" for place, found in zip(places, chosen, strict=True)]
        show(f"  {second:7.1f}  {'  '.join(cells)}")
