"""A chart of subsets: a row a subset, dots for what is in it, its number beside, the best one marked.

Figures 3 and 4 are both of this kind: levels of a scale, and scales.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from earmark.plots import style
from earmark.training.figures.measured import MeasuredRun

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW_INCHES = 0.165
_ROUND_IT_INCHES = 0.72


@dataclass(frozen=True)
class Subset:
    """One row: which members are in it, and how well it did."""

    members: frozenset[str]
    mean: float
    deviation: float


def draw_subsets(
    run: MeasuredRun, title: str, what: str, members: Sequence[str], subsets: Sequence[Subset], note: str
) -> "Figure":
    """Draw subsets grouped by size, the best of a size on top; `what` the members are, and a note for the footer."""
    rows = sorted(subsets, key=lambda subset: (len(subset.members), -subset.mean))
    figure = style.new_figure(
        style.COLUMN_INCHES,
        _ROUND_IT_INCHES + _ROW_INCHES * len(rows),
        f"{note} Star: the highest mean. {run.spread}\n{run.footer}",
    )
    figure.suptitle(title, x=0.02, ha="left", fontsize=style.TEXT_POINTS, fontweight="bold")
    matrix, values = figure.subplots(1, 2, sharey=True, width_ratios=(1.3 * max(len(members), 3), 10))
    for axes in (matrix, values):
        _band(axes, rows)
    _draw_matrix(matrix, what, members, rows)
    _draw_values(values, run.number, rows)
    matrix.set_ylim(len(rows) - 0.5, -0.5)
    return figure


def decimals(subsets: Sequence[Subset]) -> int:
    """Four, as the letter prints them, where the means differ and vary by little; three elsewhere."""
    means = [subset.mean for subset in subsets]
    return 4 if max(means) - min(means) < 0.02 and max(subset.deviation for subset in subsets) < 0.005 else 3


def _band(axes: "Axes", rows: Sequence[Subset]) -> None:
    """Grey ground behind every other size."""
    for row, subset in enumerate(rows):
        if len(subset.members) % 2 == 0:
            axes.axhspan(row - 0.5, row + 0.5, color=style.GROUND, linewidth=0, zorder=0)


def _draw_matrix(axes: "Axes", what: str, members: Sequence[str], rows: Sequence[Subset]) -> None:
    for row, subset in enumerate(rows):
        places = [place for place, member in enumerate(members) if member in subset.members]
        absent = [place for place in range(len(members)) if place not in places]
        axes.scatter(absent, [row] * len(absent), s=7, color=style.FAINT, linewidths=0)
        axes.plot(places, [row] * len(places), color=style.INK, linewidth=1.0, marker="o", markersize=4)
    axes.set_xticks(range(len(members)), members)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel(what)
    axes.set_xlim(-0.6, len(members) - 0.4)
    axes.tick_params(length=0, labelleft=False)
    axes.spines[:].set_visible(False)


def _draw_values(axes: "Axes", number: str, rows: Sequence[Subset]) -> None:
    best = max(subset.mean for subset in rows)
    places = decimals(rows)
    for row, subset in enumerate(rows):
        is_best = subset.mean == best
        axes.errorbar(
            subset.mean,
            row,
            xerr=subset.deviation or None,
            fmt=style.ALL.marker if is_best else style.GLOBAL.marker,
            color=style.ALL.colour if is_best else style.GLOBAL.colour,
            markersize=8 if is_best else 3.5,
            markeredgecolor=style.INK,
            markeredgewidth=0.4,
            elinewidth=0.8,
        )
        axes.annotate(
            f"{subset.mean:.{places}f}",
            (1.0, row),
            (5, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center_baseline",
            fontsize=style.SMALL_POINTS,
            fontweight="bold" if is_best else "normal",
        )
    axes.grid(axis="x")
    axes.set_xlabel(number)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.margins(x=0.08)
    axes.locator_params(axis="x", nbins=4)
