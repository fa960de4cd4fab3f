"""The page that shows the API: its files come from the server, in the version that is named."""

import json
import re
from pathlib import Path

from web.served import Served

ROOT = Path(__file__).parents[2]


def test_all_that_the_page_names_is_the_servers_own(usual: Served) -> None:
    page = usual.client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    named = re.findall(r'(?:src|href|spec-url)="([^"]+)"', page.text)
    assert {"docs/openapi-explorer.min.js", "openapi.json"} <= set(named)
    assert [each for each in named if re.match(r"[a-z]+:|/", each)] == []
    assert {each: usual.client.get(f"/{each}").status_code for each in named} == dict.fromkeys(named, 200)


def test_the_viewer_is_the_one_that_is_named(usual: Served) -> None:
    package = json.loads((ROOT / "tools" / "explorer" / "package.json").read_text(encoding="utf-8"))
    version = package["dependencies"]["openapi-explorer"]
    viewer = usual.client.get("/docs/openapi-explorer.min.js").text
    assert viewer.startswith(f"/*! OpenAPI Explorer {version} ")
    assert f"OpenAPI Explorer {version} " in (ROOT / "NOTICE").read_text(encoding="utf-8")
    assert "Apache License" in usual.client.get("/docs/openapi-explorer.LICENSE").text
