"""Why a tag: the numbers are the model's, and they add up before one's eyes."""

from pathlib import Path

import pytest
from web.browser.visitor import Visitor, points
from web.served import Served

pytestmark = [pytest.mark.browser, pytest.mark.slow]


READ_ALL = """
const found = {};
for (const button of document.querySelectorAll(".what .tag")) {
  button.click();
  const texts = (selector, within = document) => [...within.querySelectorAll(selector)].map((each) => each.textContent);
  found[button.dataset.label] = {
    title: document.querySelector(".why h2 em").textContent,
    matrix: [...document.querySelectorAll(".matrix tbody tr")].map((row) => texts("td", row)),
    sum: texts(".sum-value"),
    height: document.querySelector(".evidence").offsetHeight,
  };
}
return found;
"""


def test_the_numbers_add_up_for_every_tag(visitor: Visitor, page_server: Served, songs: list[Path]) -> None:
    visitor.open(songs[0])
    key = visitor.stored("earmark.tracks")[0]["key"]
    evidence = page_server.client.get(f"/v1/tracks/{key}").json()["evidence"]
    shown = visitor.driver.execute_script(READ_ALL)
    assert shown.keys() == evidence.keys()
    heights = [of_tag["height"] for of_tag in shown.values()]
    assert heights == sorted(heights), "the panel gets no lower, which would move what is below"
    for label, of_tag in evidence.items():
        assert shown[label]["title"] == label
        table = [[None if text == "none" else points(text) for text in row] for row in shown[label]["matrix"]]
        *scales, sums = table
        for row in scales:
            assert sum(cell or 0 for cell in row[:-1]) == row[-1], label
        for column, total in enumerate(sums[:-1]):
            assert sum(row[column] or 0 for row in scales) == total, label
        base, *steps, whole = [points(text) for text in shown[label]["sum"]]
        assert steps == [row[-1] for row in scales]
        assert base + sum(steps) == whole
        assert sums[-1] == whole - base
        # And they are the model's, to a hundredth.
        assert base == pytest.approx(100 * of_tag["base"], abs=0.6)
        assert whole == pytest.approx(100 * of_tag["log_odds"], abs=0.6)
        cells = [cell for row in scales for cell in row[:-1] if cell is not None]
        assert cells == pytest.approx([100 * part["contribution"] for part in of_tag["parts"]], abs=1.6)


def test_choosing_a_tag_is_seen_everywhere(visitor: Visitor, songs: list[Path]) -> None:
    visitor.open(songs[0])
    label = visitor.texts(".heat-label")[-1]
    visitor.click_on(visitor.all(".heat-label")[-1])
    assert visitor.text(".why h2 em") == label
    assert visitor.text(".lane-name") == label
    assert [tag.get_attribute("data-label") for tag in visitor.all(".what [aria-pressed='true']")] == [label]
    assert label in str(visitor.wait_for(".chips").get_attribute("aria-label"))


def test_the_strongest_seconds_can_be_heard(visitor: Visitor, songs: list[Path]) -> None:
    visitor.open(songs[0])
    chip = visitor.wait_for(".why .chip")
    start, end = [60 * int(time[:-3]) + int(time[-2:]) for time in chip.text.split()[-1].split("–")]
    visitor.click_on(chip)
    visitor.eventually(lambda: visitor.position() > start)
    # It ends by itself where the stretch ends, or the song does.
    visitor.eventually(lambda: not visitor.playing())
    assert visitor.position() >= min(end, 20) - 0.2


def test_a_tag_is_explained_in_words(visitor: Visitor, songs: list[Path]) -> None:
    visitor.open(songs[0])
    for label in visitor.texts(".heat-label"):
        visitor.choose(label)
        said = visitor.text(".verdict")
        assert "undefined" not in said
        assert "NaN" not in said
        assert "%" in said
        assert said.endswith(".")
    visitor.click(".how > summary")
    visitor.click(".meaning summary")
    assert visitor.wait_for(".meaning details p").is_displayed()
