"""A track's answer as files."""

import csv
import io
import json
from pathlib import Path

import pytest
from web.browser.visitor import Visitor
from web.served import Served

from earmark.tagging.tagger import Tagger

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def folder(visitor: Visitor, tmp_path: Path) -> Path:
    """Where the browser puts what it downloads."""
    settings = {"behavior": "allow", "downloadPath": str(tmp_path)}
    visitor.driver.execute_cdp_cmd("Browser.setDownloadBehavior", settings)
    return tmp_path


def downloaded(visitor: Visitor, folder: Path, entry: int, name: str) -> str:
    visitor.click(".actions > .menu > summary")
    visitor.click_on(visitor.all(".actions > .menu .menu-item")[entry])
    file = folder / name
    visitor.eventually(lambda: file.exists() and file.stat().st_size > 0)
    with file.open(encoding="utf-8", newline="") as opened:
        return opened.read()


def test_json_has_everything(visitor: Visitor, page_server: Served, songs: list[Path], folder: Path) -> None:
    visitor.open(songs[0])
    found = json.loads(downloaded(visitor, folder, 0, "First song.json"))
    key = visitor.stored("earmark.tracks")[0]["key"]
    answer = page_server.client.get(f"/v1/tracks/{key}").json()
    assert found["probabilities"] == answer["prediction"]["probabilities"]
    assert found["evidence"] == answer["evidence"]


def test_csv_is_the_row_of_the_command(visitor: Visitor, model: Tagger, songs: list[Path], folder: Path) -> None:
    visitor.open(songs[0])
    header, row = csv.reader(io.StringIO(downloaded(visitor, folder, 1, "First song.csv")))
    prediction = model.tag(songs[0])
    assert tuple(header) == prediction.csv_header()
    told = {name: cell for name, cell in zip(header, row, strict=True) if name not in prediction.labels}
    expected = dict(zip(header, prediction.csv_row(), strict=True))
    assert told == {name: expected[name] for name in told}
    for label in prediction.labels:
        assert float(row[header.index(label)]) == pytest.approx(float(expected[label]), abs=1e-5)


def test_csv_over_time_has_a_row_a_window(visitor: Visitor, songs: list[Path], folder: Path) -> None:
    visitor.open(songs[0])
    rows = list(csv.reader(io.StringIO(downloaded(visitor, folder, 2, "First song over time.csv"))))
    assert rows[0][:2] == ["start_seconds", "end_seconds"]
    assert len(rows[0]) == 2 + len(visitor.all(".what .tag"))
    assert [float(cell) for cell in rows[1][:2]] == [0.0, 5.0]
    assert all(len(row) == len(rows[0]) for row in rows)
    assert float(rows[-1][1]) <= 20.0
