"""Robustness: what each perturbation of the sound costs, and how often it changes the tags that a person sees."""

from pathlib import Path
from typing import TYPE_CHECKING

from earmark import __version__
from earmark.errors import TrainingError
from earmark.plots import style
from earmark.training.evaluation.commit import commit
from earmark.training.trials.robustness import Robustness, RobustnessRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FALL = style.Mark(style.BLUE, "s")
_CHANGED = style.Mark(style.ORANGE, "o")


def draw_robustness(robustness: Robustness, path: Path) -> None:
    """Draw a row a perturbation: the fall of the task's number, and the share of tracks whose top three tags change.

    The format follows from the file's ending, such as .png or .svg.

    Raises:
        TrainingError: nothing was perturbed.
        PictureError: the picture cannot be written there.
        MissingExtraError: matplotlib is not installed.
    """
    with style.house():
        style.save_figure(robustness_figure(robustness), path)


def robustness_figure(robustness: Robustness) -> "Figure":
    """The figure itself; call it in `style.house`."""
    dataset, rows = robustness.dataset, robustness.rows[1:]
    if not rows:
        raise TrainingError("No perturbation was measured, so there is nothing to draw; measure at least one.")
    number = "accuracy" if dataset.task == "one-label" else "ROC-AUC"
    figure = style.new_figure(
        style.PAGE_INCHES,
        0.75 + 0.19 * max(len(rows), 3),
        "Bars: 95 % intervals, paired bootstrap over tracks. A fall below 0 is a rise.\n"
        f"Model {robustness.model}, head {robustness.head_hash[:12]}; dataset {dataset.name} {dataset.hash[:12]}, "
        f"split {robustness.split} {dataset.split(robustness.split).hash[:12]}, side {robustness.side}, "
        f"{robustness.tracks} tracks, {len(robustness.tags)} tags. earmark {__version__}, commit {commit()}.",
    )
    falls, changed = figure.subplots(1, 2, sharey=True)
    value = robustness.rows[0].metrics.value(dataset.task)
    falls.errorbar(
        [row.fall.mean for row in rows],
        range(len(rows)),
        xerr=[
            [max(0.0, row.fall.mean - row.fall.low) for row in rows],
            [max(0.0, row.fall.high - row.fall.mean) for row in rows],
        ],
        fmt=_FALL.marker,
        color=_FALL.colour,
        markeredgecolor=style.INK,
        markeredgewidth=0.4,
        elinewidth=0.8,
        capsize=2,
    )
    falls.axvline(0, color=style.QUIET, linewidth=0.8)
    falls.set_title(f"Fall of {number} from {value:.3f}")
    falls.set_xlabel(f"fall of {number}")
    falls.set_yticks(range(len(rows)), [row.perturbation for row in rows])
    falls.set_ylim(len(rows) - 0.4, -0.6)
    _draw_changed(changed, rows)
    for axes in (falls, changed):
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
    return figure


def _draw_changed(axes: "Axes", rows: tuple[RobustnessRow, ...]) -> None:
    shares = [100 * row.top_changed for row in rows]
    axes.hlines(range(len(rows)), 0, shares, color=_CHANGED.colour, linewidth=1.6, zorder=2)
    axes.plot(
        shares,
        range(len(rows)),
        linestyle="none",
        marker=_CHANGED.marker,
        color=_CHANGED.colour,
        markeredgecolor=style.INK,
        markeredgewidth=0.4,
        zorder=3,
        clip_on=False,
    )
    axes.set_title("Tracks with other top three tags")
    axes.set_xlabel("share of tracks in per cent")
    axes.set_xlim(0, max(10.0, 1.1 * max(shares)))
