"""The picture of reliability: what is drawn is what was measured, and it can be read."""

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra train")

from plots.layout import check_layout, texts

from earmark.training.figures.reliability import draw_reliability, reliability_figure
from training.figures.measured_robustness import make_robustness


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
def test_it_is_written(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"reliability.{ending}"
    draw_reliability(make_robustness(), path)
    assert path.stat().st_size > 5_000
