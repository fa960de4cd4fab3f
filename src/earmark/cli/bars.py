"""Tags of a live sound as bars in a terminal: a layout that stays, so that only the bars move."""

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from earmark.cli.clock import clock
from earmark.cli.moments import whole_lines

if TYPE_CHECKING:
    from earmark.tagging.bundle.card import TagName
    from earmark.tagging.live import Moment
    from earmark.tagging.prediction import Tag

TAGS_A_GROUP = 3
WIDEST_BAR = 48
NARROWEST_BAR = 10
"""A terminal that has no room for this beside the groups' names does without the names."""
HEADER_LINES = 2
LIKELY = 0.5
"""From this probability on a tag stands out."""
AHEAD_BY = 0.05
"""What a tag has to be more probable by than one that is shown before it takes its place."""
_EIGHTHS = " ▏▎▍▌▋▊▉█"


class Places:
    """Which tags of one group are shown, and where: a tag keeps its place for as long as it is shown."""

    def __init__(self, count: int) -> None:
        self._shown: list[str | None] = [None] * count

    def take(self, tags: "Sequence[Tag]") -> "list[Tag | None]":
        """The tags to show now, of all of the group, most probable first; None where there are fewer tags than places.

        A tag leaves when another that is not shown is more probable by `AHEAD_BY`: near equals do not change places.
        """
        found = {tag.label: tag for tag in tags}
        for tag in tags:
            if tag.label in self._shown:
                continue
            weakest = min(range(len(self._shown)), key=lambda place: self._probability(place, found))
            if self._shown[weakest] is not None and tag.probability <= self._probability(weakest, found) + AHEAD_BY:
                break
            self._shown[weakest] = tag.label
        return [None if label is None else found[label] for label in self._shown]

    def blank(self) -> "list[Tag | None]":
        """Nothing to show, as long as there is silence; the places stay taken."""
        return [None] * len(self._shown)

    def _probability(self, place: int, found: "dict[str, Tag]") -> float:
        label = self._shown[place]
        return -1.0 if label is None else found[label].probability


class Bars:
    """The bars of all groups of a model, drawn anew with every answer."""

    def __init__(self, name: str, tags: "Sequence[TagName]", top: int | None, console: Console) -> None:
        """`name`: what is listened to. `top`: tags a group; fewer where the terminal is too low for them."""
        self._name = name
        self._top = top
        self._console = console
        sizes = {group: sum(tag.group == group for tag in tags) for group in dict.fromkeys(tag.group for tag in tags)}
        wanted = TAGS_A_GROUP if top is None else top
        room = max(len(sizes), console.height - HEADER_LINES - 1)
        while wanted > 1 and sum(min(wanted, size) for size in sizes.values()) > room:
            wanted -= 1
        self._places = {group: Places(min(wanted, size)) for group, size in sizes.items()}
        lines = sum(min(wanted, size) for size in sizes.values())
        self._spaced = lines + len(sizes) - 1 <= room
        label, number, between = max(len(tag.label) for tag in tags), len("0.00"), 2
        heading = max(len(group) for group in sizes)
        free = console.width - label - number - 2 * between
        self._headed = free - heading - between >= NARROWEST_BAR
        free -= heading + between if self._headed else 0
        bar_width = max(NARROWEST_BAR, min(WIDEST_BAR, free))
        self._widths = (*((heading,) if self._headed else ()), label, bar_width, number)
        self._bar_width = bar_width
        self._lock = threading.Lock()
        self._live = Live(
            self._picture(None), console=console, auto_refresh=False, transient=True, vertical_overflow="crop"
        )
        self._live.start(refresh=True)

    def moment(self, moment: "Moment") -> None:
        """Draw an answer."""
        with self._lock:
            self._live.update(self._picture(moment), refresh=True)

    def tell(self, line: str) -> None:
        """Say something above the bars; from any thread."""
        with self._lock:
            self._console.print(Text(f"earmark: {line}"), soft_wrap=True)

    def close(self) -> None:
        """Take the bars away; what was told above them stays."""
        self._live.stop()

    def whole(self, moment: "Moment") -> None:
        """Show what all of the sound was like, a line a group."""
        for line in whole_lines(moment, self._top):
            self._console.print(Text(line), soft_wrap=True)

    def _picture(self, moment: "Moment | None") -> Group:
        return Group(self._header(moment), Text(""), self._table(moment))

    def _header(self, moment: "Moment | None") -> Text:
        if moment is None:
            return Text.assemble((self._name, "bold"), "  waiting for sound", no_wrap=True, overflow="ellipsis")
        parts: list[str | tuple[str, str]] = [
            (self._name, "bold"),
            f"  {clock(moment.seconds)}  the last {int(moment.prediction.duration_seconds)} s",
        ]
        if moment.skipped_seconds:
            parts.append((f"  skipped {moment.skipped_seconds:.0f} s", "yellow"))
        if moment.silent:
            parts.append(("  silence", "bold yellow"))
        return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")

    def _table(self, moment: "Moment | None") -> Table:
        table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
        for width in self._widths:
            table.add_column(width=width, no_wrap=True)
        for group, places in self._places.items():
            tags = [] if moment is None else [tag for tag in moment.tags() if tag.group == group]
            shown = places.take(tags) if tags else places.blank()
            for number, tag in enumerate(shown):
                heading = [Text(group if number == 0 else "", style="dim")] if self._headed else []
                table.add_row(*heading, *self._row(tag))
            if self._spaced and group != list(self._places)[-1]:
                table.add_row()
        return table

    def _row(self, tag: "Tag | None") -> tuple[Text, Text, Text]:
        if tag is None:
            return Text(""), Text(""), Text("")
        likely = tag.probability >= LIKELY
        return (
            Text(tag.label, style="bold" if likely else ""),
            Text(
                bar(tag.probability, self._bar_width, self._console.options.ascii_only),
                style="cyan" if likely else "dim cyan",
            ),
            Text(f"{tag.probability:.2f}", style="" if likely else "dim"),
        )


def bar(share: float, width: int, ascii_only: bool = False) -> str:
    """A bar of so many eighths of characters as the share of the width has; of whole ones where there is only ASCII."""
    long = min(1.0, max(0.0, share)) * width
    if ascii_only:
        return "#" * round(long)
    full, eighths = divmod(round(long * 8), 8)
    return "█" * full + (_EIGHTHS[eighths] if eighths else "")
