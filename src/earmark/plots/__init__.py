"""Pictures that need matplotlib alone (extra `plot`): tags over time, a collection's map, and the house style of all.

matplotlib is loaded when the first one is drawn. The figures of measured runs are in earmark.training.figures.
"""

from earmark.plots.collection_map import draw_collection_map
from earmark.plots.over_time import draw_over_time
from earmark.plots.style import refuse_picture

__all__ = ["draw_collection_map", "draw_over_time", "refuse_picture"]
