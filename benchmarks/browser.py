"""Compares the static site in a headless Chromium with Python, on sound files, and measures its speed.

python benchmarks/browser.py FILES: for every file the largest difference of a probability, and whether the three most
probable tags are the same; then how long the browser took. Needs `make site-assets`, chromium and chromedriver.
"""

import argparse
import csv
import functools
import http.server
import shutil
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By

from earmark.tagging.tagger import load
from earmark.web.static_site import write_site

PATIENCE_SECONDS = 600.0
TOP = 3
TABLE = "earmark tags.csv"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves files and logs nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name in the class above)
        del format, args


def browser(folder: Path) -> Chrome:
    """Return a headless Chromium that saves downloads in a folder."""
    options = ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for switch in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        f"--user-data-dir={folder / 'profile'}",
    ):
        options.add_argument(switch)
    running = Chrome(options=options, service=ChromeService(shutil.which("chromedriver") or "chromedriver"))
    running.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
    return running


def text(page: Chrome, selector: str) -> str:
    """Return what the first element that fits says; empty if there is none."""
    return next((element.text for element in page.find_elements(By.CSS_SELECTOR, selector)), "")


def wait_for(page: Chrome, selector: str, start: str = "") -> float:
    """Wait until an element says something that begins so, and return the seconds."""
    begun = time.monotonic()
    while not text(page, selector).startswith(start) or not page.find_elements(By.CSS_SELECTOR, selector):
        if time.monotonic() - begun > PATIENCE_SECONDS:
            raise SystemExit(f"{selector} never said {start!r}")
        time.sleep(0.02)
    return time.monotonic() - begun


def tagged(page: Chrome, url: str, files: list[Path], folder: Path) -> list[dict[str, str]]:
    """Return the rows of the table that the page saves for some files, at least five; print the speed."""
    page.get(url)
    wait_for(page, ".drop")
    page.find_element(By.ID, "files").send_keys(str(files[0]))
    first, whole = wait_for(page, ".so-far li"), wait_for(page, ".result")
    print(f"{files[0].name}: first tags after {first:.2f} s, all after {first + whole:.2f} s")
    page.get(f"{url}?again")
    wait_for(page, ".drop")
    page.find_element(By.ID, "files").send_keys("\n".join(map(str, files)))
    seconds = wait_for(page, ".batch .summary", f"{len(files)} files are ready")
    print(f"{len(files)} files: {seconds:.1f} s")
    page.find_element(By.CSS_SELECTOR, ".batch .actions .button").click()
    while not (folder / TABLE).exists():
        time.sleep(0.1)
    with (folder / TABLE).open(encoding="utf-8", newline="") as table:
        return list(csv.DictReader(table))


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", type=Path, nargs="+", help="five sound files or more; the first is timed by itself")
    files: list[Path] = [file.resolve() for file in parser.parse_args().files]
    tagger = load()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_site(folder / "site", tagger.bundle)
        handler = functools.partial(Quiet, directory=str(folder / "site"))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser(folder)
        try:
            rows = {
                row["source"]: row for row in tagged(page, f"http://127.0.0.1:{server.server_port}/", files, folder)
            }
        finally:
            page.quit()
            server.shutdown()
    differences, same = [], 0
    for file in files:
        expected = tagger.tag(file).probabilities
        found = np.array([float(rows[file.name][label]) for label in tagger.labels])
        tops = [set(np.argsort(-values, kind="stable")[:TOP].tolist()) for values in (expected, found)]
        differences.append(float(np.abs(found - expected).max()))
        same += tops[0] == tops[1]
        print(f"{file.name}: {differences[-1]:.4f}, {rows[file.name]['decoder']}")
    print(f"largest difference {max(differences):.4f}, median {np.median(differences):.4f}")
    print(f"the same {TOP} most probable tags: {same} of {len(files)}")


if __name__ == "__main__":
    main()
