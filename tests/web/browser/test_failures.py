"""What goes wrong is told in words that help."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.keys import Keys
from web.browser.visitor import Visitor
from web.served import Served, served

from earmark.tagging.tagger import Tagger

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def strict_server(model: Tagger) -> Iterator[Served]:
    """A server with a token, no library and room for half a song."""
    with served(model, None, token="open sesame", max_megabytes=0.5) as running:
        yield running


@pytest.fixture
def stranger(chromium: Chrome, strict_server: Served) -> Iterator[Visitor]:
    """Somebody at that server, who does not know the token yet."""
    visiting = Visitor(chromium, strict_server.url)
    visiting.come()
    yield visiting
    assert visiting.log() == []
    chromium.get("about:blank")


def test_what_is_no_sound_is_refused_in_words(visitor: Visitor, tmp_path: Path) -> None:
    letter = tmp_path / "letter.mp3"
    letter.write_text("Dear Sir or Madam\n" * 50, encoding="utf-8")
    visitor.start()
    visitor.bring(letter)
    visitor.wait_for(".problem")
    assert visitor.text(".problem-title") == "The file cannot be listened to"
    assert visitor.text(".problem-todo")
    visitor.wait_for(".tab.is-failed")
    visitor.click(".problem-actions .quiet")
    visitor.wait_for(".drop")
    assert visitor.all(".tab") == []


def test_a_failure_can_be_tried_again(visitor: Visitor, tmp_path: Path) -> None:
    letter = tmp_path / "letter.mp3"
    letter.write_text("Dear Sir or Madam\n" * 50, encoding="utf-8")
    visitor.start()
    visitor.bring(letter)
    first = visitor.wait_for(".problem")
    visitor.click(".problem-actions .button")
    visitor.eventually(lambda: [card for card in visitor.all(".problem") if card != first])
    assert visitor.text(".problem-title") == "The file cannot be listened to"


def test_a_track_that_is_gone_is_told_after_a_reload(visitor: Visitor, page_server: Served, songs: list[Path]) -> None:
    visitor.open(songs[0])
    key = visitor.stored("earmark.tracks")[0]["key"]
    assert page_server.client.delete(f"/v1/tracks/{key}").status_code < 300
    visitor.driver.refresh()
    visitor.wait_for(".problem")
    assert visitor.text(".problem-title")
    assert visitor.text(".problem-todo")


def test_a_server_that_is_gone_is_told(chromium: Chrome, model: Tagger, songs: list[Path]) -> None:
    with served(model) as running:
        visiting = Visitor(chromium, running.url)
        visiting.open(songs[0])
        visiting.click(".top .button")
        visiting.wait_for(".drop")
    visiting.bring(songs[1])
    visiting.wait_for(".problem")
    assert visiting.text(".problem-title") == "The server cannot be reached"
    # The answers that are there already stay.
    visiting.click(".tabs li:first-child .tab")
    visiting.wait_for(".result")
    visiting.log()


def test_a_token_is_asked_for_until_it_is_right(stranger: Visitor, songs: list[Path]) -> None:
    stranger.wait_for("dialog[open]")
    assert stranger.driver.switch_to.active_element.get_attribute("id") == "token"
    stranger.press("nonsense", Keys.ENTER)
    stranger.eventually(lambda: "refused" in stranger.text("dialog[open]"))
    stranger.press("open sesame", Keys.ENTER)
    stranger.wait_for(".drop")
    assert stranger.all(".library") == []


def test_with_a_token_a_track_is_heard_and_played(stranger: Visitor, tmp_path: Path, songs: list[Path]) -> None:
    half = tmp_path / "Half a song.wav"
    data = bytearray(songs[0].read_bytes()[:400_044])
    data[4:8] = (len(data) - 8).to_bytes(4, "little")
    data[40:44] = (len(data) - 44).to_bytes(4, "little")
    half.write_bytes(data)
    stranger.wait_for("dialog[open]")
    stranger.press("open sesame", Keys.ENTER)
    stranger.bring(half)
    stranger.wait_for(".result")
    # An audio element cannot carry a token: the page fetches the sound itself.
    stranger.click(".deck .play")
    stranger.eventually(lambda: stranger.playing() and stranger.position() > 0.2)
    assert stranger.all(".similar") == []


def test_too_large_a_file_is_refused_in_words(stranger: Visitor, songs: list[Path]) -> None:
    stranger.wait_for("dialog[open]")
    stranger.press("open sesame", Keys.ENTER)
    stranger.bring(songs[0])
    stranger.wait_for(".problem")
    assert "0.5 MB" in stranger.text(".problem")
    assert stranger.text(".problem-todo")
