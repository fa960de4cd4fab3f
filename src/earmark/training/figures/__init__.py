"""Pictures, through matplotlib, which is loaded when the first one is drawn: tags over time, and the letter's figures.

Everything is drawn from what was measured or from the recipe that was run, never from a published number.
"""

from earmark.training.figures.over_time import draw_over_time
from earmark.training.figures.run import draw_run

__all__ = ["draw_over_time", "draw_run"]
