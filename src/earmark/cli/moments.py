"""What a live sound was like, on stdout: a line for a person, or JSON for a program."""

from typing import TYPE_CHECKING, Protocol

from earmark.cli.clock import clock
from earmark.cli.console import say
from earmark.cli.output import json_text, show

if TYPE_CHECKING:
    from earmark.tagging.live import Moment

TAGS_A_LINE = 1
TAGS_AT_THE_END = 3
"""Tags of each group, where nothing else was asked for."""


class Shown(Protocol):
    """A form of answers about a live sound."""

    def moment(self, moment: "Moment") -> None:
        """Show an answer."""

    def tell(self, line: str) -> None:
        """Say what happened on the way; from any thread."""

    def close(self) -> None:
        """Show no more moments; the whole may still come."""

    def whole(self, moment: "Moment") -> None:
        """Show what all of the sound was like."""


class Lines:
    """For a person who keeps a log, or looks through a pipe: a line an answer."""

    def __init__(self, top: int | None) -> None:
        self._top = top

    def moment(self, moment: "Moment") -> None:
        """Show an answer: its most probable tags of each group."""
        groups = list(dict.fromkeys(tag.group for tag in moment.prediction.tags))
        # Group by group, so that what belongs together stays in its place from line to line.
        tags = sorted(moment.tags(self._top or TAGS_A_LINE), key=lambda tag: groups.index(tag.group))
        found = "  ".join(f"{tag.label} {tag.probability:.2f}" for tag in tags)
        show(f"{clock(moment.seconds):>8}  {'silence' if moment.silent else found}")

    def tell(self, line: str) -> None:
        """Say what happened on the way."""
        say(f"earmark: {line}")

    def close(self) -> None:
        """Nothing is held."""

    def whole(self, moment: "Moment") -> None:
        """Show what all of the sound was like, a line a group."""
        for line in whole_lines(moment, self._top):
            show(line)


class JsonLines(Lines):
    """For a program: an object a line."""

    def moment(self, moment: "Moment") -> None:
        """Show an answer."""
        self._write(moment, overall=False)

    def whole(self, moment: "Moment") -> None:
        """Show what all of the sound was like."""
        self._write(moment, overall=True)

    def _write(self, moment: "Moment", *, overall: bool) -> None:
        record = {"overall": overall, **moment.to_dict(self._top)}
        show(json_text(record))


def whole_lines(moment: "Moment", top: int | None) -> list[str]:
    """What all of a sound was like: its length, and a line a group."""
    lines = [f"{clock(moment.prediction.duration_seconds)} heard in all{': silence' if moment.silent else ''}"]
    groups: dict[str, list[str]] = {}
    for tag in moment.tags(top or TAGS_AT_THE_END):
        groups.setdefault(tag.group, []).append(f"{tag.label} {tag.probability:.2f}")
    order = dict.fromkeys(tag.group for tag in moment.prediction.tags)
    width = max(len(group) for group in order)
    return lines + [f"  {group:{width}}  {'  '.join(groups[group])}" for group in order if group in groups]
