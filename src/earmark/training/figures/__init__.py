"""Draw measured runs: the letter's figures 1 to 5, filters, robustness and reliability.

Every value comes from an evaluation that was run or from its recipe, never from a published table.

run               all figures of a run
measured          a run as `earmark evaluate` stored it
architecture      figure 1: the networks of the recipe
charts            figures 2 to 4: local against global prediction, combinations of levels and of scales
gains             figure 5: gains by tag
filters           filters of sample-level networks by frequency
robustness        the cost of perturbations, and the reliability of probabilities
"""

from earmark.training.figures.run import draw_run

__all__ = ["draw_run"]
