"""What a printer would check of a figure: nothing clipped, no label over another."""

from itertools import pairwise
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text


def texts(figure: Any) -> list[str]:
    """All that is written in a figure."""
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def check_layout(figure: Any) -> None:
    """Everything drawn is inside the figure, and tick labels of one axis do not overlap."""
    # As it is saved: at fewer dots an inch, letters are rounded to wider ones.
    figure.set_dpi(300)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    drawn = figure.get_tightbbox(renderer)  # in inches
    wide, tall = figure.get_size_inches()
    assert drawn.x0 >= -0.01 and drawn.y0 >= -0.01, f"cut off on the left or below: {drawn}"
    assert drawn.x1 <= wide + 0.01 and drawn.y1 <= tall + 0.01, f"cut off on the right or above: {drawn}"
    for axes in figure.axes:
        for axis, low, high in ((axes.xaxis, "x0", "x1"), (axes.yaxis, "y0", "y1")):
            labels = [label for tick in axis._update_ticks() for label in (tick.label1, tick.label2)]
            boxes = [label.get_window_extent(renderer) for label in labels if label.get_visible() and label.get_text()]
            for one, other in pairwise(sorted(boxes, key=lambda box: getattr(box, low))):
                assert getattr(one, high) <= getattr(other, low) + 1.5, f"tick labels of {axis} overlap"
