import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pydantic", reason="needs the extra train")
from tagging.builders import make_bundle

from earmark.errors import MissingExtraError, TagError
from earmark.tagging.prediction import Prediction
from earmark.tagging.tagger import Tagger
from earmark.tagging.windows import OverTimeSettings
from earmark.training.figures import draw_over_time

SOUND = (np.random.default_rng(0).uniform(-0.3, 0.3, 22_050 * 4).astype(np.float32), 22_050)


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    return Tagger(make_bundle(tags=15)).tag(SOUND, over_time=OverTimeSettings(2.0, 0.5))


def test_a_png_and_an_svg(prediction: Prediction, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra train")
    png, svg = tmp_path / "tags.png", tmp_path / "tags.SVG"
    draw_over_time(prediction, png)
    draw_over_time(prediction, svg, tags=3)
    assert png.read_bytes().startswith(b"\x89PNG\r\n")
    assert png.stat().st_size > 5_000
    assert "<svg" in svg.read_text()


def test_the_strongest_tags_are_drawn_over_the_whole_time(
    prediction: Prediction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure_module = pytest.importorskip("matplotlib.figure", reason="needs the extra train")
    drawn = []
    real = figure_module.Figure.savefig

    def keep(self: object, *arguments: object, **options: object) -> None:
        drawn.append(self)
        real(self, *arguments, **options)

    monkeypatch.setattr(figure_module.Figure, "savefig", keep)
    draw_over_time(prediction, tmp_path / "tags.png", tags=4)
    heat, bars, *_ = drawn[0].axes
    top = prediction.top(4)
    assert [text.get_text() for text in heat.get_yticklabels()] == [tag.label for tag in top]
    image = heat.images[0]
    places = [prediction.labels.index(tag.label) for tag in top]
    assert prediction.over_time is not None
    np.testing.assert_array_equal(image.get_array(), prediction.over_time.scores[:, places].T)
    assert image.get_extent()[:2] == [0.0, 2.5], "five windows, half a second from one to the next"
    assert [bar.get_width() for bar in bars.patches] == pytest.approx([tag.score for tag in top])
    assert "tags over time" in heat.get_title(loc="left")


def test_what_cannot_be_drawn_is_said(prediction: Prediction, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra train")
    with pytest.raises(TagError, match="no scores over time"):
        draw_over_time(Tagger(make_bundle()).tag(SOUND), tmp_path / "tags.png")
    with pytest.raises(TagError, match=r"tags\.exe; its name has to end in one of .*png"):
        draw_over_time(prediction, tmp_path / "tags.exe")
    with pytest.raises(TagError, match="cannot be written to"):
        draw_over_time(prediction, tmp_path / "absent" / "tags.png")


def test_without_matplotlib_the_line_that_installs_it(
    prediction: Prediction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r'pip install "earmark\[train\]"'):
        draw_over_time(prediction, tmp_path / "tags.png")
