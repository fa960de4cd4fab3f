"""Figures 2 to 5: what is drawn is what was measured, and it can be read."""

from collections.abc import Callable

import pytest
from plots.layout import check_layout, texts

from earmark.errors import TrainingError
from earmark.plots import style
from earmark.training.figures.charts import (
    Subset,
    decimals,
    draw_levels,
    draw_local_and_global,
    draw_scale_combinations,
)
from earmark.training.figures.gains import draw_gains
from earmark.training.figures.measured import MeasuredRun

Make = Callable[..., MeasuredRun]
LETTER = (18, 27, 54, 108, 216)
FIFTY = tuple(f"a tag of number {number}" for number in range(50))

pytestmark = pytest.mark.usefixtures("house")


def numbers(figure: object) -> list[str]:
    """The numbers beside the rows, from the top down."""
    return [text.get_text() for text in figure.axes[1].texts]  # type: ignore[attr-defined]


def test_local_and_global_at_every_scale(made_up: Make) -> None:
    run = made_up(scales=LETTER, splits=5)
    figure = draw_local_and_global(run)
    check_layout(figure)
    local, whole = figure.axes[0].containers
    for container, kind in ((local, "local"), (whole, "global")):
        rows = [run.rows_of(kind, (scale,))[0] for scale in LETTER]
        assert list(container.lines[0].get_ydata()) == [row.mean for row in rows]
        bars = [segment[1, 1] - segment[0, 1] for segment in container.lines[2][0].get_segments()]
        assert bars == pytest.approx([2 * row.deviation for row in rows])
    assert local.lines[0].get_marker() != whole.lines[0].get_marker()
    assert local.lines[0].get_linestyle() != whole.lines[0].get_linestyle()
    assert {"18\n0.42 s", "216\n5.02 s", "ROC-AUC", "global, all levels"} <= set(texts(figure))


def test_one_label_tasks_show_accuracy_and_chosen_levels_are_named(made_up: Make) -> None:
    figure = draw_local_and_global(made_up(task="one-label", levels=(1, 2), seeds=1))
    check_layout(figure)
    assert {"accuracy", "global, L1+L2"} <= set(texts(figure))


def test_seven_combinations_of_three_levels(made_up: Make) -> None:
    run = made_up()
    figure = draw_levels(run)
    check_layout(figure)
    rows = [row for row in run.rows if row.scales == (27,) and row.kind == "global" and row.levels]
    assert len(numbers(figure)) == len(rows) == 7
    best = max(row.mean for row in rows)
    bold = [text.get_text() for text in figure.axes[1].texts if text.get_fontweight() == "bold"]
    assert bold == [f"{best:.4f}"]
    assert "Level combinations, segments of 27 frames" in texts(figure)
    of_size = [[row.mean for row in rows if len(row.levels) == size] for size in (1, 2, 3)]
    assert numbers(figure) == [f"{mean:.4f}" for means in of_size for mean in sorted(means, reverse=True)]


def test_levels_of_a_deeper_scale(made_up: Make) -> None:
    figure = draw_levels(made_up(), 54)
    check_layout(figure)
    assert len(numbers(figure)) == 15
    check_layout(draw_levels(made_up(scales=(216,), compare=("level-subsets",))))


def test_the_multi_level_row_stands_for_all_levels_and_the_first_whole_scale_is_taken(made_up: Make) -> None:
    run = made_up(scales=(27, 36), compare=("level-subsets", "multi-level"))
    rows = tuple(row for row in run.rows if row.name not in ("global 36 L1+L2+L3+L4", "global 27 L1+L2"))
    object.__setattr__(run, "rows", rows)
    assert len(numbers(draw_levels(run))) == 15
    with pytest.raises(TrainingError, match=r"6 of the 7 level combinations of scale 27 .*\"level-subsets\""):
        draw_levels(run, 27)
    with pytest.raises(TrainingError, match=r"no scale 18; its scales are 27, 36.*--level-scale"):
        draw_levels(run, 18)


def test_all_31_scale_combinations_can_be_read(made_up: Make) -> None:
    run = made_up(scales=LETTER)
    figure = draw_scale_combinations(run)
    check_layout(figure)
    assert len(numbers(figure)) == 31
    assert figure.get_figheight() < 9.5, "fits on a page"
    assert any("31 of 31 combinations" in text for text in texts(figure))
    stars = [line for line in figure.axes[1].lines if line.get_marker() == style.ALL.marker]
    assert len(stars) == 1
    assert stars[0].get_xdata()[0] == max(row.mean for row in run.rows if row.kind == "global" and not row.levels)


def test_scale_combinations_need_a_combination(made_up: Make) -> None:
    figure = draw_scale_combinations(made_up(compare=("multi-level", "multi-scale")))
    assert any("4 of 7 combinations" in text for text in texts(figure))
    with pytest.raises(TrainingError, match="scale-subsets"):
        draw_scale_combinations(made_up(compare=("multi-level",)))
    with pytest.raises(TrainingError, match=r"local\.scales"):
        draw_scale_combinations(made_up(scales=(27,)))


def test_decimals_follow_what_can_be_told_apart() -> None:
    def rows(*means: float, deviation: float = 0.0) -> list[Subset]:
        return [Subset(frozenset("a"), mean, deviation) for mean in means]

    assert decimals(rows(0.9002, 0.9017, deviation=0.001)) == 4
    assert decimals(rows(0.9002, 0.9017, deviation=0.05)) == 3
    assert decimals(rows(0.80, 0.90)) == 3


def test_gains_over_the_weakest_tag_by_tag(made_up: Make) -> None:
    run = made_up(splits=5)
    figure = draw_gains(run)
    check_layout(figure)
    levels, scales, absolute = figure.axes
    whole = run.rows_of("global", (18, 27, 54))[0]
    order = sorted(whole.tag_auc, key=lambda tag: -whole.tag_auc[tag])
    assert [text.get_text() for text in levels.get_yticklabels()] == order
    assert list(absolute.collections[0].get_offsets()[:, 0]) == pytest.approx([whole.tag_auc[tag] for tag in order])
    for axes, names in (
        (levels, ["global 27 L1", "global 27 L2", "global 27 L3", "global 27"]),
        (scales, ["global 18", "global 27", "global 54", "global 18+27+54"]),
    ):
        rows = {row.name: row.tag_auc for row in run.rows}
        assert len(axes.collections) == 4
        for name, marks in zip(names, axes.collections, strict=True):
            weakest = [min(rows[other][tag] for other in names) for tag in order]
            expected = [rows[name][tag] - low for tag, low in zip(order, weakest, strict=True)]
            assert list(marks.get_offsets()[:, 0]) == pytest.approx(expected, abs=1e-12)
    assert {"L1", "L2", "L3", "all levels", "18", "27", "54", "all scales"} <= set(texts(figure))


def test_fifty_tags_in_groups_can_be_read(made_up: Make) -> None:
    groups = [("genres", "moods", "instruments and voices", "eras")[number % 4] for number in range(50)]
    run = made_up(scales=LETTER, tags=FIFTY, groups=groups)
    figure = draw_gains(run)
    check_layout(figure)
    assert figure.get_figheight() < 9.8
    lines = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert len(lines) == 54
    assert [line for line in lines if not line.startswith("a tag")] == list(dict.fromkeys(groups))
    auc = run.rows_of("global", LETTER)[0].tag_auc
    genres = lines[1 : lines.index("moods")]
    assert genres == sorted(genres, key=lambda tag: -auc[tag])
    assert {run.groups[tag] for tag in genres} == {"genres"}


def test_gains_of_what_was_measured(made_up: Make) -> None:
    figure = draw_gains(made_up(compare=("multi-level", "multi-scale")))
    check_layout(figure)
    assert len(figure.axes) == 2
    assert any("Single levels beside all levels were not measured" in text for text in texts(figure))
    figure = draw_gains(made_up(scales=(54,), compare=("single-levels", "multi-level")))
    check_layout(figure)
    assert {"(a) levels, 54 frames", "L4"} <= set(texts(figure))
    with pytest.raises(TrainingError, match=r'"single-levels", "multi-level" and "multi-scale"'):
        draw_gains(made_up(compare=("local",)))
    with pytest.raises(TrainingError, match=r"scale 81.*--level-scale"):
        draw_gains(made_up(), 81)
