"""The page as a static site, under a path of a plain server of files that ends after one visit."""

import csv
import functools
import http.server
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from web.browser.visitor import Visitor

from earmark.tagging.tagger import Tagger
from earmark.web.static_site import VENDOR, write_site

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SITE = Path(__file__).parents[3] / "src" / "earmark" / "web" / "site"
TOLERANCE = 0.005


class FileServer:
    """A server of files that notes what it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                asked.append(self.path)

        self._server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))
        )
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def offline(chromium: Chrome, model: Tagger, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """Somebody who was at the page once, and is there again without a network."""
    if not (SITE / VENDOR).is_dir():
        pytest.skip("needs what `make site-assets` fetches with npm")
    folder = tmp_path_factory.mktemp("static")
    write_site(folder / "music" / "site", model.bundle)
    server = FileServer(folder)
    visiting = Visitor(chromium, f"{server.url}/music/site")
    try:
        visiting.start()
        chromium.execute_async_script("navigator.serviceWorker.ready.then(arguments[arguments.length - 1])")
    finally:
        server.close()
    chromium.execute_cdp_cmd("Network.enable", {})
    chromium.get(f"{visiting.url}/")
    visiting.wait_for(".drop")
    yield visiting
    chromium.execute_async_script(
        "const end = arguments[arguments.length - 1];"
        "navigator.serviceWorker.ready.then((worker) => worker.unregister()).then(end)"
    )
    chromium.get("about:blank")


def download(visitor: Visitor, folder: Path, entry: int, name: str) -> str:
    visitor.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
    visitor.click(".actions > .menu > summary")
    visitor.click_on(visitor.all(".actions > .menu .menu-item")[entry])
    file = folder / name
    visitor.eventually(lambda: file.exists() and file.stat().st_size > 0)
    return file.read_text(encoding="utf-8")


def test_a_song_is_heard_without_a_network(offline: Visitor, model: Tagger, songs: list[Path], tmp_path: Path) -> None:
    assert "Nothing leaves this computer" in offline.text(".drop .hint")
    offline.bring(songs[0])
    offline.wait_for(".result")
    assert len(offline.all(".heat-label")) == 12
    prediction = model.tag(songs[0], keep_features=True)
    header, row = csv.reader(io.StringIO(download(offline, tmp_path, 1, "First song.csv"), newline=""))
    assert tuple(header) == prediction.csv_header()
    for label, expected in zip(prediction.labels, prediction.probabilities.tolist(), strict=True):
        assert float(row[header.index(label)]) == pytest.approx(expected, abs=TOLERANCE), label
    found = json.loads(download(offline, tmp_path, 0, "First song.json"))
    assert found["duration_seconds"] == prediction.duration_seconds
    for label in prediction.labels:
        expected_evidence = prediction.evidence(label)
        assert found["evidence"][label]["curve"] == pytest.approx(expected_evidence.curve.tolist(), abs=TOLERANCE)
        contributions = [part["contribution"] for part in found["evidence"][label]["parts"]]
        assert contributions == pytest.approx([part.contribution for part in expected_evidence.parts], abs=0.02)
    assert offline.log() == []
