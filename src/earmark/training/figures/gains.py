"""Draw figure 5: the gain of each level and each scale by tag."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from earmark.errors import TrainingError
from earmark.plots import style
from earmark.training.figures.charts import LETTER_SCALE
from earmark.training.figures.measured import MeasuredRow, MeasuredRun
from earmark.training.networks.scales import levels_of, unit_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW_INCHES = 0.145
_ROUND_IT_INCHES = 0.95


@dataclass(frozen=True)
class Panel:
    """A panel that compares methods; the last method combines all others.

    Attributes:
        title: the title of the panel.
        methods: the measured rows by their names in the legend.
    """

    title: str
    methods: Mapping[str, MeasuredRow]

    def gains(self, tag: str) -> dict[str, float]:
        """Return, by method, the ROC-AUC of a tag minus that of the weakest method."""
        values = {name: row.tag_auc[tag] for name, row in self.methods.items()}
        weakest = min(values.values())
        return {name: value - weakest for name, value in values.items()}

    @property
    def whole(self) -> MeasuredRow:
        """The row of the method that combines all others."""
        return list(self.methods.values())[-1]


def draw_gains(run: MeasuredRun, level_scale: int | None = None) -> "Figure":
    """Draw the gains by level, the gains by scale, and the ROC-AUC, with a row for each tag.

    Tags are sorted by ROC-AUC within their groups. Without `level_scale` the levels are those of the letter's 27
    frames, or of the first scale whose levels were measured.

    Raises:
        TrainingError: neither gains by level nor gains by scale were measured, or no gains by level at `level_scale`.
    """
    levels, scales = _levels_panel(run, level_scale), _scales_panel(run)
    panels = [*levels, *scales]
    if level_scale is not None and not levels:
        raise TrainingError(
            f"single levels beside {run.levels_label} were not measured at scale {level_scale}. Choose another one "
            f'with --level-scale, or have {level_scale} in local.scales and "single-levels", "multi-level" in '
            "evaluation.compare."
        )
    if not panels:
        raise TrainingError(
            "neither single levels beside all levels, nor single scales beside all scales were measured. "
            'Add "single-levels", "multi-level" and "multi-scale" to evaluation.compare.'
        )
    whole = panels[-1].whole
    absent = "" if levels else f" Single levels beside {run.levels_label} were not measured."
    absent += "" if scales else " Single scales beside all scales were not measured."
    lines = _lines(run, whole, panels)
    figure = style.new_figure(
        style.PAGE_INCHES,
        _ROUND_IT_INCHES + _ROW_INCHES * len(lines),
        "Gain: ROC-AUC of the tag over that of the weakest method in the same panel; scores averaged over seeds, all "
        f"tracks together. Right: ROC-AUC of {whole.name}, by which tags are sorted.{absent}\n{run.footer}",
    )
    axes = figure.subplots(1, len(panels) + 1, sharey=True, width_ratios=(*(3.0,) * len(panels), 1.5))
    for number, (place, panel) in enumerate(zip(axes, panels, strict=False)):
        _draw_panel(place, panel, lines, "abc"[number])
    _draw_auc(axes[-1], whole, lines, "abc"[len(panels)])
    first = axes[0]
    first.set_yticks(range(len(lines)), [line.removeprefix("\n") for line in lines])
    for text, line in zip(first.get_yticklabels(), lines, strict=True):
        text.set_fontweight("bold" if line.startswith("\n") else "normal")
    first.set_ylim(len(lines) - 0.5, -0.5)
    return figure


def _levels_panel(run: MeasuredRun, wanted: int | None) -> list[Panel]:
    """Return the panel of single levels and all levels of one scale; an empty list where these were not measured."""
    scales = sorted(run.recipe.local.scales, key=lambda scale: scale != LETTER_SCALE)
    for scale in scales if wanted is None else [wanted]:
        whole = run.rows_of("global", (scale,), run.levels)
        levels = levels_of(scale, run.recipe.local.raw.shape)
        single = [(level, run.rows_of("global", (scale,), (level,))) for level in levels]
        if whole and all(rows for _, rows in single):
            methods = {f"L{level}": rows[0] for level, rows in single} | {run.levels_label: whole[0]}
            return [Panel(f"levels, {scale} {unit_of(scale)}", methods)]
    return []


def _scales_panel(run: MeasuredRun) -> list[Panel]:
    """Return the panel of single scales and all scales; an empty list where these were not measured."""
    scales = run.recipe.local.scales
    whole = run.rows_of("global", scales, run.levels)
    single = [(scale, run.rows_of("global", (scale,), run.levels)) for scale in scales]
    if len(scales) < 2 or not whole or not all(rows for _, rows in single):
        return []
    methods = {str(scale): rows[0] for scale, rows in single} | {"all scales": whole[0]}
    return [Panel(f"scales, {run.levels_label}", methods)]


def _lines(run: MeasuredRun, whole: MeasuredRow, panels: Sequence[Panel]) -> list[str]:
    """Return tags by falling ROC-AUC; with several groups, each under a heading that starts with a line break."""
    tags = [
        tag
        for tag in sorted(whole.tag_auc, key=lambda tag: -whole.tag_auc[tag])
        if all(tag in row.tag_auc for panel in panels for row in panel.methods.values())
    ]
    groups = list(dict.fromkeys(run.groups.get(tag, "") for tag in run.tags))
    by_group = {group: [tag for tag in tags if run.groups.get(tag, "") == group] for group in groups}
    filled = {group: members for group, members in by_group.items() if members}
    if len(filled) < 2:
        return tags
    return [line for group, members in filled.items() for line in (f"\n{group}", *members)]


def _draw_panel(axes: "Axes", panel: Panel, lines: Sequence[str], letter: str) -> None:
    """Draw a mark for each method on the line of every tag; the weakest method is at 0."""
    marks = (*style.ordered_marks(len(panel.methods) - 1), style.ALL)
    rows = [(row, panel.gains(line)) for row, line in enumerate(lines) if not line.startswith("\n")]
    for row, gains in rows:
        axes.plot((0, max(gains.values())), (row, row), color=style.FAINT, linewidth=2.5, solid_capstyle="butt")
    for (name, mark), size in zip(zip(panel.methods, marks, strict=True), (*(16,) * (len(marks) - 1), 38), strict=True):
        axes.scatter(
            [gains[name] for _, gains in rows],
            [row for row, _ in rows],
            s=size,
            marker=mark.marker,
            color=mark.colour,
            edgecolors=style.INK,
            linewidths=0.35,
            label=name,
            zorder=3,
        )
    axes.set_title(f"({letter}) {panel.title}", pad=16)
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.03, 1.0),
        ncols=len(marks),
        handletextpad=0.0 if len(marks) > 4 else 0.1,
        columnspacing=0.35 if len(marks) > 4 else 0.9,
        borderaxespad=0.1,
        borderpad=0.0,
    )
    axes.set_xlabel("gain in ROC-AUC over the weakest")
    _dress(axes, lines)


def _draw_auc(axes: "Axes", whole: MeasuredRow, lines: Sequence[str], letter: str) -> None:
    """Draw the ROC-AUC of every tag as a mark and in digits."""
    tags = {row: whole.tag_auc[line] for row, line in enumerate(lines) if not line.startswith("\n")}
    axes.scatter(list(tags.values()), list(tags), s=14, color=style.INK, linewidths=0, zorder=3)
    for row, value in tags.items():
        axes.annotate(
            f"{value:.3f}",
            (1.0, row),
            (4, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center_baseline",
            fontsize=style.FOOTER_POINTS,
        )
    axes.set_title(f"({letter}) absolute", pad=16)
    axes.set_xlabel("ROC-AUC")
    axes.locator_params(axis="x", nbins=3)
    _dress(axes, lines)


def _dress(axes: "Axes", lines: Sequence[str]) -> None:
    """Set the grid and axes of a panel, and draw a grey background behind every other tag."""
    for row, line in enumerate(lines):
        if row % 2 == 0 and not line.startswith("\n"):
            axes.axhspan(row - 0.5, row + 0.5, color=style.GROUND, linewidth=0, zorder=0)
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
