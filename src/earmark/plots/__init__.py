"""Draw tags over time and the map of a collection. This needs matplotlib only (extra `plot`).

matplotlib is imported when the first picture is drawn. `style` also serves the figures of measured runs, which are in
`earmark.training.figures`.
"""

from earmark.plots.charts import draw_collection_map, draw_over_time
from earmark.plots.style import refuse_picture

__all__ = ["draw_collection_map", "draw_over_time", "refuse_picture"]
