"""Draw the pictures of the page: `python docs/draw_page.py` (needs chromium, chromedriver, mma and fluidsynth).

The page is served with a library of tracks that earmark renders (`earmark data make soundfont`), and photographed.
"""

import asyncio
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By

from earmark.library.library import Library
from earmark.tagging.tagger import load
from earmark.training.datasets.soundfont import make
from earmark.web.app import make_app
from earmark.web.settings import ServerSettings

FIGURES = Path(__file__).resolve().parent / "figures"
TRACKS, SEED = 24, 11
PATIENCE_SECONDS = 240.0
SETTLED_SECONDS = 1.5
WIDE, PHONE = (1440, 900), (390, 844)
SWITCHES = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--mute-audio", "--hide-scrollbars")
THUMBS = """
const click = (place) => document.querySelectorAll("[aria-label='Find tracks'] .thumb.up")[place].click();
for (const place of [0, 1, 2, 4]) click(place);
"""
OPEN_EVIDENCE = "document.querySelector('.how').open = true; document.querySelector('.why').scrollIntoView();"


@contextmanager
def served(music: Path) -> Iterator[str]:
    """Serve the page with a library of some music; give its address."""
    tagger = load()
    path = music / "pictures.earmark"
    with Library(path, tagger) as library:
        library.add(music, jobs=1)
    app = make_app(ServerSettings(), tagger, path)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    thread = threading.Thread(target=asyncio.run, args=(server.serve(),), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.1)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


class Photographer:
    """A browser that takes pictures of the page."""

    def __init__(self, url: str, profile: str) -> None:
        options = ChromeOptions()
        options.binary_location = shutil.which("chromium") or "chromium"
        for switch in (
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--mute-audio",
            "--hide-scrollbars",
        ):
            options.add_argument(switch)
        options.add_argument(f"--user-data-dir={profile}")
        environment = {**os.environ, "SE_OFFLINE": "true", "SE_AVOID_STATS": "true"}
        service = ChromeService(shutil.which("chromedriver") or "chromedriver", env=environment)
        self._driver = Chrome(options=options, service=service)
        self._url = url

    def take(
        self,
        name: str,
        link: str,
        ready: str,
        *,
        size: tuple[int, int] = WIDE,
        dark: bool = False,
        script: str = "",
        then: str = "",
        files: tuple[Path, ...] = (),
    ) -> None:
        """Take a picture of an address as soon as something is shown; after a script, of something else."""
        driver = self._driver
        self._resize(size)
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [theme]})
        driver.get("about:blank")
        driver.get(self._url + link)
        if files:
            self._wait("#files", shown=False)
            driver.find_element(By.ID, "files").send_keys("\n".join(map(str, files)))
        self._wait(ready)
        if script:
            time.sleep(SETTLED_SECONDS)
            driver.execute_script(script)
        self._wait(then or ready)
        time.sleep(SETTLED_SECONDS)
        driver.save_screenshot(str(FIGURES / f"page-{name}.png"))
        sys.stdout.write(f"wrote page-{name}.png\n")

    def close(self) -> None:
        """End the browser."""
        self._driver.quit()

    def _resize(self, size: tuple[int, int]) -> None:
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def _wait(self, selector: str, *, shown: bool = True) -> None:
        last = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < last:
            found = self._driver.find_elements(By.CSS_SELECTOR, selector)
            if found and (not shown or found[0].is_displayed()):
                return
            time.sleep(0.1)
        raise TimeoutError(selector)


def main() -> None:
    """Render the music, serve the page, and take all pictures."""
    with tempfile.TemporaryDirectory() as folder:
        music = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(folder)
        if len(sys.argv) == 1:
            make(music, TRACKS, SEED, lambda _: None)
        songs = tuple(sorted(music.glob("audio/*.flac"))[:12])
        with served(music) as url, tempfile.TemporaryDirectory() as profile:
            photographer = Photographer(url, profile)
            moment = "/#/track/library-1?tag=violin&t=12"
            photographer.take("track-light", moment, ".similar .entry")
            photographer.take("phone-dark", moment, ".similar .entry", size=PHONE, dark=True)
            photographer.take("evidence-dark", moment, ".similar .entry", dark=True, script=OPEN_EVIDENCE)
            photographer.take("comparison-light", "/#/compare/library-1/library-8", ".comparison")
            photographer.take("library-light", "/#/?q=calm%20violin", ".tracks .tiny", size=(1440, 1500))
            photographer.take("map-dark", "/#/map?tag=violin", ".points", dark=True)
            photographer.take("teach-light", "/#/teach?word=violin", ".thumb", script=THUMBS, then=".teach-measure")
            photographer.take("batch-light", "/", ".batch .tiny", files=songs)
            photographer.close()


if __name__ == "__main__":
    main()
