"""The library on the page: searched, heard, opened, and what is like a track."""

from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys
from web.browser.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def search(visitor: Visitor, query: str, told: str) -> None:
    field = visitor.wait_for("#search")
    field.clear()
    field.send_keys(query, Keys.ENTER)
    visitor.eventually(lambda: visitor.text(".library [role='status']") == told)


def test_what_was_added_last_is_there_at_once(visitor: Visitor) -> None:
    visitor.start()
    visitor.eventually(lambda: len(visitor.all(".found .entry")) == 3)


def test_a_search_finds_tracks_that_can_be_heard_and_opened(visitor: Visitor) -> None:
    visitor.start()
    search(visitor, "piano>0 OR drums>0", "3 found")
    assert len(visitor.all(".found .entry")) == 3
    button = visitor.wait_for(".found .play")
    name = str(button.get_attribute("data-name"))
    visitor.click_on(button)
    visitor.eventually(lambda: button.get_attribute("aria-label") == f"Pause {name}")
    visitor.click_on(button)
    visitor.eventually(lambda: button.get_attribute("aria-label") == f"Play {name}")
    visitor.click(".found .entry .button")
    visitor.eventually(lambda: visitor.all(".result") and visitor.text("h1") == name)


def test_a_wrong_search_says_where(visitor: Visitor) -> None:
    visitor.start()
    search(visitor, "piano AND pianno", "The search cannot be understood")
    visitor.wait_for(".found .problem")
    assert "pianno" in visitor.text(".found .problem")
    assert visitor.text(".problem-todo")
    start = visitor.driver.execute_script("return document.getElementById('search').selectionStart")
    assert start == len("piano AND ")


def test_nothing_found_is_told(visitor: Visitor) -> None:
    visitor.start()
    search(visitor, "piano>0.999 AND drums>0.999", "Nothing found")
    assert "No track fits" in visitor.text(".found")


def test_an_example_is_a_search(visitor: Visitor) -> None:
    visitor.start()
    chip = visitor.wait_for(".library .chip")
    query = chip.text
    visitor.click_on(chip)
    visitor.eventually(lambda: visitor.text(".library [role='status']"))
    assert visitor.wait_for("#search").get_attribute("value") == query


def test_what_is_like_a_track(visitor: Visitor, songs: list[Path]) -> None:
    visitor.open(songs[0])
    visitor.eventually(lambda: len(visitor.all(".similar .entry")) == 3)
    assert visitor.text(".similar .entry:first-child .entry-name") == "First song"
    assert visitor.text(".similar .entry:first-child .entry-score") == "the same"
    visitor.focus(".similar .choice input")
    visitor.press(Keys.ARROW_RIGHT)
    visitor.eventually(lambda: visitor.all(".choice input[value='sound']:checked"))
    visitor.eventually(lambda: len(visitor.all(".similar .entry")) == 3)
