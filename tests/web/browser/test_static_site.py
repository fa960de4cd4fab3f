"""The page as a static site, under a path of a plain server of files that ends after one visit."""

import csv
import functools
import http.server
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import soundfile
from selenium.webdriver import Chrome
from web.browser.songs import write_short
from web.browser.visitor import Visitor

from earmark.tagging.tagger import Tagger, load
from earmark.web.static_site import SERVICE_WORKER, VENDOR, write_site

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
        """End; a second time changes nothing."""
        if not self._thread.is_alive():
            return
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture(scope="module")
def visit(
    chromium: Chrome, model: Tagger, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Visitor, FileServer]]:
    """Somebody at the page for the second time, and its server."""
    if not (SITE / VENDOR).is_dir():
        pytest.skip("needs what `make site-assets` fetches with npm")
    folder = tmp_path_factory.mktemp("static")
    write_site(folder / "music" / "site", model.bundle)
    server = FileServer(folder)
    visiting = Visitor(chromium, f"{server.url}/music/site")
    try:
        visiting.start()
        chromium.execute_async_script("navigator.serviceWorker.ready.then(arguments[arguments.length - 1])")
        again(visiting)
        yield visiting, server
        chromium.execute_async_script(
            "const end = arguments[arguments.length - 1];"
            "navigator.serviceWorker.ready.then((worker) => worker.unregister()).then(end)"
        )
        chromium.get("about:blank")
    finally:
        server.close()


@pytest.fixture(scope="module")
def offline(visit: tuple[Visitor, FileServer]) -> Visitor:
    """Somebody who was at the page once, and is there again without a network."""
    visitor, server = visit
    server.close()
    again(visitor)
    return visitor


def again(visitor: Visitor) -> None:
    """Load the page anew."""
    visitor.driver.get("about:blank")
    visitor.driver.get(f"{visitor.url}/")
    visitor.wait_for(".drop")


def allow_downloads(visitor: Visitor, folder: Path) -> None:
    visitor.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})


def downloaded(visitor: Visitor, file: Path) -> str:
    visitor.eventually(lambda: file.exists() and file.stat().st_size > 0)
    return file.read_text(encoding="utf-8")


def download(visitor: Visitor, folder: Path, entry: int, name: str) -> str:
    allow_downloads(visitor, folder)
    visitor.click(".actions > .menu > summary")
    visitor.click_on(visitor.all(".actions > .menu .menu-item")[entry])
    return downloaded(visitor, folder / name)


def saved_table(visitor: Visitor, folder: Path) -> str:
    allow_downloads(visitor, folder)
    visitor.click(".batch .actions .button")
    return downloaded(visitor, folder / "earmark tags.csv")


def test_nothing_is_sent_while_somebody_listens_and_shares(visit: tuple[Visitor, FileServer], tmp_path: Path) -> None:
    visitor, server = visit
    elsewhere = FileServer(tmp_path)
    asked = len(server.asked)
    visitor.click(".listen")
    visitor.wait_for(".live .tag-value")
    visitor.click(".listen")
    visitor.bring(write_short(tmp_path / "Short.wav", 12, 0))
    visitor.wait_for(".result")
    visitor.click_at(".heat", 0.5, 0.035)
    visitor.wait_for(".has-stretch .verdict")
    visitor.driver.execute_cdp_cmd("Browser.grantPermissions", {"permissions": ["clipboardSanitizedWrite"]})
    [copy] = [button for button in visitor.all(".heat-foot button") if button.text == "Copy as picture"]
    visitor.click_on(copy)
    visitor.eventually(lambda: copy.text == "Copied")
    script = "fetch(arguments[0]).then(() => 'sent', () => 'refused').then(arguments[1])"
    assert visitor.driver.execute_async_script(script, elsewhere.url) == "refused"
    elsewhere.close()
    # The browser itself looks for a newer version of the site when it was loaded.
    assert [path for path in server.asked[asked:] if not path.endswith(SERVICE_WORKER)] == []
    assert elsewhere.asked == []
    assert all("Content Security Policy" in message for message in visitor.log())


def test_a_song_is_heard_without_a_network(offline: Visitor, model: Tagger, songs: list[Path], tmp_path: Path) -> None:
    assert "Nothing leaves this computer" in offline.text(".drop .hint")
    song = tmp_path / "First song.mp3"
    samples, rate_hz = soundfile.read(songs[0])
    soundfile.write(song, samples, rate_hz, format="MP3")
    offline.bring(song)
    offline.wait_for(".result")
    assert len(offline.all(".heat-label")) == 12
    prediction = model.tag(song, keep_features=True)
    header, row = csv.reader(io.StringIO(download(offline, tmp_path, 1, "First song.csv"), newline=""))
    assert tuple(header) == prediction.csv_header()
    for label, expected in zip(prediction.labels, prediction.probabilities.tolist(), strict=True):
        assert float(row[header.index(label)]) == pytest.approx(expected, abs=TOLERANCE), label
    found = json.loads(download(offline, tmp_path, 0, "First song.json"))
    assert found["duration_seconds"] == pytest.approx(prediction.duration_seconds, abs=1e-3)
    for label in prediction.labels:
        expected_evidence = prediction.evidence(label)
        assert found["evidence"][label]["curve"] == pytest.approx(expected_evidence.curve.tolist(), abs=TOLERANCE)
        contributions = [part["contribution"] for part in found["evidence"][label]["parts"]]
        assert contributions == pytest.approx([part.contribution for part in expected_evidence.parts], abs=0.02)
    assert offline.log() == []


def test_a_word_is_taught_from_dropped_songs_and_saved_as_a_model(offline: Visitor, tmp_path: Path) -> None:
    shorts = [write_short(tmp_path / f"Noise {number}.wav", 4, number) for number in range(5)]
    offline.click(".brand")
    offline.bring(*shorts)
    offline.eventually(lambda: offline.texts(".batch .summary") == ["5 files are ready."])
    header, *rows = [line.split(",") for line in saved_table(offline, tmp_path).splitlines()]
    assert len(rows) == 5 and "guitar" in header
    offline.driver.execute_script("location.hash = '#/teach?word=driving'")
    for short in shorts[:3]:
        offline.click(f"[aria-label='Has it: {short.stem}']")
    offline.wait_for(".teach-measure")
    assert "3 tracks with the word, 3 without (3 of them drawn from the others)" in offline.text(".teach-quality")
    allow_downloads(offline, tmp_path)
    offline.click_on(offline.wait_for("#teach-name ~ button"))
    model_file = tmp_path / "driving.zip"
    offline.eventually(lambda: model_file.exists() and zipfile.is_zipfile(model_file))
    zipfile.ZipFile(model_file).extractall(tmp_path)
    assert load(tmp_path / "driving").labels == ("driving",)
    again(offline)
    offline.bring(shorts[0])
    offline.wait_for(".result")
    assert offline.all(".what [data-label='driving']")
    assert offline.log() == []
