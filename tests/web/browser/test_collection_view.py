"""The library on the page: searched, sorted, filtered, heard, opened, saved, and what is like a track."""

import csv
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys
from web.browser.conftest import TRACKS
from web.browser.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def search(visitor: Visitor, query: str, told: str) -> None:
    field = visitor.wait_for("#search")
    field.clear()
    field.send_keys(query, Keys.ENTER)
    visitor.eventually(lambda: visitor.text(".library [role='status']") == told)


LONG_PLAYLIST = r"""
const sizes = [];
const fetch = async (path, { body }) => {
  sizes.push(JSON.parse(body).numbers.length);
  return { text: async () => `#EXTM3U\npart ${sizes.length}\n` };
};
let saved;
URL.createObjectURL = (blob) => {
  saved = blob;
  return "#";
};
import(new URL("library.js", document.querySelector("script[type=module]").src))
  .then(({ savePlaylist }) => savePlaylist({ fetch }, Array.from({ length: 200_001 }, (_, number) => number + 1)))
  .then(() => saved.text())
  .then((text) => arguments[0]([sizes, text]));
"""
"""Saves a playlist of more tracks than the server makes one of at once; returns their sizes, and its text."""


def names(visitor: Visitor) -> list[str]:
    return visitor.texts(".library .tracks tbody th a")


def test_what_was_added_last_is_there_at_once(visitor: Visitor) -> None:
    visitor.start()
    visitor.eventually(lambda: len(names(visitor)) == 3)
    # Each has a tiny taggram.
    visitor.eventually(lambda: len(visitor.all(".tracks .tiny")) == 3)


def test_free_words_find_tracks_that_can_be_heard_and_opened(visitor: Visitor) -> None:
    visitor.start()
    search(visitor, "drums second", "1 to 3 of 3")
    # The list before the search has as many tracks.
    visitor.eventually(lambda: names(visitor)[:1] == ["Second song"])
    button = visitor.wait_for(".found .play")
    visitor.click_on(button)
    visitor.eventually(lambda: button.get_attribute("aria-label") == "Pause Second song")
    visitor.click_on(button)
    visitor.eventually(lambda: button.get_attribute("aria-label") == "Play Second song")
    visitor.click(".found .tracks th a")
    visitor.eventually(lambda: visitor.all(".result") and visitor.text("h1") == "Second song")
    visitor.driver.back()
    visitor.eventually(lambda: names(visitor) and names(visitor)[0] == "Second song")
    assert visitor.wait_for("#search").get_attribute("value") == "drums second"


def test_a_search_has_a_link_and_survives_a_reload(visitor: Visitor) -> None:
    visitor.come(path="/#/?q=drums%20first&sort=title")
    visitor.eventually(lambda: len(names(visitor)) == 3 and names(visitor)[0] == "First song")
    assert visitor.text("th[aria-sort='ascending']") == "Title"
    assert visitor.wait_for("#search").get_attribute("value") == "drums first"
    assert not visitor.wait_for(".lead", shown=False).is_displayed(), "the results are near the top"
    visitor.driver.refresh()
    visitor.eventually(lambda: len(names(visitor)) == 3 and names(visitor)[0] == "First song")
    assert visitor.text("th[aria-sort='ascending']") == "Title"


def test_a_wrong_search_says_where(visitor: Visitor) -> None:
    visitor.start()
    search(visitor, "piano AND pianno>0.5", "")
    visitor.wait_for(".found .problem")
    assert "pianno" in visitor.text(".found .problem")
    assert visitor.text(".library").count("cannot be understood") == 1
    assert visitor.text(".problem-todo")
    start = visitor.driver.execute_script("return document.getElementById('search').selectionStart")
    assert start == len("piano AND ")


def test_nothing_found_is_told(visitor: Visitor) -> None:
    visitor.start()
    search(visitor, "piano>0.999 AND drums>0.999", "Nothing found")
    assert "No track fits" in visitor.text(".found")
    search(visitor, "xyzzyq", "Nothing found")
    visitor.eventually(lambda: "No track has these words" in visitor.text(".found"))
    search(visitor, "", "1 to 3 of 3")


def test_a_note_tells_what_was_not_understood(visitor: Visitor) -> None:
    visitor.start()
    search(visitor, "xyzzyq drums", "1 to 3 of 3")
    visitor.eventually(lambda: "xyzzyq" in visitor.text(".notes"))


def test_an_example_is_a_search(visitor: Visitor) -> None:
    visitor.start()
    chip = visitor.wait_for(".library .chip")
    query = chip.text
    visitor.click_on(chip)
    visitor.eventually(lambda: visitor.text(".library [role='status']"))
    assert visitor.wait_for("#search").get_attribute("value") == query


def test_pages_are_turned_and_sorted(collector: Visitor) -> None:
    collector.eventually(lambda: len(names(collector)) == 20)
    first = names(collector)
    collector.click(".pages a.button")
    collector.eventually(lambda: len(names(collector)) == TRACKS - 20)
    assert collector.text(".library [role='status']") == f"21 to {TRACKS} of {TRACKS}"
    assert not set(names(collector)) & set(first)
    collector.driver.back()
    collector.eventually(lambda: names(collector) == first)
    lengths = collector.texts(".tracks td.number")
    assert lengths != sorted(lengths)
    collector.click("th.number .sort")
    collector.eventually(lambda: collector.texts(".tracks td.number") == ["0:06"] * 8 + ["0:07"] * 8 + ["0:08"] * 4)
    assert collector.wait_for("th.number").get_attribute("aria-sort") == "ascending"
    collector.click("th.number .sort")
    collector.eventually(lambda: names(collector) == first)


def test_a_chip_keeps_only_tracks_with_its_tag(collector: Visitor) -> None:
    collector.eventually(lambda: collector.all(".library > .chips .chip"))
    chip = collector.all(".library > .chips .chip")[0]
    label = str(chip.get_attribute("data-label"))
    collector.click_on(chip)
    pressed = collector.wait_for(".library > .chips .chip[aria-pressed='true']")
    assert pressed.get_attribute("data-label") == label
    field = collector.wait_for("#search")
    field.send_keys("drums", Keys.ENTER)  # free words keep the filter
    collector.eventually(lambda: "q=drums&tag=" in collector.driver.current_url)
    collector.eventually(lambda: collector.all(".library > .chips .chip[aria-pressed='true']"))
    collector.click(".library > .chips .chip[aria-pressed='true']")
    collector.eventually(lambda: collector.driver.current_url.endswith("?q=drums"))
    collector.eventually(lambda: not collector.all(".library > .chips .chip[aria-pressed='true']"))


def test_all_results_are_saved_as_a_table_and_a_playlist(collector: Visitor, tmp_path: Path) -> None:
    collector.eventually(lambda: len(names(collector)) == 20)
    collector.driver.execute_cdp_cmd("Page.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    csv_button, playlist_button = collector.all(".pages button")
    collector.click_on(csv_button)
    collector.eventually((tmp_path / "library.csv").exists)
    with (tmp_path / "library.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["name"] for row in rows} == {f"Track {number:02}.wav" for number in range(TRACKS)}
    collector.click_on(playlist_button)
    collector.eventually((tmp_path / "earmark.m3u8").exists)
    lines = (tmp_path / "earmark.m3u8").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#EXTM3U"
    assert len(lines) == 1 + 2 * TRACKS
    sizes, text = collector.driver.execute_async_script(LONG_PLAYLIST)
    assert sizes == [100_000, 100_000, 1]
    assert text == "#EXTM3U\npart 1\npart 2\npart 3\n"


def test_what_is_like_a_track(visitor: Visitor, songs: list[Path]) -> None:
    visitor.open(songs[0])
    visitor.eventually(lambda: len(visitor.all(".similar .entry")) == 3)
    assert visitor.text(".similar .entry:first-child .entry-name") == "First song"
    assert visitor.text(".similar .entry:first-child .entry-score") == "the same"
    visitor.focus(".similar .choice input")
    visitor.press(Keys.ARROW_RIGHT)
    visitor.eventually(lambda: visitor.all(".choice input[value='sound']:checked"))
    visitor.eventually(lambda: len(visitor.all(".similar .entry")) == 3)
    visitor.click(".similar .entry:last-child .button")
    visitor.eventually(lambda: "#/track/library-" in visitor.driver.current_url)
