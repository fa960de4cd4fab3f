"""Draw the tags of one track over time."""

from pathlib import Path

import numpy as np

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
