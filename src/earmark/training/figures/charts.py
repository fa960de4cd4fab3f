"""Draw figures 2 to 4: local against global prediction, combinations of levels, combinations of scales."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from typing import TYPE_CHECKING

from earmark.errors import TrainingError
from earmark.plots import style
from earmark.training.figures.measured import MeasuredRow, MeasuredRun, quoted
from earmark.training.networks.scales import levels_of, seconds_of, unit_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_NEEDED = ("local", "multi-level")


def draw_local_and_global(run: MeasuredRun) -> "Figure":
    """Draw figure 2: local and global prediction against the segment length, at each scale with both.

    Raises:
        TrainingError: no scale was measured both locally and globally.
    """
    pairs = [
        (scale, local[0], whole[0])
        for scale in sorted(run.recipe.local.scales)
        if (local := run.rows_of("local", (scale,))) and (whole := run.rows_of("global", (scale,), run.levels))
    ]
    if not pairs:
        raise TrainingError(
            f"no scale was measured both locally and globally. Add {quoted(_NEEDED)} to evaluation.compare."
        )
    figure = style.new_figure(style.COLUMN_INCHES, 2.3, f"{run.spread}\n{run.footer}")
    axes = figure.subplots()
    places = range(len(pairs))
    _draw_line(axes, [place - 0.04 for place in places], [local for _, local, _ in pairs], style.LOCAL, "--", "local")
    _draw_line(
        axes,
        [place + 0.04 for place in places],
        [whole for _, _, whole in pairs],
        style.GLOBAL,
        "-",
        f"global, {run.levels_label}",
    )
    axes.set_title("Local and global prediction")
    axes.set_xticks(places, [f"{scale}\n{seconds_of(scale):.2f} s" for scale, _, _ in pairs])
    axes.set_xlim(-0.4, len(pairs) - 0.6)
    units = dict.fromkeys(unit_of(scale) for scale, _, _ in pairs)
    axes.set_xlabel(f"segment length in {' or '.join(units)}, in seconds")
    axes.set_ylabel(run.number)
    axes.grid(axis="y")
    axes.margins(y=0.12)
    axes.legend(loc="best", handlelength=2.6)
    return figure


def _draw_line(
    axes: "Axes", places: list[float], rows: list[MeasuredRow], mark: style.Mark, line: str, label: str
) -> None:
    """Draw means joined by a line, with error bars where splits or seeds were repeated."""
    deviations = [row.deviation or float("nan") for row in rows]
    axes.errorbar(
        places,
        [row.mean for row in rows],
        yerr=deviations,
        fmt=mark.marker,
        linestyle=line,
        color=mark.colour,
        markeredgecolor=style.INK,
        markeredgewidth=0.4,
        elinewidth=0.8,
        capsize=2,
        label=label,
    )


_ROW_INCHES = 0.165
_ROUND_IT_INCHES = 0.72


@dataclass(frozen=True)
class Subset:
    """A row of figure 3 or 4: the members of a subset, and the mean and deviation of its metric."""

    members: frozenset[str]
    mean: float
    deviation: float


def draw_subsets(
    run: MeasuredRun, title: str, what: str, members: Sequence[str], subsets: Sequence[Subset], note: str
) -> "Figure":
    """Draw a chart of subsets, grouped by size, with the best of each size on top.

    Args:
        run: the run that the values belong to.
        title: the title of the figure.
        what: the name of the members, such as "levels".
        members: all members, in the order of the columns.
        subsets: the rows.
        note: the explanation in the footer.
    """
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
    """Return the number of decimals: four, as in the letter, where means and deviations are close, else three."""
    means = [subset.mean for subset in subsets]
    return 4 if max(means) - min(means) < 0.02 and max(subset.deviation for subset in subsets) < 0.005 else 3


def _band(axes: "Axes", rows: Sequence[Subset]) -> None:
    """Draw a grey background behind subsets of even size."""
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
"""The scale whose levels the letter shows, in frames."""


def draw_levels(run: MeasuredRun, scale: int | None = None) -> "Figure":
    """Draw figure 3: all combinations of the levels of a scale (seven for three levels).

    Without `scale` the figure shows the letter's 27 frames, or the first scale whose combinations were all measured.

    Raises:
        TrainingError: the recipe does not have the scale, or not all combinations were measured.
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
    """Return the letter's scale, or the first scale with all combinations, or the first scale."""
    scales = run.recipe.local.scales
    whole = [scale for scale in scales if len(_measured(run, scale)) == len(_combinations(run, scale))]
    if LETTER_SCALE in whole or (not whole and LETTER_SCALE in scales):
        return LETTER_SCALE
    return (*whole, *scales)[0]


def _combinations(run: MeasuredRun, scale: int) -> list[tuple[int, ...]]:
    """Return all combinations of the levels of a scale; the combination of all levels comes last."""
    levels = levels_of(scale, run.recipe.local.raw.shape)
    return list(chain.from_iterable(combinations(levels, size) for size in range(1, len(levels) + 1)))


def _measured(run: MeasuredRun, scale: int) -> Mapping[tuple[int, ...], MeasuredRow]:
    """Return the measured combinations; a multi-level row counts as the combination of all levels."""
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
    """Draw figure 4: every measured combination of the recipe's scales.

    Raises:
        TrainingError: the run has no combination of several scales, or no single scale.
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
