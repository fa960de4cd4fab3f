"""Draw all figures of a measured run: the letter's figures 1 to 5, and the filters of every raw scale."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from earmark.errors import TrainingError
from earmark.plots import style
from earmark.training.figures.architecture import draw_architecture
from earmark.training.figures.charts import draw_levels, draw_local_and_global, draw_scale_combinations
from earmark.training.figures.gains import draw_gains
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
    """Draw the figures of a measured run such as runs/demo, and return the files written.

    Args:
        folder: the folder of the run.
        output: the folder of the figures; without it the folder `figures` of the run.
        formats: the endings of the files.
        side: the side that was measured.
        level_scale: the scale of figure 3 and of the levels in figure 5; without it the letter's 27 frames, or the
            first scale whose levels were measured.
        say: told which figures cannot be drawn, and what the recipe lacks for them.

    Raises:
        TrainingError: the folder holds no evaluation of this side, or the folder of the figures cannot be made.
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
    """Return what draws each figure, by the name of its file."""
    return {
        "figure-1-architecture": lambda: draw_architecture(run),
        "figure-2-local-and-global": lambda: draw_local_and_global(run),
        "figure-3-levels": lambda: draw_levels(run, level_scale),
        "figure-4-scale-combinations": lambda: draw_scale_combinations(run),
        "figure-5-gains": lambda: draw_gains(run, level_scale),
        **{f"filters-{scale}": partial(_filters, run, scale) for scale in run.recipe.local.scales if is_raw(scale)},
    }


def _filters(run: MeasuredRun, scale: int) -> "Figure":
    # Imported here, because it loads torch, which no other figure needs.
    from earmark.training.figures.filters import draw_filters

    return draw_filters(run, scale)
