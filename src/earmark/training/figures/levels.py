"""Figure 3: every combination of the levels of one scale."""

from collections.abc import Mapping
from itertools import chain, combinations
from typing import TYPE_CHECKING

from earmark.errors import TrainingError
from earmark.training.figures.measured import MeasuredRow, MeasuredRun
from earmark.training.figures.subset_chart import Subset, draw_subsets
from earmark.training.networks.scales import levels_of, unit_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LETTER_SCALE = 27
"""The scale of which the letter shows the levels, in frames."""


def draw_levels(run: MeasuredRun, scale: int | None = None) -> "Figure":
    """Draw the level combinations of a scale: seven where the network is three deep.

    Without a scale it is the letter's 27 frames, or the first scale of which all combinations were measured.

    Raises:
        TrainingError: not all combinations were measured.
    """
    chosen = _scale_of(run) if scale is None else scale
    if chosen not in run.recipe.local.scales:
        raise TrainingError(
            f"it has no scale {chosen}; its scales are {', '.join(str(known) for known in run.recipe.local.scales)}. "
            "Choose one of them with --level-scale."
        )
    wanted, measured = _combinations(run, chosen), _measured(run, chosen)
    if len(measured) < len(wanted):
        raise TrainingError(
            f"{len(measured)} of the {len(wanted)} level combinations of scale {chosen} were measured. "
            'Add "level-subsets" to evaluation.compare.'
        )
    return draw_subsets(
        run,
        f"Level combinations, segments of {chosen} {unit_of(chosen)}",
        "levels",
        [f"L{level}" for level in wanted[-1]],
        [
            Subset(frozenset(f"L{level}" for level in levels), row.mean, row.deviation)
            for levels, row in measured.items()
        ],
        f"Global classifier on the levels with a black dot; L1 is the first convolution, L{wanted[-1][-1]} the last.",
    )


def _scale_of(run: MeasuredRun) -> int:
    """The letter's scale, else the first with all combinations, else the first."""
    scales = run.recipe.local.scales
    whole = [scale for scale in scales if len(_measured(run, scale)) == len(_combinations(run, scale))]
    if LETTER_SCALE in whole or (not whole and LETTER_SCALE in scales):
        return LETTER_SCALE
    return (*whole, *scales)[0]


def _combinations(run: MeasuredRun, scale: int) -> list[tuple[int, ...]]:
    """All combinations of a scale's levels, all levels last."""
    levels = levels_of(scale, run.recipe.local.raw.shape)
    return list(chain.from_iterable(combinations(levels, size) for size in range(1, len(levels) + 1)))


def _measured(run: MeasuredRun, scale: int) -> Mapping[tuple[int, ...], MeasuredRow]:
    """The measured ones; the multi-level row stands for all levels where these were not measured by name."""
    everything = _combinations(run, scale)[-1]
    measured = {}
    for levels in _combinations(run, scale):
        rows = run.rows_of("global", (scale,), levels) or (
            run.rows_of("global", (scale,)) if levels == everything else ()
        )
        if rows:
            measured[levels] = rows[0]
    return measured
