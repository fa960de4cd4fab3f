"""Figure 2: local against global prediction at each segment length."""

from typing import TYPE_CHECKING

from earmark.errors import TrainingError
from earmark.plots import style
from earmark.training.figures.measured import MeasuredRow, MeasuredRun, quoted
from earmark.training.networks.scales import seconds_of, unit_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_NEEDED = ("local", "multi-level")


def draw_local_and_global(run: MeasuredRun) -> "Figure":
    """Draw both predictions against the segment length, one point for each scale of the recipe that has both.

    Raises:
        TrainingError: no scale has both.
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
    """Draw means joined by a line, with a bar where something was repeated."""
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
