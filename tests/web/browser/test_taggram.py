"""The taggram: every cell is a moment that can be heard, with a pointer, with keys, and as a table."""

from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from web.browser.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def middle_of(visitor: Visitor, row: int) -> float:
    """Where the middle of a row is, as a share of the plot's height."""
    plot = visitor.wait_for(".heat").rect
    label = visitor.all(".heat-label")[row].rect
    return float((label["y"] + label["height"] / 2 - plot["y"]) / plot["height"])


def test_a_click_on_a_cell_plays_that_moment(visitor: Visitor, songs: list[Path]) -> None:
    visitor.open(songs[0])
    label = visitor.texts(".heat-label")[3]
    visitor.click_at(".heat", 0.6, middle_of(visitor, 3))
    # The middle of a window of five seconds, in steps of one: the cell from 11.5 to 12.5 is at 12 seconds.
    visitor.eventually(lambda: visitor.playing() and 11.4 <= visitor.position() < 19.9)
    visitor.eventually(lambda: visitor.text(".why h2 em") == label)
    assert visitor.text(".readout strong") == label
    chosen = visitor.all(".heat-label[aria-pressed='true']")
    assert [each.text for each in chosen] == [label]


def test_keys_move_between_cells_and_enter_plays(visitor: Visitor, songs: list[Path]) -> None:
    visitor.open(songs[0])
    labels = visitor.texts(".heat-label")
    visitor.focus(".heat")
    visitor.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_UP)
    visitor.press(Keys.END)
    spoken = visitor.eventually(lambda: visitor.text(".taggram [aria-live]"))
    assert spoken.startswith(f"{labels[1]}, 17 seconds, ")
    visitor.press(Keys.ARROW_LEFT)
    visitor.eventually(lambda: visitor.text(".taggram [aria-live]").startswith(f"{labels[1]}, 16 seconds, "))
    assert visitor.wait_for(".heat-cell").is_displayed()
    visitor.press(Keys.ENTER)
    visitor.eventually(lambda: visitor.playing() and visitor.position() >= 16.4)
    visitor.eventually(lambda: visitor.text(".why h2 em") == labels[1])
    visitor.press(Keys.SPACE)
    visitor.eventually(lambda: not visitor.playing())


def test_the_keyboard_stays_inside(visitor: Visitor, songs: list[Path]) -> None:
    visitor.open(songs[0])
    labels = visitor.texts(".heat-label")
    visitor.focus(".heat")
    visitor.press(Keys.ARROW_UP, Keys.ARROW_LEFT)
    visitor.eventually(lambda: visitor.text(".taggram [aria-live]").startswith(f"{labels[0]}, 0 seconds, "))
    visitor.press(*[Keys.ARROW_DOWN] * (len(labels) + 3), Keys.PAGE_DOWN, Keys.PAGE_DOWN, Keys.PAGE_DOWN)
    visitor.eventually(lambda: visitor.text(".taggram [aria-live]").startswith(f"{labels[-1]}, 17 seconds, "))


def test_all_tags_can_be_shown(visitor: Visitor, songs: list[Path]) -> None:
    visitor.open(songs[0])
    few = visitor.texts(".heat-label")
    visitor.click(".heat-foot .quiet")
    visitor.eventually(lambda: len(visitor.all(".heat-label")) == len(visitor.all(".what .tag")))
    visitor.click(".heat-foot .quiet")
    visitor.eventually(lambda: visitor.texts(".heat-label") == few)


def test_the_same_as_a_table(visitor: Visitor, songs: list[Path]) -> None:
    visitor.open(songs[0])
    visitor.click(".in-words summary")
    rows = visitor.all(".moments tbody tr")
    assert [row.find_element(By.CSS_SELECTOR, "th").text for row in rows] == visitor.texts(".heat-label")
    button = rows[0].find_element(By.CSS_SELECTOR, "button")
    minutes, seconds = button.text.split(":")
    visitor.click_on(button)
    visitor.eventually(lambda: visitor.playing() and visitor.position() >= int(minutes) * 60 + int(seconds) - 0.1)
