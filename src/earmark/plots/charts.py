"""Draw charts of tags: those of one track over time, and the map of a collection, in which a track is a point."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.errors import TagError
from earmark.plots import style
from earmark.tagging.prediction import Prediction


def draw_over_time(prediction: Prediction, path: Path, tags: int = 12) -> None:
    """Draw the likeliest tags of a track over time as a heat map, beside bars for the whole track.

    Each row is a tag; the most probable tag is at the top. The values are probabilities if the model is calibrated, and
    scores otherwise. path: the file to write; its ending, such as .png or .svg, chooses the format. tags: the number of
    rows at most. The palette is cividis, which also runs from dark to light when it is printed in grey.

    Raises:
        TagError: the prediction has no scores over time.
        PictureError: the picture cannot be written there.
        MissingExtraError: matplotlib is not installed.
    """
    if prediction.over_time is None:
        raise TagError("This prediction has no scores over time; ask for them with over_time= when tagging.")
    order = np.argsort(-prediction.probabilities, kind="stable")[:tags]
    seconds, likely = prediction.over_time.seconds, prediction.over_time.probabilities[:, order].T
    with style.house():
        model = prediction.model
        figure = style.new_figure(
            style.PAGE_INCHES,
            0.85 + 0.2 * len(order),
            f"Model {model.name}, head {model.head_hash[:12]}; windows of {prediction.over_time.window_seconds:g} s "
            f"every {prediction.over_time.hop_seconds:g} s. earmark {model.version}.",
        )
        heat, bars = figure.subplots(1, 2, width_ratios=(5, 1), sharey=True)
        picture = heat.imshow(
            likely,
            aspect="auto",
            cmap="cividis",
            vmin=0,
            vmax=1,
            interpolation="nearest",
            extent=(float(seconds[0]), float(seconds[-1]) + prediction.over_time.hop_seconds, len(order) - 0.5, -0.5),
        )
        heat.set_yticks(range(len(order)), [prediction.labels[tag] for tag in order])
        heat.tick_params(axis="y", length=0)
        heat.set_xlabel("start of the window in seconds")
        heat.set_title(f"{Path(prediction.source).name}: tags over time", loc="left")
        bars.barh(range(len(order)), prediction.probabilities[order], height=0.7, color=style.BLUE)
        for row, tag in enumerate(order):
            value = f"{prediction.probabilities[tag]:.2f}"
            bars.text(1.08, row, value, va="center_baseline", fontsize=style.SMALL_POINTS)
        bars.set_xlim(0, 1)
        bars.set_xlabel("whole track")
        bars.tick_params(axis="y", length=0)
        figure.colorbar(picture, ax=heat, label="probability" if prediction.calibrated else "score", pad=0.01)
        style.save_figure(figure, path)


SIDE_INCHES = 5.6
KEY_INCHES = 1.5
MARKS = (
    style.Mark("#0072b2", "o"),
    style.Mark("#d55e00", "s"),
    style.Mark("#009e73", "^"),
    style.Mark("#e69f00", "D"),
    style.Mark("#cc79a7", "v"),
    style.Mark("#56b4e9", "P"),
    style.Mark("#1a1a1a", "X"),
)
"""The marks of the most frequent tags, in Okabe and Ito's colours. All further tags share the mark OTHERS."""
OTHERS = style.Mark(style.QUIET, ".")
FEW_TRACKS, FEW_POINTS, MANY_POINTS = 300, 14.0, 0.6
"""Marks have the area FEW_POINTS (square points) up to FEW_TRACKS tracks, and MANY_POINTS from 100 times as many on."""


def draw_collection_map(
    points: npt.NDArray[np.float32], tag: npt.NDArray[np.int64], labels: tuple[str, ...], share: float, path: Path
) -> None:
    """Draw tracks as points, similar tracks close together, with a legend of the most frequent tags.

    points: (tracks, 2), from -1 to 1. tag: (tracks,), the index in `labels` of each track's most distinctive tag.
    share: the part of the variance between tracks that the two axes show, from 0 to 1. path: the file to write; its
    ending, such as .png or .svg, chooses the format.

    Raises:
        PictureError: the picture cannot be written there.
        MissingExtraError: matplotlib is not installed.
    """
    with style.house():
        figure = style.new_figure(
            SIDE_INCHES + KEY_INCHES,
            SIDE_INCHES,
            f"{len(points)} tracks along the two directions in which their vectors differ most, which show "
            f"{share:.0%} of all differences; marked by the tag that stands out in each.",
        )
        axes = figure.subplots()
        order = np.argsort(-np.bincount(tag, minlength=len(labels)), kind="stable")
        area = _area(len(points))
        chosen = [place for place in order[: len(MARKS)].tolist() if (tag == place).any()]
        others = ~np.isin(tag, chosen)
        if others.any():
            axes.scatter(
                points[others, 0],
                points[others, 1],
                s=area,
                marker=OTHERS.marker,
                color=OTHERS.colour,
                label="other tags",
            )
        for place, mark in zip(chosen, MARKS, strict=False):
            own = points[tag == place]
            axes.scatter(own[:, 0], own[:, 1], s=area, marker=mark.marker, color=mark.colour, label=labels[place])
        axes.set_aspect("equal")
        axes.set_xlim(-1.05, 1.05)
        axes.set_ylim(-1.05, 1.05)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[["left", "bottom"]].set_visible(False)
        if len(points):
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), markerscale=min(4.0, (FEW_POINTS / area) ** 0.5))
        style.save_figure(figure, path)


def _area(tracks: int) -> float:
    """Return the area of a mark in square points; it shrinks as the number of tracks grows."""
    share = np.clip(np.log(max(tracks, 1) / FEW_TRACKS) / np.log(100.0), 0.0, 1.0)
    return float(FEW_POINTS + (MANY_POINTS - FEW_POINTS) * share)
