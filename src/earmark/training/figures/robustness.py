"""Draw the loss under perturbations of the sound, and the reliability of probabilities before and after calibration."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from earmark import __version__
from earmark.errors import TrainingError
from earmark.plots import style
from earmark.training.evaluation.provenance import commit
from earmark.training.evaluation.reliability import Promise, Reliability
from earmark.training.evaluation.robustness import Robustness, RobustnessRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_FALL = style.Mark(style.BLUE, "s")
_CHANGED = style.Mark(style.ORANGE, "o")


def draw_robustness(robustness: Robustness, path: Path) -> None:
    """Draw the fall of the metric, and the share of tracks whose three strongest tags change, for each perturbation.

    The ending of the file, such as .png or .svg, sets the format.

    Raises:
        TrainingError: no perturbation was measured.
        PictureError: the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    with style.house():
        style.save_figure(robustness_figure(robustness), path)


def robustness_figure(robustness: Robustness) -> "Figure":
    """Return the figure; the caller holds `style.house`."""
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


_RAW = style.Mark(style.ORANGE, "o")
_SHOWN = style.Mark(style.BLUE, "s")
_APART = 0.02
"""The horizontal distance between the marks of unchanged sound and of the worst perturbation."""
_LEAST_MADE = 10
"""The fewest promises of a perturbation that is drawn; with fewer, its precision would be chance."""


def draw_reliability(robustness: Robustness, path: Path) -> None:
    """Draw the reliability curve on unchanged sound, and the achieved precision under perturbations.

    The ending of the file, such as .png or .svg, sets the format.

    Raises:
        PictureError: the file cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    with style.house():
        style.save_figure(reliability_figure(robustness), path)


def reliability_figure(robustness: Robustness) -> "Figure":
    """Return the figure; the caller holds `style.house`."""
    dataset = robustness.dataset
    figure = style.new_figure(
        style.PAGE_INCHES,
        2.9,
        "Left: all pairs of track and tag in bins of equal mass; the legend has the expected calibration error of the "
        "curve, and the mean over tags of each tag's own. Right: bars are 95 % intervals over resampled tracks; above "
        f"the dotted line a promise was kept; perturbations that made {_LEAST_MADE} promises or more.\n"
        f"Model {robustness.model}, head {robustness.head_hash[:12]}; dataset {dataset.name} {dataset.hash[:12]}, "
        f"split {robustness.split} {dataset.split(robustness.split).hash[:12]}, side {robustness.side}, "
        f"{robustness.tracks} tracks, {len(robustness.tags)} tags. earmark {__version__}, commit {commit()}.",
    )
    first = robustness.rows[0]
    curves, promises = figure.subplots(1, 2)
    if robustness.calibrated:
        _draw_curve(curves, first.raw, _RAW, "scores")
        _draw_curve(curves, first.reliability, _SHOWN, "calibrated")
    else:
        _draw_curve(curves, first.raw, _RAW, "scores, not calibrated")
    curves.set_title("What a probability is worth")
    curves.set_xlabel("probability, mean of a bin")
    curves.set_ylabel("share of tracks with the tag")
    curves.legend(loc="lower right", handlelength=2.0)
    curves.grid()
    curves.set_aspect("equal")
    curves.set_xlim(0, 1.02)
    curves.set_ylim(0, 1.02)
    curves.plot([0, 1], [0, 1], color=style.QUIET, linewidth=0.8, linestyle=":", zorder=1)
    _draw_promises(promises, robustness)
    return figure


def _draw_curve(axes: "Axes", reliability: Reliability, mark: style.Mark, what: str) -> None:
    axes.plot(
        [part.probability for part in reliability.curve],
        [part.share for part in reliability.curve],
        marker=mark.marker,
        color=mark.colour,
        markeredgecolor=style.INK,
        markeredgewidth=0.4,
        label=f"{what}: {reliability.pooled_error:.3f}, by tag {reliability.error:.3f}",
        zorder=3,
    )


def _draw_promises(axes: "Axes", robustness: Robustness) -> None:
    axes.set_title("Promised and achieved precision")
    axes.set_xlabel("promised precision, and how often")
    axes.set_ylabel("achieved precision")
    axes.set_ylim(0, 1.02)
    axes.grid(axis="y")
    first, *others = robustness.rows
    made = [promise for promise in first.reliability.promises if promise.kept]
    if not made:
        axes.set_xticks([])
        axes.text(0.5, 0.5, "no tag was promised", transform=axes.transAxes, ha="center", color=style.QUIET)
        return
    places = [promise.precision for promise in made]
    limits = (min(places) - 0.04, max(places) + 0.08)
    axes.set_xlim(limits)
    axes.plot(limits, limits, color=style.QUIET, linewidth=0.8, linestyle=":", zorder=1)
    _draw_kept(axes, made, 0.0, _SHOWN, "unchanged sound")
    worst = [found for promise in made for found in _worst(promise.precision, others)]
    if worst:
        _draw_kept(axes, [promise for _, promise in worst], _APART, _RAW, "perturbation that kept it worst")
        for name, promise in worst:
            axes.annotate(
                name,
                (promise.precision + _APART, promise.achieved),
                (5, 0),
                textcoords="offset points",
                va="center",
                fontsize=style.FOOTER_POINTS,
                color=style.QUIET,
            )
    axes.set_xticks(places, [_tick(promise) for promise in made])
    axes.legend(loc="lower left")


def _tick(promise: Promise) -> str:
    return f"{promise.precision:g}\n{promise.tags} tag{'s' if promise.tags != 1 else ''}, {promise.kept} times"


def _draw_kept(axes: "Axes", promises: Sequence[Promise], apart: float, mark: style.Mark, label: str) -> None:
    axes.errorbar(
        [promise.precision + apart for promise in promises],
        [promise.achieved for promise in promises],
        yerr=[
            [max(0.0, promise.achieved - promise.low) for promise in promises],
            [max(0.0, promise.high - promise.achieved) for promise in promises],
        ],
        fmt=mark.marker,
        color=mark.colour,
        markeredgecolor=style.INK,
        markeredgewidth=0.4,
        elinewidth=0.8,
        capsize=2,
        label=label,
        zorder=3,
    )


def _worst(precision: float, rows: Sequence[RobustnessRow]) -> list[tuple[str, Promise]]:
    """Return the perturbation with the lowest achieved precision; an empty list where none has enough promises."""
    made = [
        (row.perturbation, promise)
        for row in rows
        for promise in row.reliability.promises
        if promise.precision == precision and promise.kept >= _LEAST_MADE
    ]
    return [min(made, key=lambda pair: pair[1].achieved)] if made else []
