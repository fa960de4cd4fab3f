"""Show the tags of live sound as lines, as JSON, or as bars in a terminal."""

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from earmark.cli.output import clock, json_text, say, show

if TYPE_CHECKING:
    from earmark.tagging.bundle.card import TagName
    from earmark.tagging.live import Moment
    from earmark.tagging.prediction import Tag

TAGS_IN_LINE = 1
TAGS_IN_SUMMARY = 3
TAGS_IN_BARS = 3
"""The number of tags of each group that is shown by default in a line, in the summary, and as bars."""
WIDEST_BAR = 48
NARROWEST_BAR = 10
"""The least and the largest width of a bar in characters. A terminal too narrow for both omits the group names."""
HEADER_LINES = 2
LIKELY = 0.5
"""The probability from which a tag is highlighted."""
REPLACEMENT_MARGIN = 0.05
"""How much more probable than a displayed tag another one must be to replace it."""
_EIGHTHS = " ▏▎▍▌▋▊▉█"


class LiveOutput(Protocol):
    """Shows the tags of live sound."""

    def moment(self, moment: "Moment") -> None:
        """Show the tags of the last seconds."""

    def tell(self, line: str) -> None:
        """Show a message; any thread may call this."""

    def close(self) -> None:
        """Stop showing moments. `whole` may still be called."""

    def whole(self, moment: "Moment") -> None:
        """Show the tags of the whole sound."""


class LiveLines:
    """Writes one line of text for each moment."""

    def __init__(self, top: int | None) -> None:
        self._top = top

    def moment(self, moment: "Moment") -> None:
        """Show the most probable tags of each group."""
        groups = list(dict.fromkeys(tag.group for tag in moment.prediction.tags))
        # The groups keep their order, so that lines can be compared.
        tags = sorted(moment.tags(self._top or TAGS_IN_LINE), key=lambda tag: groups.index(tag.group))
        found = "  ".join(f"{tag.label} {tag.probability:.2f}" for tag in tags)
        withheld = moment.prediction.withheld
        parts = [*([withheld.sentence] if withheld is not None else []), *([found] if found else [])]
        show(f"{clock(moment.seconds):>8}  {'  '.join(parts)}")

    def tell(self, line: str) -> None:
        """Write a message to standard error."""
        say(f"earmark: {line}")

    def close(self) -> None:
        """Do nothing; lines need no end."""

    def whole(self, moment: "Moment") -> None:
        """Show the tags of the whole sound, one line for each group."""
        for line in summary_lines(moment, self._top):
            show(line)


class LiveJsonLines:
    """Writes one JSON object in a line for each moment."""

    def __init__(self, top: int | None) -> None:
        self._top = top

    def moment(self, moment: "Moment") -> None:
        """Write the tags of the last seconds."""
        self._write(moment, overall=False)

    def tell(self, line: str) -> None:
        """Write a message to standard error."""
        say(f"earmark: {line}")

    def close(self) -> None:
        """Do nothing; lines need no end."""

    def whole(self, moment: "Moment") -> None:
        """Write the tags of the whole sound."""
        self._write(moment, overall=True)

    def _write(self, moment: "Moment", *, overall: bool) -> None:
        record = {"overall": overall, **moment.to_dict(self._top)}
        show(json_text(record))


def summary_lines(moment: "Moment", top: int | None) -> list[str]:
    """Return a line with the length of the sound, then a line with the tags of each group."""
    withheld = moment.prediction.withheld
    reason = "" if withheld is None else f": {withheld.sentence}"
    lines = [f"{clock(moment.prediction.duration_seconds)} heard in all{reason}"]
    groups: dict[str, list[str]] = {}
    for tag in moment.tags(top or TAGS_IN_SUMMARY):
        groups.setdefault(tag.group, []).append(f"{tag.label} {tag.probability:.2f}")
    order = dict.fromkeys(tag.group for tag in moment.prediction.tags)
    width = max(len(group) for group in order)
    return lines + [f"  {group:{width}}  {'  '.join(groups[group])}" for group in order if group in groups]


class GroupRows:
    """Chooses the tags of one group that are displayed. A tag keeps its row as long as it is displayed."""

    def __init__(self, count: int) -> None:
        self._shown: list[str | None] = [None] * count

    def update(self, tags: "Sequence[Tag]") -> "list[Tag | None]":
        """Return the tag of each row; None for rows that are not used.

        tags: all tags of the group, most probable first. A tag is replaced only by one that is more probable by more
        than `REPLACEMENT_MARGIN`, so that tags of almost equal probability do not alternate.
        """
        found = {tag.label: tag for tag in tags}
        for tag in tags:
            if tag.label in self._shown:
                continue
            weakest = min(range(len(self._shown)), key=lambda row: self._probability(row, found))
            least = self._probability(weakest, found) + REPLACEMENT_MARGIN
            if self._shown[weakest] is not None and tag.probability <= least:
                break
            self._shown[weakest] = tag.label
        return [None if label is None else found[label] for label in self._shown]

    def blank(self) -> "list[Tag | None]":
        """Return empty rows, for silence. Tags keep their rows."""
        return [None] * len(self._shown)

    def _probability(self, row: int, found: "dict[str, Tag]") -> float:
        label = self._shown[row]
        return -1.0 if label is None else found[label].probability


class LiveBars:
    """Draws the tags of every group as bars in a terminal and redraws them for each moment."""

    def __init__(self, name: str, tags: "Sequence[TagName]", top: int | None, console: Console | None = None) -> None:
        """Show empty bars.

        name: the name of the sound. tags: the model's tags. top: the tags of each group to show; a terminal with too
        few lines shows fewer. console: the terminal; by default the one of standard output.
        """
        self._name = name
        self._top = top
        self._console = console = console or Console()
        sizes = {group: sum(tag.group == group for tag in tags) for group in dict.fromkeys(tag.group for tag in tags)}
        wanted = TAGS_IN_BARS if top is None else top
        room = max(len(sizes), console.height - HEADER_LINES - 1)
        while wanted > 1 and sum(min(wanted, size) for size in sizes.values()) > room:
            wanted -= 1
        self._rows = {group: GroupRows(min(wanted, size)) for group, size in sizes.items()}
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
        """Draw the tags of the last seconds."""
        with self._lock:
            self._live.update(self._picture(moment), refresh=True)

    def tell(self, line: str) -> None:
        """Print a message above the bars; any thread may call this."""
        with self._lock:
            self._console.print(Text(f"earmark: {line}"), soft_wrap=True)

    def close(self) -> None:
        """Remove the bars; messages above them stay."""
        self._live.stop()

    def whole(self, moment: "Moment") -> None:
        """Show the tags of the whole sound, one line for each group."""
        for line in summary_lines(moment, self._top):
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
        if moment.prediction.withheld is not None:
            parts.append((f"  {moment.prediction.withheld.sentence}", "bold yellow"))
        return Text.assemble(*parts, no_wrap=True, overflow="ellipsis")

    def _table(self, moment: "Moment | None") -> Table:
        table = Table.grid(padding=(0, 2, 0, 0), pad_edge=False)
        for width in self._widths:
            table.add_column(width=width, no_wrap=True)
        for group, rows in self._rows.items():
            tags = [] if moment is None else [tag for tag in moment.tags() if tag.group == group]
            shown = rows.update(tags) if tags else rows.blank()
            for number, tag in enumerate(shown):
                heading = [Text(group if number == 0 else "", style="dim")] if self._headed else []
                table.add_row(*heading, *self._row(tag))
            if self._spaced and group != list(self._rows)[-1]:
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
    """Return a bar that fills `share` of `width`, precise to an eighth of a character, or to a character in ASCII."""
    long = min(1.0, max(0.0, share)) * width
    if ascii_only:
        return "#" * round(long)
    full, eighths = divmod(round(long * 8), 8)
    return "█" * full + (_EIGHTHS[eighths] if eighths else "")
