"""The server itself: its health, its model, its counters, its page."""

import re

from web.served import Served, problem

from earmark import __version__
from earmark.tagging.tagger import Tagger


def test_health_tells_the_limits(usual: Served, tagger: Tagger) -> None:
    assert usual.client.get("/health").json() == {
        "status": "ok",
        "model": tagger.card.name,
        "version": __version__,
        "limits": {"max_megabytes": 200.0, "max_minutes": 60.0, "keep_minutes": 30.0},
    }


def test_the_model_is_described(usual: Served, tagger: Tagger) -> None:
    (model,) = usual.client.get("/v1/models").json()
    assert model["name"] == tagger.card.name
    assert [(each["label"], each["group"]) for each in model["labels"]] == [
        (tag.label, tag.group) for tag in tagger.card.tags
    ]
    assert model["scales"] == ["18", "27", "54"]
    assert model["scale_seconds"]["54"] == 54 * 512 / 22_050
    assert model["levels"] == {"18": [1, 2, 3], "27": [1, 2, 3], "54": [1, 2, 3, 4]}
    assert model["hashes"]["head"] == tagger.card.head.hash
    assert (model["default"], model["calibrated"], model["licence"]) == (True, True, tagger.card.licence)


def test_what_is_done_is_counted(usual: Served, song: bytes) -> None:
    def counted(name: str) -> float:
        text = usual.client.get("/metrics").text
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    names = (
        'earmark_requests_total{method="POST",route="/v1/tag",status="200"}',
        'earmark_requests_total{method="GET",route="/v1/tracks/{identifier}",status="404"}',
        'earmark_requests_total{method="other",route="other",status="404"}',
        'earmark_orders_total{outcome="done",want="tag"}',
        'earmark_orders_total{outcome="no-sound",want="tag"}',
        "earmark_uploaded_bytes_total",
        "earmark_heard_seconds_total",
    )
    before = {name: counted(name) for name in names}
    usual.client.post("/v1/tag", files={"file": ("a", song)})
    usual.client.post("/v1/tag", files={"file": ("a", b"no sound")})
    usual.client.get("/v1/tracks/somebody-s")
    usual.client.request("BREW", "/coffee")
    more = [counted(name) - before[name] for name in names]
    assert more[:5] == [1, 1, 1, 1, 1]
    assert more[5] == len(song) + len(b"no sound")
    assert 11.9 < more[6] < 12.1


def test_no_address_of_a_request_becomes_a_label(usual: Served) -> None:
    usual.client.get("/v1/tracks/a-secret-identifier")
    usual.client.get("/nowhere/secret")
    assert "secret" not in usual.client.get("/metrics").text


def test_the_page_comes_with_its_files(usual: Served) -> None:
    page = usual.client.get("/")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-cache"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    named = re.findall(r'(?:src|href)="(page/[^"#?]+)"', page.text)
    assert named
    for address in named:
        file = usual.client.get(f"/{address}")
        assert file.status_code == 200, address
        assert file.headers["x-content-type-options"] == "nosniff"
        assert usual.client.get(f"/{address}", headers={"If-None-Match": file.headers["etag"]}).status_code == 304
    problem(usual.client.get("/page/nothing.js"), 404, "no-such-address")
    problem(usual.client.get("/page/"), 404, "no-such-address")
