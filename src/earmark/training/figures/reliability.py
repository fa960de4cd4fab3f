"""Reliability: what probabilities were worth, before and after calibration, and which promises were kept."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from earmark import __version__
from earmark.plots import style
from earmark.training.evaluation.commit import commit
from earmark.training.trials.reliability import Promise, Reliability
from earmark.training.trials.robustness import Robustness, RobustnessRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_RAW = style.Mark(style.ORANGE, "o")
_SHOWN = style.Mark(style.BLUE, "s")
_APART = 0.02
"""How far beside its precision the worst perturbation stands."""
_LEAST_MADE = 10
"""Of fewer promises the worst perturbation would be the one that happened to make next to none."""


def draw_reliability(robustness: Robustness, path: Path) -> None:
    """Draw what a model's probabilities are worth on unchanged sound, and how its promises hold under perturbations.

    The format follows from the file's ending, such as .png or .svg.

    Raises:
        PictureError: the picture cannot be written there.
        MissingExtraError: matplotlib is not installed.
    """
    with style.house():
        style.save_figure(reliability_figure(robustness), path)


def reliability_figure(robustness: Robustness) -> "Figure":
    """The figure itself; call it in `style.house`."""
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
    """The perturbation that kept a promise of this precision worst, and how; none where none made enough of them."""
    made = [
        (row.perturbation, promise)
        for row in rows
        for promise in row.reliability.promises
        if promise.precision == precision and promise.kept >= _LEAST_MADE
    ]
    return [min(made, key=lambda pair: pair[1].achieved)] if made else []
