"""The page of the API, and the page itself, below a path, with nothing from another host."""

import re
from collections.abc import Iterator

import pytest
from selenium.webdriver import Chrome
from web.browser.visitor import Visitor
from web.served import Served, served

from earmark.tagging.tagger import Tagger

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def below(tagger: Tagger) -> Iterator[Served]:
    """A server below a path."""
    with served(tagger, jobs_come=False, root_path="/earmark") as running:
        yield running


def test_the_explorer_shows_every_address_and_asks_no_other_host(chromium: Chrome, below: Served) -> None:
    visiting = Visitor(chromium, below.url)
    visiting.come("/earmark/docs#?route=get-/health")
    shown = "return document.querySelector('openapi-explorer')?.shadowRoot?.textContent ?? ''"
    visiting.eventually(lambda: "Return the limits of a sound" in chromium.execute_script(shown))
    document = below.client.get("/openapi.json").json()
    summaries = {each["summary"] for methods in document["paths"].values() for each in methods.values()}
    text = re.sub(r"\s+", " ", chromium.execute_script(shown))
    assert {summary for summary in summaries if summary not in text} == set()
    asked = chromium.execute_script("return performance.getEntriesByType('resource').map((each) => each.name)")
    assert f"{below.url}/earmark/docs/openapi-explorer.min.js" in asked
    assert f"{below.url}/earmark/openapi.json" in asked
    assert [each for each in asked if not each.startswith(f"{below.url}/earmark/")] == []
    form = "document.querySelector('openapi-explorer').shadowRoot.querySelector('api-request')"
    visiting.eventually(lambda: chromium.execute_script(f"return !!{form}?.querySelector('.btn-execute')"))
    chromium.execute_script(f"{form}.querySelector('.btn-execute').click()")
    visiting.eventually(
        lambda: "200" in chromium.execute_script(f"return {form}.querySelector('.response-message')?.textContent ?? ''")
    )
    assert visiting.log() == []
    chromium.get("about:blank")


def test_the_page_itself_works_below_a_path(chromium: Chrome, below: Served) -> None:
    visiting = Visitor(chromium, below.url)
    visiting.start(path="/earmark/")
    visiting.eventually(lambda: "earmark" in visiting.text("#about"))
    asked = chromium.execute_script("return performance.getEntriesByType('resource').map((each) => each.name)")
    assert f"{below.url}/earmark/page/page.js" in asked
    assert [each for each in asked if not each.startswith(f"{below.url}/earmark/")] == []
    visiting.click("footer a[href=docs]")
    visiting.eventually(lambda: chromium.current_url.startswith(f"{below.url}/earmark/docs"))
    visiting.eventually(lambda: visiting.all("openapi-explorer"))
    assert visiting.log() == []
    chromium.get("about:blank")
