"""Draws all figures of a measured run, and says what is missing for those that cannot be drawn.

Beside the letter's five figures there is one of the filters of every raw scale.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.errors import TrainingError
from earmark.plots import style
from earmark.training.figures.architecture import draw_architecture
from earmark.training.figures.combinations import draw_levels, draw_scale_combinations
from earmark.training.figures.filters import draw_filters
from earmark.training.figures.gains import draw_gains
from earmark.training.figures.local_and_global import draw_local_and_global
from earmark.training.figures.measured import MeasuredRun, read_run
from earmark.training.networks.scales import is_raw
from earmark.training.recipe.sections import Side

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_run(
    folder: Path,
    output: Path | None = None,
    formats: Sequence[str] = ("png", "svg"),
    *,
    side: Side = "test",
    level_scale: int | None = None,
    say: Callable[[str], None],
) -> tuple[Path, ...]:
    """Draw the letter's figures 1 to 5, and filters, from a measured run such as runs/demo; return the files written.

    They go to `output`, without it to the run's folder `figures`. `level_scale` is the scale of figure 3 and of the
    levels in figure 5. `say` is told which figure could not be drawn, and what to add to the recipe.

    Raises:
        TrainingError: the run was not measured or is not one, or the folder cannot be made.
        PictureError: a figure cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    run = read_run(folder, side)
    target = folder / "figures" if output is None else output
    written: list[Path] = []
    with style.house():
        try:
            target.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrainingError(
                f"The folder {target} cannot be made ({error.strerror}); name another one with --output."
            ) from error
        for name, draw in _figures(run, level_scale).items():
            try:
                figure = draw()
            except TrainingError as error:
                say(f"{name} not drawn: {error}")
                continue
            for ending in formats:
                path = target / f"{name}.{ending}"
                style.save_figure(figure, path)
                written.append(path)
    return tuple(written)


def _figures(run: MeasuredRun, level_scale: int | None) -> Mapping[str, "Callable[[], Figure]"]:
    """Return the figures by the names of their files."""
    return {
        "figure-1-architecture": lambda: draw_architecture(run),
        "figure-2-local-and-global": lambda: draw_local_and_global(run),
        "figure-3-levels": lambda: draw_levels(run, level_scale),
        "figure-4-scale-combinations": lambda: draw_scale_combinations(run),
        "figure-5-gains": lambda: draw_gains(run, level_scale),
        **{f"filters-{scale}": partial(draw_filters, run, scale) for scale in run.recipe.local.scales if is_raw(scale)},
    }
