"""A file becomes a track: what it is, on one page, until it is closed."""

import re
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from web.browser.visitor import Visitor
from web.served import Served

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_file_is_heard_and_told(visitor: Visitor, songs: list[Path]) -> None:
    visitor.open(songs[0])
    assert visitor.text("h1") == "First song"
    assert visitor.driver.title == "First song · earmark"
    assert visitor.text(".summary").endswith(".")
    assert visitor.text(".time") == "0:00 / 0:20"
    assert [text.lower() for text in visitor.texts(".group h3")] == [
        "instruments",
        "voices",
        "genres",
        "moods",
        "tempo and energy",
    ]
    assert visitor.text(".why h2").startswith("Why ")
    # Who cannot see is told that it is ready.
    assert visitor.text("#status").startswith("First song is ready. ")


def test_the_bars_are_the_servers_probabilities(visitor: Visitor, page_server: Served, songs: list[Path]) -> None:
    visitor.open(songs[0])
    key = visitor.stored("earmark.tracks")[0]["key"]
    probabilities = page_server.client.get(f"/v1/tracks/{key}").json()["prediction"]["probabilities"]
    shown = {
        tag.get_attribute("data-label"): tag.find_element(By.CSS_SELECTOR, ".tag-value").get_attribute("textContent")
        for tag in visitor.all(".what .tag")
    }
    assert shown.keys() == probabilities.keys()
    for label, probability in probabilities.items():
        assert abs(int(str(shown[label]).removesuffix("%")) - 100 * probability) <= 0.5 + 1e-6, label


def test_the_rest_of_a_group_is_there_when_asked_for(visitor: Visitor, songs: list[Path]) -> None:
    visitor.open(songs[0])
    more = visitor.wait_for(".group .quiet")
    shown = len([row for row in visitor.all(".group:first-child .tag") if row.is_displayed()])
    assert shown == 3
    visitor.click_on(more)
    assert more.get_attribute("aria-expanded") == "true"
    assert all(row.is_displayed() for row in visitor.all(".group:first-child .tag"))
    visitor.click_on(more)
    assert len([row for row in visitor.all(".group:first-child .tag") if row.is_displayed()]) == shown


def test_several_files_become_several_tracks(visitor: Visitor, songs: list[Path]) -> None:
    visitor.open(*songs)
    assert visitor.texts(".tab-name") == ["First song", "Second song", "Third song"]
    assert visitor.text("h1") == "First song"
    visitor.click(".tabs li:nth-child(2) .tab")
    visitor.eventually(lambda: visitor.text("h1") == "Second song")
    visitor.driver.back()
    visitor.eventually(lambda: visitor.text("h1") == "First song")


def test_a_reload_keeps_the_tracks(visitor: Visitor, songs: list[Path]) -> None:
    visitor.open(songs[0], songs[1])
    visitor.driver.refresh()
    visitor.eventually(lambda: len(visitor.all(".tab.is-heard")) == 2)
    visitor.wait_for(".result")
    assert visitor.text("h1") == "First song"


def test_a_closed_track_is_removed_from_the_server(visitor: Visitor, page_server: Served, songs: list[Path]) -> None:
    visitor.open(songs[0])
    key = visitor.stored("earmark.tracks")[0]["key"]
    visitor.click(".tab-close")
    visitor.wait_for(".drop")
    assert visitor.all(".tab") == []
    visitor.eventually(lambda: page_server.client.get(f"/v1/tracks/{key}").status_code == 404)


def test_a_file_can_be_dropped_anywhere(visitor: Visitor, songs: list[Path]) -> None:
    visitor.open(songs[0])
    visitor.driver.execute_script(
        """
        const transfer = new DataTransfer();
        const bytes = Uint8Array.from(atob(arguments[0]), (letter) => letter.charCodeAt(0));
        transfer.items.add(new File([bytes], "Dropped song.wav"));
        for (const kind of ["dragenter", "dragover", "drop"]) {
          document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
        }
        """,
        _base64(songs[1]),
    )
    visitor.eventually(lambda: visitor.texts("h1") == ["Dropped song"] and visitor.all(".result"))


def _base64(file: Path) -> str:
    import base64

    return base64.b64encode(file.read_bytes()).decode("ascii")


def test_the_example_is_a_track(visitor: Visitor) -> None:
    visitor.start()
    visitor.click_on(next(each for each in visitor.all(".drop-choices button") if each.text == "Try an example"))
    visitor.wait_for(".result")
    assert visitor.text("h1") == "Example song"
    visitor.click(".deck .play")
    visitor.eventually(lambda: visitor.playing() and visitor.position() > 0.2)


def test_the_microphone_makes_a_track(visitor: Visitor) -> None:
    visitor.start()
    visitor.click(".record")
    visitor.eventually(lambda: re.match(r"Stop, 0:0[1-9]", visitor.text(".record")))
    visitor.click(".record")
    visitor.wait_for(".result")
    assert visitor.text("h1").startswith("Recording ")
