"""Draw figure 1, the architecture of a recipe: scales, blocks, levels, vector and global classifier."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from earmark.audio.logmel import LogMelSettings
from earmark.plots import style
from earmark.tagging.bundle.card import Convolution
from earmark.training.figures.measured import MeasuredRun
from earmark.training.networks.scales import (
    HIDDEN_UNITS,
    blocks_of,
    frames_seconds,
    is_raw,
    levels_of,
    seconds_of,
    segments_of,
    unit_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# All lengths are in inches from the lower left corner.
_LOCAL, _AGGREGATE, _GLOBAL = (0.08, 4.30), (4.37, 5.55), (5.62, 7.08)
_HEADING, _ROW_GAP, _CELL = 0.46, 0.16, 0.115
_LOWEST_ROW = 0.62
_TAGS_SHOWN = 10
_BLOCKS_WITH_ROOM = 6
_KEY = (
    "A block: filter length × channels with batch norm and ReLU, then its max-pool. Dashed: the local prediction, "
    "with which step 1 is trained."
)


@dataclass(frozen=True)
class Row:
    """The row of one scale.

    Attributes:
        scale: the scale.
        blocks: the blocks of its network.
        used: the levels that enter the vector.
        bottom, height: the place of the row in inches.
    """

    scale: int
    blocks: tuple[Convolution, ...]
    used: tuple[int, ...]
    bottom: float
    height: float

    @property
    def middle(self) -> float:
        """The height of the middle of the network, in inches; the lines to the vector run below it."""
        return self.bottom + self.height / 2 + 0.08

    @property
    def columns(self) -> int:
        """The number of values that this scale has in the vector."""
        return sum(self.blocks[level - 1].channels for level in self.used)


def draw_architecture(run: MeasuredRun) -> "Figure":
    """Draw the three steps of the recipe: local CNNs, aggregation, global classifier.

    Raises:
        RecipeError: there is no local CNN for one of the recipe's scales.
    """
    rows = _rows(run)
    height = rows[0].bottom + rows[0].height + _HEADING
    figure = style.new_figure(style.PAGE_INCHES, height, f"{_KEY}\n{run.footer}")
    axes = style.drawing_area(figure, style.PAGE_INCHES, height)
    clip_frames = run.recipe.data.clip_frames
    clip_seconds = frames_seconds(clip_frames)
    headings = (
        (_LOCAL, "1  Local CNNs", "one a segment length, trained with the clip's tags on every segment"),
        (_AGGREGATE, "2  Aggregation", f"clip: {clip_frames} frames, {clip_seconds:.1f} s"),
        (_GLOBAL, "3  Global classifier", "trained on the vectors"),
    )
    for (left, right), title, subtitle in headings:
        _box(axes, left, 0.06, right - left, height - 0.12, style.GROUND, edge=style.GROUND)
        _say(axes, left + 0.07, height - 0.17, title, style.TEXT_POINTS, align="left", weight="bold")
        _say(axes, left + 0.07, height - 0.32, subtitle, style.FOOTER_POINTS, align="left", colour=style.QUIET)
    marks = style.ordered_marks(max(len(row.blocks) for row in rows))
    for row in rows:
        _draw_network(axes, run, row, marks, max(len(other.blocks) for other in rows))
        _draw_vector_part(axes, run, row, marks)
    _draw_classifier(axes, run, rows)
    return figure


def _rows(run: MeasuredRun) -> list[Row]:
    """Return the rows of the recipe's scales from top to bottom."""
    rows: list[Row] = []
    bottom = 0.14
    for scale in reversed(run.recipe.local.scales):
        shape = run.recipe.local.raw.shape
        blocks = blocks_of(scale, shape)
        used = tuple(level for level in levels_of(scale, shape) if not run.levels or level in run.levels)
        height = max(_LOWEST_ROW, _CELL * len(used))
        rows.append(Row(scale, blocks, used, bottom, height))
        bottom += height + _ROW_GAP
    return rows[::-1]


def _draw_network(axes: "Axes", run: MeasuredRun, row: Row, marks: tuple[style.Mark, ...], deepest: int) -> None:
    """Draw one local CNN from left to right, and the line that gathers its levels."""
    middle, half = row.middle, 0.2
    _box(axes, 0.15, middle - half, 0.62, 2 * half, "#ffffff")
    _say(
        axes,
        0.46,
        middle + 0.09,
        f"{row.scale} {unit_of(row.scale)}",
        5.0 if is_raw(row.scale) else style.SMALL_POINTS,
        weight="bold",
    )
    _say(axes, 0.46, middle - 0.02, f"{seconds_of(row.scale):.2f} s", style.FOOTER_POINTS)
    kind = run.recipe.local.raw.block
    sound = "raw sound" if kind == "basic" else f"raw sound, {kind}"
    inputs = sound if is_raw(row.scale) else f"{LogMelSettings().mel_bands} mel bands"
    _say(axes, 0.46, middle - 0.12, inputs, 4.5, colour=style.QUIET)
    pitch = (3.29 - 0.87) / deepest
    deep = deepest > _BLOCKS_WITH_ROOM
    width = pitch - (0.06 if deep else 0.1)
    gather, left = row.bottom - 0.01, 0.77
    for level, block in enumerate(row.blocks, start=1):
        x = 0.87 + (level - 1) * pitch
        _arrow(axes, left, middle, x, middle)
        colour = marks[level - 1].colour
        ink = style.ink_on(colour)
        _box(axes, x, middle - half, width, 2 * half, colour)
        if deep:
            # Deep networks have narrow blocks, whose text is turned, with the number of the level above it.
            _say(axes, x + width / 2, middle + half + 0.06, f"L{level}", 4.5, weight="bold")
            _say(axes, x + width / 2, middle, _short(block), 4.5, colour=ink, turn=90)
        else:
            _say(axes, x + width / 2, middle + 0.10, f"L{level}", style.SMALL_POINTS, weight="bold", colour=ink)
            _say(axes, x + width / 2, middle - 0.01, f"{block.filter_length}×{block.channels}", 5.5, colour=ink)
            _say(axes, x + width / 2, middle - 0.12, f"pool {block.pool_length}", 5.0, colour=ink)
        if level in row.used:
            axes.plot((x + width / 2,) * 2, (middle - half, gather), color=style.INK, linewidth=0.7)
            axes.plot(x + width / 2, gather, marker="o", markersize=1.8, color=style.INK)
        left = x + width
    activation = "softmax" if run.local_one_label else "sigmoid"
    boxes = [(3.80, 0.42, f"{run.local_tags} tags\n{activation}", 5.5)]
    if not is_raw(row.scale):
        boxes.insert(0, (3.30, 0.40, f"dense\n{HIDDEN_UNITS}", 5.5))
    for x, wide, text, size in boxes:
        _arrow(axes, left, middle, x, middle)
        _box(axes, x, middle - 0.14, wide, 0.28, "#ffffff", line="--")
        _say(axes, x + wide / 2, middle, text, size)
        left = x + wide
    first = 0.87 + (row.used[0] - 1) * pitch + width / 2
    axes.plot((first, 4.40), (gather, gather), color=style.INK, linewidth=0.7)


def _short(block: Convolution) -> str:
    """Return the short text of a block: filter length × channels, then its stride or pool if it has one."""
    text = f"{block.filter_length}×{block.channels}"
    if block.stride > 1:
        return f"{text} /{block.stride}"
    return f"{text} –{block.pool_length}" if block.pool_length > 1 else text


def _draw_vector_part(axes: "Axes", run: MeasuredRun, row: Row, marks: tuple[style.Mark, ...]) -> None:
    """Draw one scale's part of the vector, with a cell for each level, and the aggregation that computes it."""
    segments = segments_of(row.scale, run.recipe.data.clip_frames)
    gather, cells = row.bottom - 0.01, 4.99
    middle = row.bottom + row.height / 2
    axes.plot((4.40, 4.43, 4.43), (gather, gather, middle), color=style.INK, linewidth=0.7)
    _arrow(axes, 4.43, middle, cells, middle)
    _say(axes, 4.69, middle + 0.12, "maximum of\na segment", 4.8)
    _say(axes, 4.69, middle - 0.12, f"mean over\n{segments} segment{'s' if segments > 1 else ''}", 4.8)
    cell = row.height / len(row.used)
    for number, level in enumerate(row.used):
        colour = marks[level - 1].colour
        bottom = row.bottom + row.height - (number + 1) * cell
        _box(axes, cells, bottom, 0.45, cell, colour, edge="#ffffff")
        text = f"L{level}  {row.blocks[level - 1].channels}"
        _say(axes, cells + 0.225, bottom + cell / 2, text, 5.0, colour=style.ink_on(colour))


def _draw_classifier(axes: "Axes", run: MeasuredRun, rows: list[Row]) -> None:
    """Draw the whole vector, the hidden layers and the tags."""
    top, bottom = rows[0].bottom + rows[0].height, rows[-1].bottom
    middle = (top + bottom) / 2
    brace = 5.47
    axes.plot((brace, brace + 0.04, brace + 0.04, brace), (top, top, bottom, bottom), color=style.INK, linewidth=0.7)
    columns = sum(row.columns for row in rows)
    left = 5.93
    axes.plot((brace + 0.04, 5.64), (middle, middle), color=style.INK, linewidth=0.7)
    _say(axes, 5.785, middle, str(columns), style.SMALL_POINTS, weight="bold")
    hidden = run.recipe.global_.hidden_units
    room = 6.40 - left
    tall = min(1.3, top - bottom)
    for number, units in enumerate(hidden):
        x = left + 0.08 + number * room / len(hidden)
        _arrow(axes, left if number == 0 else x - 0.06, middle, x, middle)
        wide = room / len(hidden) - 0.08
        _box(axes, x, middle - tall / 2, wide, tall, "#ffffff")
        _say(axes, x + wide / 2, middle, f"dense {units}", style.SMALL_POINTS, turn=90)
    _arrow(axes, 6.40, middle, 6.49, middle)
    _draw_tags(axes, run, middle, top - bottom)


def _draw_tags(axes: "Axes", run: MeasuredRun, middle: float, room: float) -> None:
    """Draw the names of the first tags, as many as fit, and the number of all tags."""
    line = 0.105
    fitting = max(2, min(_TAGS_SHOWN, int(room / line) - 3))
    shown = run.tags if len(run.tags) <= fitting else run.tags[: fitting - 1]
    names = [tag if len(tag) <= 12 else f"{tag[:11].rstrip()}…" for tag in shown]
    if len(shown) < len(run.tags):
        names.append("…")
    names += [f"{len(run.tags)} tags", "softmax" if run.one_label else "sigmoid"]
    tall = line * len(names) + 0.08
    _box(axes, 6.49, middle - tall / 2, 0.56, tall, "#ffffff")
    for number, name in enumerate(names):
        is_tag = number < len(names) - 2
        _say(
            axes,
            6.77,
            middle + tall / 2 - 0.04 - line * (number + 0.5),
            name,
            5.0,
            weight="normal" if is_tag else "bold",
        )


def _box(
    axes: "Axes", x: float, y: float, wide: float, tall: float, fill: str, edge: str = style.INK, line: str = "-"
) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((x, y), wide, tall, facecolor=fill, edgecolor=edge, linewidth=0.6, linestyle=line))


def _arrow(axes: "Axes", x: float, y: float, to_x: float, to_y: float) -> None:
    shape = {
        "arrowstyle": "-|>",
        "mutation_scale": 4.5,
        "linewidth": 0.7,
        "color": style.INK,
        "shrinkA": 0,
        "shrinkB": 0,
    }
    axes.annotate("", (to_x, to_y), (x, y), arrowprops=shape)


def _say(
    axes: "Axes",
    x: float,
    y: float,
    text: str,
    size: float,
    align: str = "center",
    weight: str = "normal",
    colour: str = style.INK,
    turn: float = 0,
) -> None:
    axes.text(x, y, text, fontsize=size, ha=align, va="center", fontweight=weight, color=colour, rotation=turn)
