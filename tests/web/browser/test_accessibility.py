"""Everybody can use it: axe-core finds nothing, in both themes; keys reach everything; no screen is too narrow."""

from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys
from web.browser.visitor import DESKTOP, PHONE, Visitor

pytestmark = [pytest.mark.browser, pytest.mark.slow]

pytest.importorskip("selenium_axe_python", reason="needs selenium-axe-python (extra: dev)")


@pytest.mark.parametrize(("size", "dark"), [(DESKTOP, False), (PHONE, True)], ids=["desktop-light", "phone-dark"])
def test_axe_finds_nothing(
    visitor: Visitor, songs: list[Path], tmp_path: Path, size: tuple[int, int], dark: bool
) -> None:
    visitor.start(size=size, dark=dark)
    visitor.click(".library .chip")
    visitor.eventually(lambda: visitor.all(".tracks .tiny"))
    assert visitor.violations() == []
    visitor.click(".search a.button")
    visitor.eventually(lambda: visitor.all(".points") and visitor.all(".map-chosen .button"))
    assert visitor.violations() == []
    visitor.click(".brand")
    visitor.bring(songs[0], songs[1])
    visitor.eventually(lambda: len(visitor.all(".tab.is-heard")) == 2)
    visitor.wait_for(".similar .entry")
    visitor.click(".in-words summary")
    visitor.click(".how > summary")
    visitor.click(".meaning summary")
    assert visitor.violations() == []
    visitor.click(".actions > .menu > summary")
    assert visitor.violations() == []
    visitor.driver.find_element("css selector", "body").click()
    visitor.click(".compare-place summary")
    visitor.click(".compare-place .menu-item")
    visitor.wait_for(".comparison")
    assert visitor.violations() == []
    letter = tmp_path / "letter.mp3"
    letter.write_text("Dear Sir or Madam\n" * 50, encoding="utf-8")
    visitor.click(".top .button")
    visitor.bring(letter)
    visitor.wait_for(".problem")
    assert visitor.violations() == []
    visitor.click(".brand")
    visitor.bring(*[songs[0]] * 5, letter)
    visitor.eventually(lambda: visitor.all(".batch") and "5 files are ready, 1 failed." in visitor.text(".summary"))
    assert visitor.violations() == []


@pytest.mark.parametrize("size", [PHONE, (768, 1024), (1024, 768), DESKTOP], ids=lambda size: str(size[0]))
def test_no_screen_is_too_narrow(visitor: Visitor, songs: list[Path], size: tuple[int, int]) -> None:
    visitor.start(size=size)
    visitor.eventually(lambda: visitor.all(".tracks .tiny"))
    assert visitor.sideways() <= 0
    visitor.click(".search a.button")
    visitor.wait_for(".points")
    assert visitor.sideways() <= 0
    visitor.click(".brand")
    visitor.bring(*songs[:2])
    visitor.eventually(lambda: len(visitor.all(".tab.is-heard")) == 2)
    visitor.wait_for(".similar .entry")
    visitor.click(".in-words summary")
    visitor.click(".heat-foot .quiet")
    assert visitor.sideways() <= 0
    visitor.click(".compare-place summary")
    assert visitor.sideways() <= 0
    visitor.click(".compare-place .menu-item")
    visitor.wait_for(".comparison")
    assert visitor.sideways() <= 0


def test_the_tab_key_reaches_everything_and_is_seen(visitor: Visitor, songs: list[Path]) -> None:
    visitor.open(songs[0])
    visitor.wait_for(".similar .entry")
    visitor.focus(".brand")
    reached = set()
    for _ in range(150):
        visitor.press(Keys.TAB)
        where = visitor.driver.execute_script(
            """
            const now = document.activeElement;
            if (now === document.body || now.matches(".skip")) return null;
            const style = getComputedStyle(now.matches(".choice input") ? now.nextElementSibling : now);
            const seen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
            return [`${now.id} ${now.className} ${now.tagName} ${now.type ?? ""}`, seen];
            """
        )
        if where is None:
            break
        name, seen = where
        assert seen, f"one does not see that the focus is on {name}"
        reached.update(name.split())
    needed = {
        "tab",
        "tab-close",
        "theme",
        "SUMMARY",
        "play",
        "wave",
        "tag",
        "heat-label",
        "heat",
        "chip",
        "radio",
        "play-small",
    }
    assert needed <= reached


def test_one_can_skip_to_the_content(visitor: Visitor) -> None:
    visitor.start()
    visitor.press(Keys.TAB)
    skip = visitor.driver.switch_to.active_element
    assert skip.get_attribute("class") == "skip"
    assert skip.is_displayed()
    visitor.press(Keys.ENTER)
    assert visitor.driver.switch_to.active_element.get_attribute("id") == "main"


def test_the_theme_can_be_chosen_and_stays(visitor: Visitor) -> None:
    visitor.start(dark=False)

    def ground() -> str:
        return str(visitor.driver.execute_script("return getComputedStyle(document.body).backgroundColor"))

    light = ground()
    switch = visitor.wait_for("#theme")
    assert switch.get_attribute("aria-pressed") == "false"
    visitor.click("#theme")
    visitor.eventually(lambda: ground() != light)
    dark = ground()
    visitor.driver.refresh()
    visitor.wait_for(".drop")
    assert ground() == dark
    assert visitor.wait_for("#theme").get_attribute("aria-pressed") == "true"
    visitor.click("#theme")
    visitor.eventually(lambda: ground() == light)


def test_who_wants_no_motion_gets_none(visitor: Visitor, songs: list[Path]) -> None:
    features = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    visitor.open(songs[0])
    visitor.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    script = "return getComputedStyle(document.querySelector('.bar-now')).transitionDuration"
    assert all(float(part.removesuffix("s")) <= 0.002 for part in visitor.driver.execute_script(script).split(", "))
