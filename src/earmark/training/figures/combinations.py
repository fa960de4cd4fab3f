"""Figures 3 and 4: combinations of the levels of one scale, and combinations of scales.

Both are charts of subsets: a row for each subset, with dots for its members and its number; the best one is marked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from typing import TYPE_CHECKING

from earmark.errors import TrainingError
from earmark.plots import style
from earmark.training.figures.measured import MeasuredRow, MeasuredRun
from earmark.training.networks.scales import levels_of, unit_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_ROW_INCHES = 0.165
_ROUND_IT_INCHES = 0.72


@dataclass(frozen=True)
class Subset:
    """One row: the members of the subset, and how well it did."""

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
    """Choose four decimals, as the letter prints, where the means differ and vary by little; three elsewhere."""
    means = [subset.mean for subset in subsets]
    return 4 if max(means) - min(means) < 0.02 and max(subset.deviation for subset in subsets) < 0.005 else 3


def _band(axes: "Axes", rows: Sequence[Subset]) -> None:
    """Draw grey ground behind every other size."""
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


LETTER_SCALE = 27
"""The scale of which the letter shows the levels, in frames."""


def draw_levels(run: MeasuredRun, scale: int | None = None) -> "Figure":
    """Draw the level combinations of a scale: seven where the network is three deep.

    Without a scale, the letter's 27 frames are drawn, or the first scale of which all combinations were measured.

    Raises:
        TrainingError: not all combinations were measured.
    """
    chosen = _scale_of(run) if scale is None else scale
    if chosen not in run.recipe.local.scales:
        raise TrainingError(
            f"it has no scale {chosen}; its scales are {', '.join(str(known) for known in run.recipe.local.scales)}. "
            "Choose one of them with --level-scale."
        )
    wanted, measured = _combinations(run, chosen), _measured(run, chosen)
    if len(measured) < len(wanted):
        raise TrainingError(
            f"{len(measured)} of the {len(wanted)} level combinations of scale {chosen} were measured. "
            'Add "level-subsets" to evaluation.compare.'
        )
    return draw_subsets(
        run,
        f"Level combinations, segments of {chosen} {unit_of(chosen)}",
        "levels",
        [f"L{level}" for level in wanted[-1]],
        [
            Subset(frozenset(f"L{level}" for level in levels), row.mean, row.deviation)
            for levels, row in measured.items()
        ],
        f"Global classifier on the levels with a black dot; L1 is the first convolution, L{wanted[-1][-1]} the last.",
    )


def _scale_of(run: MeasuredRun) -> int:
    """Choose the letter's scale, else the first with all combinations, else the first."""
    scales = run.recipe.local.scales
    whole = [scale for scale in scales if len(_measured(run, scale)) == len(_combinations(run, scale))]
    if LETTER_SCALE in whole or (not whole and LETTER_SCALE in scales):
        return LETTER_SCALE
    return (*whole, *scales)[0]


def _combinations(run: MeasuredRun, scale: int) -> list[tuple[int, ...]]:
    """Return all combinations of a scale's levels, all levels last."""
    levels = levels_of(scale, run.recipe.local.raw.shape)
    return list(chain.from_iterable(combinations(levels, size) for size in range(1, len(levels) + 1)))


def _measured(run: MeasuredRun, scale: int) -> Mapping[tuple[int, ...], MeasuredRow]:
    """Find the measured combinations; the multi-level row stands for all levels where these were not measured apart."""
    everything = _combinations(run, scale)[-1]
    measured = {}
    for levels in _combinations(run, scale):
        rows = run.rows_of("global", (scale,), levels) or (
            run.rows_of("global", (scale,)) if levels == everything else ()
        )
        if rows:
            measured[levels] = rows[0]
    return measured


def draw_scale_combinations(run: MeasuredRun) -> "Figure":
    """Draw every measured subset of the recipe's scales, grouped by how many scales are in it.

    Raises:
        TrainingError: no combination of several scales was measured beside a single one.
    """
    measured = [row for row in run.rows if row.kind == "global" and row.scales and row.levels == run.levels]
    if len({len(row.scales) for row in measured}) < 2:
        raise TrainingError(
            "no combination of several scales was measured beside a single one. "
            'Name several in local.scales and add "scale-subsets" to evaluation.compare.'
        )
    scales = run.recipe.local.scales
    possible = 2 ** len(scales) - 1
    return draw_subsets(
        run,
        f"Scale combinations, {run.levels_label}",
        " or ".join(dict.fromkeys(unit_of(scale) for scale in scales)),
        [str(scale) for scale in scales],
        [Subset(frozenset(str(scale) for scale in row.scales), row.mean, row.deviation) for row in measured],
        f"Global classifier on the scales with a black dot; {len(measured)} of {possible} combinations were measured.",
    )
