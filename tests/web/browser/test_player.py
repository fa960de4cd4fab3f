"""The player: it sounds, and goes where one wants it."""

from pathlib import Path

import pytest
import soundfile
from selenium.webdriver.common.keys import Keys
from web.browser.visitor import Visitor
from web.served import Served

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_it_plays_and_pauses(visitor: Visitor, songs: list[Path]) -> None:
    visitor.open(songs[0])
    assert not visitor.playing()
    visitor.click(".deck .play")
    visitor.eventually(lambda: visitor.playing() and visitor.position() > 0.3)
    # The bars follow: each has a tick where its tag is now.
    assert "is-moving" in str(visitor.wait_for(".groups").get_attribute("class"))
    visitor.click(".deck .play")
    visitor.eventually(lambda: not visitor.playing())


def test_space_plays_wherever_it_means_nothing_else(visitor: Visitor, songs: list[Path]) -> None:
    visitor.open(songs[0])
    visitor.focus(".wave")
    visitor.press(Keys.SPACE)
    visitor.eventually(visitor.playing)
    visitor.press(Keys.SPACE)
    visitor.eventually(lambda: not visitor.playing())
    # On a button it presses the button.
    visitor.focus(".group .quiet")
    visitor.press(Keys.SPACE)
    visitor.eventually(lambda: visitor.wait_for(".group .quiet").get_attribute("aria-expanded") == "true")
    assert not visitor.playing()


def test_a_click_in_the_waveform_goes_there(visitor: Visitor, songs: list[Path]) -> None:
    visitor.open(songs[0])
    visitor.click_at(".wave", 0.75)
    visitor.eventually(lambda: abs(visitor.position() - 15.0) < 0.5)
    assert visitor.text(".time").startswith("0:1")


def test_arrows_go_along(visitor: Visitor, songs: list[Path]) -> None:
    visitor.open(songs[0])
    visitor.focus(".wave")
    visitor.press(Keys.ARROW_RIGHT)
    visitor.eventually(lambda: visitor.position() == 5.0)
    visitor.press(Keys.ARROW_RIGHT)
    visitor.eventually(lambda: visitor.position() == 10.0)
    visitor.press(Keys.ARROW_LEFT)
    visitor.eventually(lambda: visitor.position() == 5.0)
    assert visitor.wait_for(".wave").get_attribute("aria-valuetext") == "5 seconds of 20 seconds"
    visitor.press(Keys.HOME)
    visitor.eventually(lambda: visitor.position() == 0.0)
    visitor.press(Keys.END)
    visitor.eventually(lambda: visitor.position() > 19.5)


def test_what_the_browser_cannot_play_is_played_as_flac(visitor: Visitor, songs: list[Path], tmp_path: Path) -> None:
    samples, rate_hz = soundfile.read(songs[0], dtype="int16")
    other = tmp_path / "Other kind.aiff"
    soundfile.write(other, samples, rate_hz)
    visitor.open(other)
    visitor.click(".deck .play")
    visitor.eventually(lambda: visitor.playing() and visitor.position() > 0.3)
    source = visitor.driver.execute_script(
        "return performance.getEntriesByType('resource').map((one) => one.name).filter((name) => name.endsWith('flac'))"
    )
    assert len(source) == 1


def test_a_sound_that_is_gone_is_told(visitor: Visitor, page_server: Served, songs: list[Path]) -> None:
    visitor.open(songs[0])
    key = visitor.stored("earmark.tracks")[0]["key"]
    assert page_server.client.delete(f"/v1/tracks/{key}").status_code < 300
    visitor.click(".deck .play")
    visitor.wait_for(".deck .problem")
    assert "not known" in visitor.text(".deck .problem") or "no track" in visitor.text(".deck .problem").lower()
    assert not visitor.playing()


def test_only_one_track_sounds(visitor: Visitor, songs: list[Path]) -> None:
    visitor.open(songs[0], songs[1])
    visitor.click(".deck .play")
    visitor.eventually(visitor.playing)
    visitor.click(".tabs li:nth-child(2) .tab")
    visitor.eventually(lambda: visitor.text("h1") == "Second song")
    visitor.click(".tabs li:nth-child(1) .tab")
    visitor.eventually(lambda: visitor.text("h1") == "First song")
    assert not visitor.playing()
