from pathlib import Path

import pytest

matplotlib = pytest.importorskip("matplotlib", reason="needs the extra plot")
from matplotlib.colors import to_rgb
from plots.layout import check_layout

from earmark.errors import PictureError
from earmark.plots import style


def luminance(colour: str) -> float:
    red, green, blue = to_rgb(colour)
    return 0.299 * red + 0.587 * green + 0.114 * blue


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_ordered_marks_stay_in_order_in_grey_and_differ_without_colour(count: int) -> None:
    marks = style.ordered_marks(count)
    greys = [luminance(mark.colour) for mark in marks]
    assert greys == sorted(greys)
    assert greys[-1] < 0.85, "still shows on white"
    assert len({mark.marker for mark in marks} | {style.ALL.marker}) == count + 1
    assert all(abs(luminance(style.ink_on(mark.colour)) - luminance(mark.colour)) > 0.35 for mark in marks)


def test_opposed_marks_differ_in_grey_and_in_shape() -> None:
    assert abs(luminance(style.LOCAL.colour) - luminance(style.GLOBAL.colour)) > 0.2
    assert style.LOCAL.marker != style.GLOBAL.marker


def test_settings_outside_stay_as_they_are() -> None:
    before = dict(matplotlib.rcParams)
    with style.house():
        assert matplotlib.rcParams["font.size"] == style.TEXT_POINTS
    assert dict(matplotlib.rcParams) == before


def test_a_long_footer_is_broken_to_the_width() -> None:
    with style.house():
        short = style.new_figure(style.COLUMN_INCHES, 2.0)
        figure = style.new_figure(style.COLUMN_INCHES, 2.0, " ".join(["5e43ecf0b019"] * 40) + "\nand a last line")
        check_layout(figure)
        assert short.get_figheight() == 2.0 < figure.get_figheight()
        assert figure.texts[0].get_text().splitlines()[-1] == "and a last line"


def test_the_same_figure_is_the_same_file_in_any_case_of_the_ending(tmp_path: Path) -> None:
    written = []
    for name in ("one.svg", "two.SVG"):
        with style.house():
            figure = style.new_figure(style.COLUMN_INCHES, 2.0)
            style.save_figure(figure, tmp_path / name)
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
    assert b"<dc:date>" not in written[1]


@pytest.mark.parametrize("name", ["figure", "figure.exe", "absent/figure.png", "file.txt/figure.png"])
def test_a_place_for_no_picture_is_refused_before_anything_is_drawn(name: str, tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("")
    with pytest.raises(PictureError, match="cannot be drawn"):
        style.refuse_picture(tmp_path / name)
