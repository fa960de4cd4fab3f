"""Many files are a table: it is sorted, filtered, saved, and kept."""

import csv
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys
from web.browser.songs import write_short
from web.browser.visitor import PHONE, Visitor

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Six sounds of different lengths, and a letter."""
    folder = tmp_path_factory.mktemp("many")
    found = [write_short(folder / f"Sound {10 - number}.wav", 6 + number, number) for number in range(6)]
    (folder / "Letter.mp3").write_text("Dear Sir or Madam\n" * 50, encoding="utf-8")
    return [*found, folder / "Letter.mp3"]


def names(visitor: Visitor) -> list[str]:
    return visitor.texts(".tracks tbody th a")


UNSENT = r"""
import(new URL("tracks.js", document.querySelector("script[type=module]").src))
  .then(({ Tracks }) => {
    const never = new Proxy({}, { get: () => () => new Promise(() => {}) });
    const tracks = new Tracks(never);
    const before = tracks.unsent;
    const opened = tracks.openFiles(Array.from({ length: 6 }, (_, number) => new File(["x"], `${number}.wav`)));
    const during = tracks.unsent;
    for (const track of opened) track.key = `known-${track.key}`;
    arguments[0]([before, during, tracks.unsent]);
  });
"""
"""Opens files that never reach a server; returns whether any are unsent before, then, and once the server knows all."""


def bring(visitor: Visitor, many: list[Path]) -> None:
    visitor.start()
    visitor.bring(*many)
    failed = ", 1 failed" if len(many) == 7 else ""
    visitor.eventually(
        lambda: visitor.all(".batch") and visitor.text(".batch .summary") == f"6 files are ready{failed}."
    )


def test_a_reload_asks_first_while_files_are_not_sent(visitor: Visitor) -> None:
    visitor.start()
    assert visitor.driver.execute_async_script(UNSENT) == [False, True, False]
    leaving = "const event = new Event('beforeunload', {cancelable: true}); return dispatchEvent(event)"
    assert visitor.driver.execute_script(leaving) is True


def test_many_files_are_a_table_that_is_sorted_and_saved(visitor: Visitor, many: list[Path], tmp_path: Path) -> None:
    bring(visitor, many)
    assert visitor.texts(".tab") == ["7 files"]
    assert names(visitor) == [*(f"Sound {number}" for number in (10, 9, 8, 7, 6, 5)), "Letter"]
    visitor.click_on(visitor.all(".sort")[0])
    assert names(visitor) == ["Letter", *(f"Sound {number}" for number in (5, 6, 7, 8, 9, 10))]
    visitor.click_on(visitor.all(".sort")[0])
    assert names(visitor)[0] == "Sound 10"
    visitor.click_on(visitor.all(".number .sort")[0])
    assert names(visitor) == [*(f"Sound {number}" for number in (5, 6, 7, 8, 9, 10)), "Letter"]
    assert visitor.wait_for("th.number").get_attribute("aria-sort") == "descending"
    visitor.driver.execute_cdp_cmd("Page.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    visitor.click(".batch .actions .button")
    visitor.eventually(lambda: (tmp_path / "earmark tags.csv").exists())
    with (tmp_path / "earmark tags.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    # As it is sorted; what failed has no tags.
    assert [row["source"] for row in rows] == [f"Sound {number}.wav" for number in (5, 6, 7, 8, 9, 10)]
    assert all(0 <= float(row["guitar"]) <= 1 for row in rows)


def test_one_bad_file_ends_no_batch_and_tells_why(visitor: Visitor, many: list[Path]) -> None:
    bring(visitor, many)
    assert visitor.text(".track-tags .wrong") == "The file cannot be listened to"
    visitor.click_on(visitor.all(".tracks tbody th a")[-1])
    visitor.wait_for(".problem")
    assert visitor.text(".problem-todo")


def test_a_chip_shows_only_tracks_with_its_tag(visitor: Visitor, many: list[Path]) -> None:
    bring(visitor, many)
    chip = visitor.wait_for(".batch .chip")
    label, count = str(chip.get_attribute("data-label")), int(str(chip.text).split()[-1])
    visitor.click_on(chip)
    visitor.eventually(lambda: len(names(visitor)) == count)
    pressed = visitor.wait_for(".batch .chip[aria-pressed='true']")
    assert pressed.get_attribute("data-label") == label
    visitor.click_on(pressed)
    visitor.eventually(lambda: len(names(visitor)) == 7)


def test_a_track_of_the_batch_opens_and_the_way_back_is_there(visitor: Visitor, many: list[Path]) -> None:
    bring(visitor, many)
    visitor.click(".tracks tbody th a")
    visitor.wait_for(".result")
    assert visitor.text("h1") == "Sound 10"
    visitor.click(".tab.is-batch")
    visitor.wait_for(".batch")
    visitor.driver.back()
    visitor.wait_for(".result")


def test_a_reload_keeps_the_batch(visitor: Visitor, many: list[Path]) -> None:
    bring(visitor, many[:6])
    visitor.driver.refresh()
    visitor.eventually(lambda: visitor.all(".batch") and visitor.text(".batch .summary") == "6 files are ready.")
    visitor.click(".batch .actions .button:last-child")
    visitor.wait_for(".drop")
    assert visitor.all(".tab") == []


def test_a_batch_that_went_on_unseen_is_shown_as_it_is(visitor: Visitor, many: list[Path], songs: list[Path]) -> None:
    visitor.start()
    visitor.bring(*many[:6])
    visitor.eventually(lambda: len(names(visitor)) == 6)
    visitor.driver.execute_script("location.hash = '#/'")
    visitor.wait_for(".drop")
    # One sound after another is analysed, so the batch is ready when this one is.
    visitor.bring(songs[0])
    visitor.wait_for(".result")
    visitor.driver.execute_script("location.hash = '#/batch'")
    visitor.eventually(lambda: visitor.all(".batch") and visitor.text(".batch .summary") == "6 files are ready.")
    assert len(visitor.all(".batch tbody .entry-tags")) >= 6


def test_the_table_is_heard_and_used_with_keys(visitor: Visitor, many: list[Path]) -> None:
    bring(visitor, many)
    visitor.focus(".sort")
    visitor.press(Keys.ENTER)
    assert names(visitor)[0] == "Letter"
    visitor.focus(".tracks .play")
    visitor.press(Keys.ENTER)
    visitor.eventually(lambda: str(visitor.wait_for(".tracks .play").get_attribute("aria-label")).startswith("Pause"))


def test_a_folder_is_dropped_with_what_is_in_it(visitor: Visitor) -> None:
    visitor.start()
    script = """
        const file = (name) => ({ isFile: true, name, file: (take) => take(new File(["x"], name)) });
        const folder = (name, ...inside) => ({
          isDirectory: true, name,
          createReader: () => { const left = [...inside]; return { readEntries: (take) => take(left.splice(0, 2)) }; },
        });
        const music = folder("Music", file("b 10.mp3"), file("b 9.flac"), file("cover.jpg"), file(".hidden.mp3"),
          folder("CD 2", file("c.ogg"), file("notes.txt")), file("a.opus"));
        const entries = [music, file("single.xyz")];
        const event = new Event("drop", { cancelable: true, bubbles: true });
        event.dataTransfer = {
          types: ["Files"], files: [], items: entries.map((entry) => ({ webkitGetAsEntry: () => entry })),
        };
        document.body.dispatchEvent(event);
    """
    visitor.driver.execute_script(script)
    visitor.eventually(lambda: names(visitor) == ["a", "b 9", "b 10", "c", "single"])


def test_many_tabs_scroll_and_the_page_does_not(visitor: Visitor, songs: list[Path], many: list[Path]) -> None:
    visitor.start(size=PHONE)
    for first in range(0, 6, 2):
        visitor.click(".brand")
        visitor.bring(*many[first : first + 2])
        visitor.wait_for(".under-way, .result")
    visitor.eventually(lambda: len(visitor.all(".tab.is-heard")) == 6)
    assert visitor.sideways() == 0
    tops = {tab.rect["y"] for tab in visitor.all(".tab")}
    assert len(tops) == 1
