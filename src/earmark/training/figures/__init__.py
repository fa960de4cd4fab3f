"""Figures of measured runs, in the style of earmark.plots: the letter's, and what a model is worth.

Everything is drawn from what was measured or from the recipe that was run, never from a published number.
"""

from earmark.training.figures.run import draw_run

__all__ = ["draw_run"]
