"""Pictures, through matplotlib: readable in print and to colour-blind eyes."""

from pathlib import Path

import numpy as np

from earmark.errors import MissingExtraError, TagError
from earmark.tagging.prediction import Prediction


def draw_over_time(prediction: Prediction, path: Path, tags: int = 12) -> None:
    """Draw the strongest tags of a track over its time, a row a tag, as a heat map with the whole track's score beside.

    The format follows from the file's ending, such as .png or .svg. Rows are ordered by score; the palette (cividis)
    runs evenly from dark to light in grey print too.

    Raises:
        TagError: the prediction has no scores over time.
        MissingExtraError: matplotlib is not installed.
    """
    if prediction.over_time is None:
        raise TagError("This prediction has no scores over time; ask for them with over_time= when tagging.")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("Drawing", "train", error.name or "matplotlib") from error
    order = np.argsort(-prediction.scores)[:tags]
    seconds, scores = prediction.over_time.seconds, prediction.over_time.scores[:, order].T
    figure = Figure(figsize=(9, 0.9 + 0.34 * len(order)), layout="constrained")
    FigureCanvasAgg(figure)
    heat, bars = figure.subplots(1, 2, width_ratios=(5, 1), sharey=True)
    picture = heat.imshow(
        scores,
        aspect="auto",
        cmap="cividis",
        vmin=0,
        vmax=1,
        interpolation="nearest",
        extent=(float(seconds[0]), float(seconds[-1]) + prediction.over_time.hop_seconds, len(order) - 0.5, -0.5),
    )
    heat.set_yticks(range(len(order)), [prediction.labels[tag] for tag in order])
    heat.set_xlabel("start of the window in seconds")
    heat.set_title(f"{prediction.source}: tags over time", loc="left", fontsize=11)
    bars.barh(range(len(order)), prediction.scores[order], color="#31507a")
    for row, tag in enumerate(order):
        bars.text(
            min(prediction.scores[tag] + 0.03, 0.8), row, f"{prediction.scores[tag]:.2f}", va="center", fontsize=8
        )
    bars.set_xlim(0, 1.05)
    bars.set_xlabel("whole track")
    bars.spines[["top", "right"]].set_visible(False)
    figure.colorbar(picture, ax=heat, label="score", pad=0.01)
    figure.savefig(path, dpi=150)
