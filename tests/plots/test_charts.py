import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tagging.builders import make_bundle

from earmark.errors import MissingExtraError, PictureError, TagError
from earmark.plots import draw_collection_map, draw_over_time
from earmark.tagging.prediction import Prediction
from earmark.tagging.tagger import Tagger
from earmark.tagging.windows import OverTimeSettings

SOUND = (np.random.default_rng(0).uniform(-0.3, 0.3, 22_050 * 4).astype(np.float32), 22_050)


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    return Tagger(make_bundle(tags=15)).tag(SOUND, over_time=OverTimeSettings(2.0, 0.5))


def test_a_png_and_an_svg(prediction: Prediction, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra plot")
    png, svg = tmp_path / "tags.png", tmp_path / "tags.SVG"
    draw_over_time(prediction, png)
    draw_over_time(prediction, svg, tags=3)
    assert png.read_bytes().startswith(b"\x89PNG\r\n")
    assert png.stat().st_size > 5_000
    assert "<svg" in svg.read_text()


def test_the_strongest_tags_are_drawn_over_the_whole_time(
    prediction: Prediction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure_module = pytest.importorskip("matplotlib.figure", reason="needs the extra plot")
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
    pytest.importorskip("matplotlib", reason="needs the extra plot")
    with pytest.raises(TagError, match="no scores over time"):
        draw_over_time(Tagger(make_bundle()).tag(SOUND), tmp_path / "tags.png")
    with pytest.raises(PictureError, match=r"tags\.exe cannot be drawn: its name has to end in one of .*png"):
        draw_over_time(prediction, tmp_path / "tags.exe")
    with pytest.raises(PictureError, match="its folder is not there"):
        draw_over_time(prediction, tmp_path / "absent" / "tags.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(PictureError, match="name another place"):
        draw_over_time(prediction, tmp_path / "folder.png")


def test_a_map_is_drawn_with_many_tags_and_with_no_tracks(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra plot")
    generator = np.random.default_rng(0)
    points = generator.uniform(-1, 1, (500, 2)).astype(np.float32)
    labels = tuple(f"tag ${number}$" for number in range(20))
    for name, count in (("many.png", 500), ("one.svg", 1), ("none.png", 0)):
        draw_collection_map(points[:count], generator.integers(0, 20, count), labels, 0.25, tmp_path / name)
        assert (tmp_path / name).stat().st_size > 2_000


def test_a_place_where_no_map_can_be_written_is_told(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra plot")
    points, tag = np.zeros((1, 2), np.float32), np.zeros(1, np.int64)
    with pytest.raises(PictureError, match="its name has to end in"):
        draw_collection_map(points, tag, ("a",), 0.5, tmp_path / "map.exe")
    with pytest.raises(PictureError, match="its folder is not there"):
        draw_collection_map(points, tag, ("a",), 0.5, tmp_path / "absent" / "map.png")


def test_without_matplotlib_the_line_that_installs_it(
    prediction: Prediction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r'pip install "earmark\[plot\]"'):
        draw_over_time(prediction, tmp_path / "tags.png")


def test_drawing_needs_nothing_of_the_extra_train() -> None:
    train = ("torch", "lightning", "filelock", "sklearn", "pydantic")
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({train}));"
        "import earmark.plots, earmark.plots.style; print('matplotlib' in sys.modules);"
        "earmark.plots.style.house().__enter__();"
        "print('matplotlib' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    )
    pytest.importorskip("matplotlib", reason="needs the extra plot")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "False"]
