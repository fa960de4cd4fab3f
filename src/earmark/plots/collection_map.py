"""A collection in two dimensions: a point a track, in the colour and mark of the tag that stands out in it."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.plots import style

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
"""Okabe and Ito's colours; further tags share the last, quiet mark."""
OTHERS = style.Mark(style.QUIET, ".")
FEW_TRACKS, FEW_POINTS, MANY_POINTS = 300, 14.0, 0.6
"""Up to so many tracks a mark has the larger area (square points); from a hundred times as many on the smaller."""


def draw_collection_map(
    points: npt.NDArray[np.float32], tag: npt.NDArray[np.int64], labels: tuple[str, ...], share: float, path: Path
) -> None:
    """Draw tracks as points, alike ones close together, with the most frequent tags beside.

    points: (tracks, 2), -1 to 1. tag: (tracks,), each track's place in `labels`. share: of all differences between
    tracks, what both axes show. The format follows from the file's ending, such as .png or .svg.

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
    """The area of a mark, smaller the more there are."""
    share = np.clip(np.log(max(tracks, 1) / FEW_TRACKS) / np.log(100.0), 0.0, 1.0)
    return float(FEW_POINTS + (MANY_POINTS - FEW_POINTS) * share)
