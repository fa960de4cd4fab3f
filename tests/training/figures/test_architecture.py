from collections.abc import Callable

import pytest
from plots.layout import check_layout, texts

from earmark.training.figures.architecture import draw_architecture
from earmark.training.figures.measured import MeasuredRun

Make = Callable[..., MeasuredRun]
pytestmark = pytest.mark.usefixtures("house")


def test_the_letters_best_set(made_up: Make) -> None:
    figure = draw_architecture(made_up(compare=("local",), tags=tuple(f"tag {number}" for number in range(50))))
    check_layout(figure)
    written = texts(figure)
    for part in (
        "18 frames",
        "27 frames",
        "54 frames",
        "1792",
        "dense\n256",
        "50 tags\nsigmoid",
        "clip: 1250 frames, 29.0 s",
    ):
        assert part in written
    assert [text for text in written if text.startswith("mean over")] == [
        f"mean over\n{segments} segments" for segments in (69, 46, 23)
    ]
    assert written.count("2×256") == 2, "the last block of 18 and of 54"
    assert written.count("3×128") == 6
    assert written.count("dense 512") == 2
    assert "tag 0" in written and "tag 40" not in written


def test_five_scales_six_levels_deep(made_up: Make) -> None:
    figure = draw_architecture(made_up(scales=(18, 27, 54, 108, 216), compare=("local",)))
    check_layout(figure)
    written = texts(figure)
    assert "4096" in written
    assert "L6  256" in written
    assert figure.get_figheight() < 9.5


def test_chosen_levels_and_softmax(made_up: Make) -> None:
    figure = draw_architecture(made_up(compare=("local",), levels=(2,), task="one-label"))
    written = texts(figure)
    assert "384" in written, "128 of each scale"
    assert written.count("L2  128") == 3
    assert "softmax" in written and "sigmoid" not in written


def test_a_tag_with_a_long_name_or_dollars_is_text(made_up: Make) -> None:
    figure = draw_architecture(made_up(compare=("local",), tags=("$money$ rap", "x" * 40)))
    check_layout(figure)
    assert "$money$ rap" in texts(figure)
    assert not any("x" * 13 in text for text in texts(figure))


def test_both_families(made_up: Make) -> None:
    figure = draw_architecture(made_up(scales=(27, 59_049), compare=("local",)))
    check_layout(figure)
    written = texts(figure)
    for part in ("59049 samples", "2.68 s", "raw sound", "3×128 /3", "mean over\n10 segments", "1280"):
        assert part in written
    assert written.count("3×256 –3") == 8, "seven of them raw"
    assert written.count("dense\n256") == 1, "a raw network has no hidden dense layer"
    assert "L11  256" in written and "L8  256" not in written
