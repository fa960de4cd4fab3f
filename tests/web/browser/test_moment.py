"""A moment has a link, is explained by itself, and is the same wherever it is told."""

import re
from pathlib import Path
from urllib.parse import parse_qs

import numpy as np
import pytest
import soundfile
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from web.browser.test_taggram import middle_of
from web.browser.visitor import Visitor

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def where(visitor: Visitor) -> tuple[str, dict[str, str]]:
    """The path of the address after #, and its parts."""
    path, _, query = str(visitor.driver.execute_script("return location.hash")).partition("?")
    return path, {name: values[0] for name, values in parse_qs(query).items()}


def drag(visitor: Visitor, start: float, end: float) -> None:
    """Drag over the waveform between two shares of its width."""
    wave = visitor.wait_for(".wave")
    width = wave.size["width"]
    actions = ActionChains(visitor.driver)
    actions.move_to_element_with_offset(wave, round((start - 0.5) * width), 0).click_and_hold()
    actions.move_to_element_with_offset(wave, round((end - 0.5) * width), 0).release().perform()


@pytest.fixture
def long_song(songs: list[Path], tmp_path: Path) -> Path:
    """Eighty seconds."""
    samples, rate_hz = soundfile.read(songs[0], dtype="int16")
    soundfile.write(tmp_path / "Long song.wav", np.tile(samples, 4), rate_hz)
    return tmp_path / "Long song.wav"


@pytest.mark.parametrize(("tag", "second"), [("guitar", 13.0), ("drums", 4.5)])
def test_a_link_opens_the_moment_in_another_session(visitor: Visitor, tag: str, second: float) -> None:
    visitor.come(path=f"/#/track/library-2?tag={tag}&t={second}")
    visitor.wait_for(".result")
    visitor.eventually(lambda: visitor.text(".why h2 em") == tag)
    visitor.eventually(lambda: visitor.position() == second)
    assert visitor.text("h1") in ("First song", "Second song", "Third song")
    visitor.click(".deck .play")
    visitor.eventually(lambda: visitor.playing() and visitor.position() > second)


def test_a_reload_and_back_keep_the_moment(visitor: Visitor) -> None:
    visitor.come(path="/#/track/library-1?tag=drums&t=5&end=9")
    visitor.wait_for(".result")
    visitor.choose("piano")
    assert where(visitor) == ("#/track/library-1", {"tag": "piano", "t": "5", "end": "9"})
    visitor.driver.refresh()
    visitor.wait_for(".result")
    visitor.eventually(lambda: visitor.text(".why h2") == "Why piano, 0:05–0:09")
    visitor.click(".brand")
    visitor.wait_for(".drop")
    visitor.driver.back()
    visitor.eventually(lambda: visitor.text(".why h2") == "Why piano, 0:05–0:09")
    # The tab keeps it too, also after a reload elsewhere.
    visitor.click(".brand")
    visitor.wait_for(".drop")
    visitor.driver.refresh()
    visitor.click(".tab")
    visitor.eventually(lambda: where(visitor)[1] == {"tag": "piano", "t": "5", "end": "9"})


@pytest.mark.parametrize(
    "link",
    ["/#/track/library-99", "/#/track/AAAAAAAAAAAAAAAAAAAAAA?tag=piano&t=3", "/#/track/", "/#/nowhere", "/#/track/x"],
)
def test_a_dead_link_says_so(visitor: Visitor, link: str) -> None:
    visitor.come(path=link)
    visitor.wait_for(".problem")
    assert visitor.text(".problem-title") in (
        "This link leads nowhere",
        "There is no such track",
        "There is no such track in the library",
    )
    assert visitor.text(".problem-todo")
    assert visitor.all(".drop") == []


@pytest.mark.parametrize("parts", ["tag=nonsense&t=3", "tag=piano&t=-3", "t=1e9&end=2", "t=NaN&end=x&tag="])
def test_what_makes_no_sense_in_a_link_is_left_out(visitor: Visitor, parts: str) -> None:
    visitor.come(path=f"/#/track/library-1?{parts}")
    visitor.wait_for(".result")
    assert visitor.text(".why h2").startswith("Why ")


def test_a_cell_is_explained_with_its_own_number(visitor: Visitor, songs: list[Path]) -> None:
    visitor.open(songs[0])
    for row, across in [(0, 0.2), (2, 0.8)]:
        visitor.click_at(".heat", across, middle_of(visitor, row))
        label = visitor.texts(".heat-label")[row]
        visitor.eventually(lambda: re.match(r"Why .*, 0:\d\d–0:\d\d$", visitor.text(".why h2")))
        visitor.eventually(lambda label=label: visitor.text(".why h2 em") == label)
        visitor.eventually(lambda: visitor.text(".when .readout").rpartition(": ")[2] in visitor.text(".verdict"))
        assert visitor.text(".plainly").startswith(f"{label[0].upper()}{label[1:]}: ")
        assert where(visitor)[1]["tag"] == label
        assert "null" not in visitor.text("main")
    visitor.click(".why .card-head .quiet")
    visitor.eventually(lambda: visitor.text(".why h2") == f"Why {label}")
    assert "t" not in where(visitor)[1]


def test_a_stretch_is_dragged_over(visitor: Visitor, songs: list[Path]) -> None:
    visitor.open(songs[0])
    drag(visitor, 0.25, 0.5)
    visitor.eventually(visitor.playing)
    visitor.eventually(lambda: visitor.text(".why h2").endswith(", 0:05–0:10") or ", 0:0" in visitor.text(".why h2"))
    parts = where(visitor)[1]
    assert float(parts["t"]) == pytest.approx(5.0, abs=0.2)
    assert float(parts["end"]) == pytest.approx(10.0, abs=0.2)
    # It ends with the stretch.
    visitor.eventually(lambda: not visitor.playing())
    assert 9.7 <= visitor.position() <= 10.5
    drag(visitor, 0.9, 0.6)
    visitor.eventually(lambda: float(where(visitor)[1]["t"]) == pytest.approx(12.0, abs=0.2))


def test_keys_select_a_stretch(visitor: Visitor, songs: list[Path]) -> None:
    visitor.open(songs[0])
    visitor.focus(".wave")
    visitor.press(Keys.ARROW_RIGHT)
    ActionChains(visitor.driver).key_down(Keys.SHIFT).send_keys(Keys.ARROW_RIGHT).key_up(Keys.SHIFT).perform()
    visitor.eventually(lambda: visitor.text(".why h2").endswith(", 0:05–0:10"))


def test_the_sums_of_a_stretch_add_up(visitor: Visitor, songs: list[Path]) -> None:
    visitor.open(songs[0])
    drag(visitor, 0.1, 0.4)
    visitor.eventually(lambda: ", 0:0" in visitor.text(".why h2"))
    visitor.click(".how > summary")
    shown = [float(text.replace("−", "-").replace("+", "")) for text in visitor.texts(".sum-value")]
    assert sum(shown[:-1]) == pytest.approx(shown[-1], abs=1e-9)
    # The fold stays open for the next tag.
    visitor.choose("piano")
    visitor.eventually(lambda: visitor.text(".why h2 em") == "piano")
    assert visitor.wait_for(".matrix").is_displayed()


def test_a_long_track_is_zoomed(visitor: Visitor, long_song: Path) -> None:
    visitor.open(long_song)
    whole = visitor.texts(".deck .ruler-time")
    assert "1:00" in whole
    visitor.focus(".wave")
    visitor.press("+", "+")
    visitor.eventually(lambda: "1:00" not in visitor.texts(".deck .ruler-time"))
    # A click at the middle is at the middle of what is shown: the first quarter.
    visitor.click_at(".wave", 0.5)
    visitor.eventually(lambda: abs(visitor.position() - 10.0) < 0.5)
    visitor.click_at(".heat", 0.75, middle_of(visitor, 0))
    visitor.eventually(lambda: visitor.playing() and 14.4 <= visitor.position() < 25)
    visitor.press("0")
    visitor.eventually(lambda: visitor.texts(".deck .ruler-time") == whole)
    visitor.click(".zoom")
    visitor.eventually(lambda: visitor.texts(".deck .ruler-time") != whole)
    visitor.click(".zoom[aria-label='Later']")
    visitor.eventually(lambda: "0:00" not in visitor.texts(".deck .ruler-time"))
    visitor.click(".zoom[aria-label='Show the whole track']")
    visitor.eventually(lambda: visitor.texts(".deck .ruler-time") == whole)


@pytest.mark.parametrize(
    ("seconds", "clock", "spoken"),
    [
        (0, "0:00", "0 seconds"),
        (83.4, "1:23", "1 minute 23 seconds"),
        (3599, "59:59", "59 minutes 59 seconds"),
        (3600, "1:00:00", "1 hour"),
        (3723, "1:02:03", "1 hour 2 minutes 3 seconds"),
        (36_000, "10:00:00", "10 hours"),
    ],
)
def test_times_have_hours(visitor: Visitor, seconds: float, clock: str, spoken: str) -> None:
    visitor.start()
    script = (
        "const [seconds, done] = arguments;"
        "import('./page/number.js').then(({clock, spokenClock}) => done([clock(seconds), spokenClock(seconds)]));"
    )
    assert visitor.driver.execute_async_script(script, seconds) == [clock, spoken]
