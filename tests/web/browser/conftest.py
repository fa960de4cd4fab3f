"""A headless Chromium, a server with the bundled model and a library, and songs that change halfway."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.common.exceptions import SessionNotCreatedException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from web.browser.songs import write_short, write_song
from web.browser.visitor import PATIENCE_SECONDS, Visitor
from web.served import Served, served

from earmark.library.library import Library
from earmark.tagging.tagger import Tagger, load

ATTEMPTS = 5
TRACKS = 23
"""Tracks of the larger library: more than one page of results."""
SWITCHES = (
    "--headless=new",
    "--no-sandbox",  # a container's root has none
    "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
    "--use-fake-device-for-media-stream",  # a microphone that beeps, and that may be used
    "--use-fake-ui-for-media-stream",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)


@pytest.fixture(scope="session")
def model() -> Tagger:
    """The bundled model: its tags are what the page is made for."""
    return load()


@pytest.fixture(scope="session")
def songs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three songs, of plucked tones and of drums one after the other."""
    folder = tmp_path_factory.mktemp("page-songs")
    return [
        write_song(folder / f"{name}.wav", seed)
        for seed, name in enumerate(["First song", "Second song", "Third song"])
    ]


@pytest.fixture(scope="session")
def page_library(tmp_path_factory: pytest.TempPathFactory, model: Tagger, songs: list[Path]) -> Path:
    """A library of the songs."""
    path = tmp_path_factory.mktemp("page-library") / "music.earmark"
    with Library(path, model) as library:
        library.add(songs[0].parent, jobs=1, low_priority=False)
    return path


@pytest.fixture(scope="session")
def page_server(model: Tagger, page_library: Path) -> Iterator[Served]:
    """A server with a library."""
    with served(model, page_library) as running:
        yield running


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A browser without a screen, or a skip with the reason."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("needs the programs chromium and chromedriver (apt-get install chromium chromium-driver)")
    options = ChromeOptions()
    options.binary_location = browser
    for switch in SWITCHES:
        options.add_argument(switch)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('chromium')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # Neither selenium nor the browser asks anything of a network.
    service = ChromeService(driver, env={**os.environ, "SE_OFFLINE": "true", "SE_AVOID_STATS": "true"})
    running = _started(options, service)
    running.command_executor.client_config.timeout = 2 * PATIENCE_SECONDS
    running.set_page_load_timeout(PATIENCE_SECONDS)
    running.set_script_timeout(PATIENCE_SECONDS)
    yield running
    running.quit()


def _started(options: ChromeOptions, service: ChromeService) -> Chrome:
    """A running browser; on a machine that is busy enough it does not come up within the minute that it is given."""
    for _ in range(ATTEMPTS - 1):
        try:
            return Chrome(options=options, service=service)
        except SessionNotCreatedException:
            service.stop()
    return Chrome(options=options, service=service)


@pytest.fixture
def visitor(chromium: Chrome, page_server: Served) -> Iterator[Visitor]:
    """Somebody at the page; whatever they did, the browser complained of nothing."""
    visiting = Visitor(chromium, page_server.url)
    visiting.come()
    yield visiting
    assert visiting.log() == []
    chromium.get("about:blank")


@pytest.fixture(scope="session")
def large_server(model: Tagger, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with a library of a few more tracks than a page shows."""
    folder = tmp_path_factory.mktemp("large")
    for number in range(TRACKS):
        write_short(folder / f"Track {number:02}.wav", 6 + number % 3, number)
    path = folder / "large.earmark"
    with Library(path, model) as library:
        library.add(folder, jobs=1, low_priority=False)
    with served(model, path) as running:
        yield running


@pytest.fixture
def collector(chromium: Chrome, large_server: Served) -> Iterator[Visitor]:
    """Somebody with that library."""
    visiting = Visitor(chromium, large_server.url)
    visiting.start()
    yield visiting
    assert visiting.log() == []
    chromium.get("about:blank")
