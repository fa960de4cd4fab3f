"""The library as a map: all tracks are on it, a tag colours it, one is heard, a lasso makes a playlist."""

from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from web.browser.visitor import Visitor
from web.served import Served

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def places(visitor: Visitor, server: Served) -> dict[int, tuple[float, float]]:
    """Where each track is on the map, in pixels from its middle."""
    found = server.client.get("/v1/library/map").json()
    size = visitor.wait_for(".points").size
    scale = min(size["width"], size["height"]) / 2 * 0.94
    return {
        number: (x * scale, -y * scale) for number, x, y in zip(found["numbers"], found["x"], found["y"], strict=True)
    }


def open_map(visitor: Visitor, link: str = "/#/map") -> None:
    visitor.come(path=link)
    visitor.wait_for(".points")
    visitor.eventually(lambda: visitor.text(".map-side .readout").startswith("3 tracks"))


def test_a_point_is_told_and_heard(visitor: Visitor, page_server: Served) -> None:
    open_map(visitor)
    points = visitor.wait_for(".points")
    for number, (x, y) in places(visitor, page_server).items():
        ActionChains(visitor.driver).move_to_element_with_offset(points, round(x), round(y)).perform()
        name = page_server.client.get(f"/v1/library/tracks/{number}").json()["name"].removesuffix(".wav")
        visitor.eventually(lambda name=name: visitor.texts(".map-track .entry-name") == [name])
    played = "return performance.getEntriesByType('resource').filter((one) => one.name.endsWith('/audio')).length"
    visitor.eventually(lambda: visitor.driver.execute_script(played) > 0)
    visitor.click(".map-track .entry-name")
    visitor.wait_for(".result")


def test_a_lasso_makes_a_playlist(visitor: Visitor, page_server: Served, tmp_path: Path) -> None:
    open_map(visitor)
    points = visitor.wait_for(".points")
    number, (x, y) = next(iter(places(visitor, page_server).items()))
    actions = ActionChains(visitor.driver, duration=50)
    actions.move_to_element_with_offset(points, round(x) - 20, round(y) - 20).click_and_hold()
    for dx, dy in [(20, -20), (20, 20), (-20, 20), (-20, -20)]:
        actions.move_to_element_with_offset(points, round(x) + dx, round(y) + dy)
    actions.release().perform()
    visitor.eventually(lambda: visitor.text(".map-chosen h2") == "1 tracks chosen")
    visitor.eventually(lambda: len(visitor.all(".map-list .entry-name")) == 1)
    visitor.driver.execute_cdp_cmd("Page.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    visitor.click(".map-chosen .primary")
    visitor.eventually((tmp_path / "earmark.m3u8").exists)
    assert f"/v1/library/tracks/{number}/audio" in (tmp_path / "earmark.m3u8").read_text(encoding="utf-8")
    visitor.click(".map-chosen .actions .button:last-child")
    visitor.eventually(lambda: not visitor.all(".map-chosen h2"))


def test_the_colour_is_in_the_link(visitor: Visitor) -> None:
    open_map(visitor, "/#/map?tag=drums")
    visitor.eventually(lambda: visitor.wait_for("#map-tag").get_attribute("value") == "drums")
    visitor.wait_for("#map-tag").send_keys("piano")
    visitor.eventually(lambda: visitor.driver.current_url.endswith("#/map?tag=piano"))
    visitor.driver.refresh()
    visitor.eventually(lambda: visitor.wait_for("#map-tag").get_attribute("value") == "piano")


def test_keys_go_from_track_to_track(visitor: Visitor) -> None:
    open_map(visitor)
    visitor.focus(".points")
    seen = set()
    for key in (Keys.ARROW_LEFT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_UP, Keys.ARROW_DOWN, Keys.ARROW_LEFT):
        visitor.press(key)
        seen.add(visitor.eventually(lambda: visitor.text(".map-track .entry-name")))
    visitor.press("+", "-", Keys.ENTER)
    played = "return performance.getEntriesByType('resource').filter((one) => one.name.endsWith('/audio')).length"
    visitor.eventually(lambda: visitor.driver.execute_script(played) > 0)
    assert seen <= {"First song", "Second song", "Third song"}


def test_all_tracks_with_a_tag_are_chosen_without_a_pointer(collector: Visitor, large_server: Served) -> None:
    counts = {}
    for label in large_server.client.get("/v1/library/map").json()["labels"]:
        answer = large_server.client.get("/v1/library/map/tag", params={"tag": label}).json()
        counts[label] = sum(probability >= 0.5 for probability in answer["probabilities"])
    label = max(counts, key=lambda each: counts[each])
    assert counts[label] > 0
    collector.come(path=f"/#/map?tag={label.replace(' ', '%20')}")
    collector.eventually(
        lambda: collector.all(".map-chosen .button") and label in collector.text(".map-chosen .button")
    )
    collector.click(".map-chosen .button")
    collector.eventually(lambda: collector.text(".map-chosen h2") == f"{counts[label]} tracks chosen")
