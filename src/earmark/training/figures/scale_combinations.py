"""Figure 4: combinations of scales, as many as were measured."""

from typing import TYPE_CHECKING

from earmark.errors import TrainingError
from earmark.training.figures.measured import MeasuredRun
from earmark.training.figures.subset_chart import Subset, draw_subsets
from earmark.training.networks.scales import unit_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_scale_combinations(run: MeasuredRun) -> "Figure":
    """Draw every measured subset of the recipe's scales, grouped by how many scales are in it.

    Raises:
        TrainingError: no combination of several scales was measured beside a single one.
    """
    measured = [row for row in run.rows if row.kind == "global" and row.scales and row.levels == run.levels]
    if len({len(row.scales) for row in measured}) < 2:
        raise TrainingError(
            "no combination of several scales was measured beside a single one. "
            'Name several in local.scales and add "scale-subsets" to evaluation.compare.'
        )
    scales = run.recipe.local.scales
    possible = 2 ** len(scales) - 1
    return draw_subsets(
        run,
        f"Scale combinations, {run.levels_label}",
        " or ".join(dict.fromkeys(unit_of(scale) for scale in scales)),
        [str(scale) for scale in scales],
        [Subset(frozenset(str(scale) for scale in row.scales), row.mean, row.deviation) for row in measured],
        f"Global classifier on the scales with a black dot; {len(measured)} of {possible} combinations were measured.",
    )
