"""The picture of robustness: what is drawn is what was measured, and it can be read."""

import dataclasses
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra train")

from plots.layout import check_layout, texts

from earmark.errors import TrainingError
from earmark.training.figures.robustness import draw_robustness, robustness_figure
from earmark.training.trials.perturbation import PERTURBATIONS
from training.figures.measured_robustness import make_robustness


@pytest.mark.usefixtures("house")
def test_a_row_a_perturbation() -> None:
    robustness = make_robustness()
    first, noisy = robustness.rows
    every = tuple(dataclasses.replace(noisy, perturbation=change.name) for change in PERTURBATIONS)
    for rows in ((first, noisy), (first, *every)):
        figure = robustness_figure(dataclasses.replace(robustness, rows=rows))
        check_layout(figure)
        falls, changed = figure.axes
        assert list(falls.containers[0].lines[0].get_xdata()) == [row.fall.mean for row in rows[1:]]
        assert list(changed.lines[0].get_xdata()) == [100 * row.top_changed for row in rows[1:]]
        assert {row.perturbation for row in rows[1:]} <= set(texts(figure))


@pytest.mark.usefixtures("house")
def test_nothing_perturbed() -> None:
    with pytest.raises(TrainingError, match="measure at least one"):
        robustness_figure(make_robustness(worse=False))


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_it_is_written(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"robustness.{ending}"
    draw_robustness(make_robustness(), path)
    assert path.stat().st_size > 5_000
