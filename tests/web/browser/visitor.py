"""Somebody at the page: a headless Chromium, and what they do there."""

import json
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

PATIENCE_SECONDS = 180.0
"""How long anything may take on a slow machine beside other load."""
DESKTOP, PHONE = (1440, 900), (360, 740)

Found = TypeVar("Found")


class Visitor:
    """A tab of a browser, opened on the page of one server."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver = driver
        self.url = url

    # What they do

    def come(self, path: str = "/", size: tuple[int, int] = DESKTOP, dark: bool = False) -> None:
        """Open the page as somebody who has never been there."""
        self.resize(size)
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [theme]})
        self.driver.get(f"{self.url}/page/earmark.svg")
        self.driver.execute_script("sessionStorage.clear(); localStorage.clear();")
        self.driver.get(self.url + path)
        self.log()  # what was said before is nobody's any more

    def resize(self, size: tuple[int, int]) -> None:
        """Go to another screen."""
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size[0] < 500},
        )

    def start(self, **options: Any) -> None:
        """Open the page, and wait for it."""
        self.come(**options)
        self.wait_for(".drop")

    def bring(self, *files: Path) -> None:
        """Choose files, as in the dialog of the system."""
        self.wait_for("#files", shown=False).send_keys("\n".join(str(file) for file in files))

    def open(self, *files: Path, **options: Any) -> None:
        """Open the page with files that are heard, and see the first."""
        self.start(**options)
        self.bring(*files)
        self.eventually(lambda: len(self.all(".tab.is-heard")) == len(files))
        self.wait_for(".result")

    def press(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def click(self, selector: str) -> None:
        """Click on something as soon as it is there, wherever one has to scroll."""
        self.click_on(self.wait_for(selector))

    def click_on(self, thing: WebElement) -> None:
        """Click on a thing."""
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", thing)
        thing.click()

    def click_at(self, selector: str, across: float, down: float = 0.5) -> None:
        """Click at a place of something: shares of its width and height."""
        thing = self.wait_for(selector)
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", thing)
        size = thing.size
        x, y = (across - 0.5) * size["width"], (down - 0.5) * size["height"]
        ActionChains(self.driver).move_to_element_with_offset(thing, round(x), round(y)).click().perform()

    def focus(self, selector: str) -> None:
        """Put the focus on something, also on an input that only its label shows."""
        self.driver.execute_script("arguments[0].focus()", self.wait_for(selector, shown=False))

    def choose(self, label: str) -> None:
        """Choose a tag among the bars, also one that is not shown."""
        self.driver.execute_script("document.querySelector(`.what [data-label='${arguments[0]}']`).click()", label)

    # What they see

    def all(self, selector: str) -> list[WebElement]:
        """All that fit a selector now."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def wait_for(self, selector: str, shown: bool = True) -> WebElement:
        """The first that fits, as soon as it is there and shown."""

        def found() -> WebElement | None:
            things = self.all(selector)
            return things[0] if things and (things[0].is_displayed() or not shown) else None

        return self.eventually(found)

    def text(self, selector: str) -> str:
        """What something says, also where it is hidden."""
        return str(self.wait_for(selector, shown=False).get_attribute("textContent")).strip()

    def texts(self, selector: str) -> list[str]:
        """What all that fit say."""
        return [str(each.get_attribute("textContent")).strip() for each in self.all(selector)]

    def eventually(self, so: Callable[[], Found | None]) -> Found:
        """Wait until something is so; what vanished while it was looked at is looked for again."""
        wait = WebDriverWait(self.driver, PATIENCE_SECONDS, 0.05, [StaleElementReferenceException])
        return wait.until(lambda _: so(), "it never came to be so")  # type: ignore[return-value]

    def position(self, selector: str = ".wave") -> float:
        """Where the player is, in seconds."""
        return float(self.wait_for(selector).get_attribute("aria-valuenow") or "nan")

    def playing(self) -> bool:
        """Whether the track's player sounds."""
        return str(self.wait_for(".deck .play").get_attribute("aria-label")).startswith("Pause")

    def stored(self, key: str) -> list[dict[str, str]]:
        """What the tab remembers."""
        script = "return sessionStorage.getItem(arguments[0])"
        found: list[dict[str, str]] = json.loads(self.driver.execute_script(script, key))
        return found

    def sideways(self) -> int:
        """By how many pixels the page is wider than the screen."""
        script = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(self.driver.execute_script(script))

    def violations(self) -> list[str]:
        """What axe-core objects to on the page as it is now, by its rules and by the good practice it knows."""
        axe = files("selenium_axe_python").joinpath("axe-core/axe.min.js").read_text(encoding="utf-8")
        self.driver.execute_script(axe)
        found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "axe.run(document, {resultTypes: ['violations']}).then(({violations}) => done(JSON.stringify(violations)));"
        )
        return [
            f"{rule['id']}: {node['target']} {node['failureSummary']}"
            for rule in json.loads(found)
            for node in rule["nodes"]
        ]

    def log(self) -> list[str]:
        """What the browser complained of since it was last asked, but for answers that are problems."""
        told = [str(entry["message"]) for entry in self.driver.get_log("browser")]
        return [message for message in told if "Failed to load resource" not in message]


def points(text: str) -> int:
    """ "+1.30" or "−0.42" as hundredths."""
    found = re.fullmatch(r"([+−]?)(\d+)\.(\d\d)", text)
    assert found is not None, f"{text!r} is no number of points"
    sign, whole, rest = found.groups()
    return (-1 if sign == "−" else 1) * (int(whole) * 100 + int(rest))
