"""A word is taught by clicking: thumbs, the quality as it grows, what to ask next, and who has it."""

from pathlib import Path
from urllib.parse import quote

import pytest
from web.browser.visitor import PHONE, Visitor
from web.served import Served

pytestmark = [pytest.mark.browser, pytest.mark.slow]

pytest.importorskip("sklearn", reason="needs scikit-learn (extra: teach)")


def thumb(visitor: Visitor, way: str, row: int) -> None:
    visitor.click_on(visitor.all(f"[aria-label='Find tracks'] .thumb.{way}")[row])


def teach(visitor: Visitor, word: str) -> None:
    visitor.come(path=f"/#/teach?word={quote(word)}")
    visitor.eventually(lambda: word in visitor.text(".teach-quality"))
    visitor.eventually(lambda: len(visitor.all("[aria-label='Find tracks'] .thumb.up")) == 10)


@pytest.mark.parametrize("word", ["driving", "Über-Lied"])
def test_a_word_is_taught_by_thumbs_and_saved(
    collector: Visitor, word: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    teach(collector, word)
    assert "3 more tracks" in collector.text(".teach-quality")
    for row in (0, 3, 6):
        thumb(collector, "up", row)
    thumb(collector, "down", 1)
    collector.wait_for(".teach-measure")
    assert "AUC" in collector.text(".teach-measure")
    assert "3 tracks with the word, 5 without (4 of them drawn from the library)" in collector.text(".teach-quality")
    assert "of 23 tracks of the library have it now" in collector.text(".teach-quality")
    # The tracks to ask about next have no thumb yet, and a thumb there counts at once.
    collector.wait_for("[aria-label='Asked next: these labels help most'] .thumb")
    assert len(collector.all("[aria-label='Your thumbs'] tbody tr")) == 4
    collector.click("[aria-label='Asked next: these labels help most'] .thumb.up")
    collector.eventually(lambda: "4 tracks with the word" in collector.text(".teach-quality"))
    # A reload keeps the thumbs.
    collector.driver.refresh()
    collector.eventually(lambda: "4 tracks with the word" in collector.text(".teach-quality"))
    collector.resize(PHONE)
    assert collector.sideways() <= 0
    pytest.importorskip("selenium_axe_python", reason="needs selenium-axe-python (extra: dev)")
    assert collector.violations() == []
    name = f"taught-{len(word)}"
    field = collector.wait_for("#teach-name")
    field.clear()
    field.send_keys(name, "\n")
    collector.eventually(lambda: f"earmark tag --model {name}" in collector.text(".teach-quality"))
    assert list(tmp_path_factory.getbasetemp().glob(f"large*/{name}/card.json"))
    collector.click(".teach-quality [role='status'] a")
    collector.eventually(lambda: word in collector.text(".tracks .entry-tags li:first-child"))


def test_a_typed_word_is_in_the_link(collector: Visitor) -> None:
    collector.click(".library a[href='#/teach']")
    collector.wait_for("#teach-word").send_keys("for the road", "\n")
    collector.eventually(lambda: collector.driver.current_url.endswith("#/teach?word=for+the+road"))
    collector.eventually(lambda: "for the road" in collector.text(".teach-quality"))


def test_the_same_thumb_again_takes_it_back(collector: Visitor) -> None:
    teach(collector, "again")
    thumb(collector, "up", 2)
    collector.eventually(lambda: "2 more tracks" in collector.text(".teach-quality"))
    assert collector.all("[aria-label='Find tracks'] .thumb.up")[2].get_attribute("aria-pressed") == "true"
    thumb(collector, "down", 2)
    collector.eventually(lambda: "3 more tracks" in collector.text(".teach-quality"))
    thumb(collector, "down", 2)
    collector.eventually(lambda: not collector.all(".thumb[aria-pressed='true']"))


def test_a_wrong_tag_becomes_a_thumb(visitor: Visitor, page_server: Served, songs: list[Path]) -> None:
    visitor.come(path="/#/track/library-1?tag=drums")
    visitor.wait_for(".result")
    visitor.click(".wrong-place .chip")
    visitor.eventually(lambda: visitor.text(".wrong-place .chip") == "Noted as wrong")
    visitor.click(".wrong-place a")
    visitor.eventually(lambda: len(visitor.all("[aria-label='Your thumbs'] .thumb[aria-pressed='true']")) == 1)
    assert visitor.wait_for("#teach-word").get_attribute("value") == "drums"
