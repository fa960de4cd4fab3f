import matplotlib
import pytest
from matplotlib.colors import to_rgb

from earmark.training.figures import style
from training.figures.layout import check_layout


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
