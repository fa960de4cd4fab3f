"""The picture of robustness: what is drawn is what was measured, and it can be read."""

import dataclasses
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra train")

from plots.layout import check_layout, texts

from earmark.errors import TrainingError
from earmark.training.evaluation.perturbation import PERTURBATIONS
from earmark.training.figures.robustness import draw_reliability, draw_robustness, reliability_figure, robustness_figure
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


@pytest.mark.usefixtures("house")
def test_what_is_drawn_is_what_was_measured() -> None:
    robustness = make_robustness()
    figure = reliability_figure(robustness)
    check_layout(figure)
    curves, promises = figure.axes
    first = robustness.rows[0]
    raw, shown, _ = curves.lines
    assert list(raw.get_ydata()) == [part.share for part in first.raw.curve]
    assert list(shown.get_xdata()) == [part.probability for part in first.reliability.curve]
    assert raw.get_marker() != shown.get_marker()
    unchanged, worst = promises.containers
    assert list(unchanged.lines[0].get_ydata()) == [promise.achieved for promise in first.reliability.promises]
    assert list(worst.lines[0].get_ydata()) == [p.achieved for p in robustness.rows[1].reliability.promises]
    kept = first.reliability.promises[2].kept
    assert {"noise 20 dB", f"0.9\n12 tags, {kept} times"} <= set(texts(figure))


@pytest.mark.usefixtures("house")
def test_a_model_without_calibration_or_promises() -> None:
    for robustness in (make_robustness(calibrated=False), make_robustness(threshold=1.5), make_robustness(worse=False)):
        check_layout(reliability_figure(robustness))
    assert "no tag was promised" in texts(reliability_figure(make_robustness(calibrated=False)))


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_the_reliability_is_written(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"reliability.{ending}"
    draw_reliability(make_robustness(), path)
    assert path.stat().st_size > 5_000
