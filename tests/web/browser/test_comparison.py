"""Two tracks side by side."""

from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from web.browser.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def compare(visitor: Visitor, songs: list[Path]) -> None:
    visitor.open(*songs)
    visitor.click(".compare-place summary")
    visitor.click(".compare-place .menu-item")
    visitor.wait_for(".comparison")


def test_what_sets_two_tracks_apart(visitor: Visitor, songs: list[Path]) -> None:
    compare(visitor, songs[:2])
    assert visitor.text(".differences")
    rows = [row for row in visitor.all(".butterfly tbody tr") if not row.get_attribute("class").startswith("group")]
    labels = [row.find_element(By.CSS_SELECTOR, "th").text for row in rows]
    # The two taggrams show the same tags in the same order.
    assert visitor.texts(".side-left .heat-label") == visitor.texts(".side-right .heat-label") == labels
    for row in rows:
        assert len(row.find_elements(By.CSS_SELECTOR, ".wing-value")) == 2


def test_one_of_the_two_sounds_at_a_time(visitor: Visitor, songs: list[Path]) -> None:
    compare(visitor, songs[:2])

    def playing() -> list[bool]:
        return [str(button.get_attribute("aria-label")).startswith("Pause") for button in visitor.all(".deck .play")]

    buttons = visitor.all(".deck .play")
    visitor.click_on(buttons[0])
    visitor.eventually(lambda: playing() == [True, False])
    visitor.click_on(buttons[1])
    visitor.eventually(lambda: playing() == [False, True])


def test_a_side_can_be_another_track(visitor: Visitor, songs: list[Path]) -> None:
    compare(visitor, songs)
    visitor.wait_for("#side-right").send_keys("Third")
    visitor.eventually(lambda: visitor.wait_for(".side-right").get_attribute("aria-label") == "Third song")
    assert visitor.wait_for(".side-left").get_attribute("aria-label") == "First song"


def test_one_track_alone_says_what_is_missing(visitor: Visitor, songs: list[Path]) -> None:
    visitor.open(songs[0])
    visitor.click(".compare-place summary")
    assert visitor.text(".compare-place .menu-item") == "Open another track first"
