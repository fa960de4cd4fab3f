"""Who may ask, and what a browser is told."""

from collections.abc import Iterator

import pytest
from web.served import Served, problem, served

from earmark.tagging.tagger import Tagger

TOKEN = "correct horse battery staple"


@pytest.fixture(scope="module")
def guarded(tagger: Tagger) -> Iterator[Served]:
    """A server with a token that is called music.example.com outside."""
    with served(tagger, token=f" {TOKEN}\n", allowed_hosts=("Music.example.com",)) as running:
        yield running


@pytest.mark.parametrize("given", [None, "Bearer wrong", TOKEN, f"Basic {TOKEN}", "Bearer", "Bearer ünïcode"])
def test_without_the_token_nothing_is_told(guarded: Served, given: str | None, song: bytes) -> None:
    headers = {"Authorization": "" if given is None else given.encode()}
    for address in ("/v1/models", "/metrics", "/v1/tracks/any", "/v1/library/search", "/nowhere"):
        answer = guarded.client.get(address, headers=headers)
        problem(answer, 401, "no-token")
        assert answer.headers["www-authenticate"].startswith("Bearer")
    problem(guarded.client.post("/v1/tag", files={"file": ("a", song)}, headers=headers), 401, "no-token")


@pytest.mark.parametrize("kind", ["Bearer", "bearer"])
def test_with_the_token_all_is(guarded: Served, kind: str, song: bytes) -> None:
    headers = {"Authorization": f"{kind} {TOKEN}"}
    assert guarded.client.get("/v1/models", headers=headers).status_code == 200
    assert guarded.client.post("/v1/tag", files={"file": ("a", song)}, headers=headers).status_code == 200


@pytest.mark.parametrize("address", ["/health", "/openapi.json", "/docs", "/docs/explorer.css"])
def test_health_needs_no_token(guarded: Served, address: str) -> None:
    assert guarded.client.get(address, headers={"Authorization": ""}).status_code == 200


@pytest.mark.parametrize("address", ["/", "/docs"])
def test_a_page_takes_what_others_add_to_links(guarded: Served, address: str) -> None:
    answer = guarded.client.get(address, params={"utm_source": "x"})
    assert answer.headers["content-type"].startswith("text/html")
    problem(guarded.client.get("/health", params={"utm_source": "x"}), 422, "wrong-parameters")


def test_an_address_with_very_many_mistakes_has_a_short_answer(guarded: Served) -> None:
    answer = guarded.client.get("/health?" + "&".join(map(str, range(1_500))))
    assert len(problem(answer, 422, "wrong-parameters")["errors"]) == 10  # type: ignore[arg-type]
    assert len(answer.content) < 10_000


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000", "[::1]", "192.168.1.5:8000", "music.example.com"],
)
def test_it_answers_to_its_names_and_to_addresses(guarded: Served, host: str) -> None:
    assert guarded.client.get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "", "[::1"])
def test_it_does_not_answer_to_others(guarded: Served, host: str) -> None:
    problem(guarded.client.get("/health", headers={"Host": host}), 421, "wrong-host")


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9", "Host": "localhost:8000"},
        {"Origin": "https://music.example.com:99999", "Host": "music.example.com"},
    ],
)
def test_pages_of_other_origins_are_refused(guarded: Served, headers: dict[str, str]) -> None:
    problem(guarded.client.post("/v1/tracks", headers=headers), 403, "other-origin")
    problem(guarded.client.delete("/v1/tracks/any", headers=headers), 403, "other-origin")
    problem(guarded.client.get("/v1/models", headers=headers), 403, "other-origin")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost:8000", "Host": "localhost:8000"},
        {"Origin": "https://music.example.com", "Host": "music.example.com"},
        {"Origin": "http://[::1]:8000", "Host": "[::1]:8000"},
    ],
)
def test_its_own_page_and_programs_may_ask(guarded: Served, headers: dict[str, str]) -> None:
    assert guarded.client.get("/v1/models", headers=headers).status_code == 200
    problem(guarded.client.delete("/v1/tracks/any", headers=headers), 404, "unknown-track")


def test_the_page_of_the_api_may_style_elements_and_no_more(guarded: Served) -> None:
    usual, of_page = (guarded.client.get(address).headers["content-security-policy"] for address in ("/", "/docs"))
    assert of_page == usual.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")


@pytest.mark.parametrize("address", ["/health", "/v1/models", "/v1/tracks/any", "/nowhere"])
def test_every_answer_says_what_a_page_may_do(guarded: Served, address: str) -> None:
    headers = guarded.client.get(address).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers or "uvicorn" in headers["server"]  # `earmark serve` leaves it out


def test_the_type_of_a_sound_is_never_the_senders(usual: Served) -> None:
    page = b"<!doctype html><script>alert(1)</script>"
    answer = usual.client.post("/v1/tracks?name=a.html", content=page, headers={"Content-Type": "audio/html"})
    where = f"/v1/tracks/{answer.json()['id']}/audio"
    sound = usual.client.get(where)
    if sound.status_code == 200:  # the worker has not seen yet that it is no sound, which deletes it
        assert sound.content == page
        assert sound.headers["content-type"] == "application/octet-stream"
        assert "sandbox" in sound.headers["content-security-policy"]


def test_an_error_nobody_foresaw_is_a_problem_too(usual: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object, query: str, n: int) -> None:
        raise RuntimeError("a secret: /etc/passwd")

    monkeypatch.setattr("earmark.web.library.ServedLibrary.search", broken)
    answer = usual.client.get("/v1/library/search?q=anything", headers={"Connection": "close"})
    problem(answer, 500, "unforeseen")
    assert "secret" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_addresses_and_methods_that_there_are_not(usual: Served) -> None:
    problem(usual.client.get("/v2/anything"), 404, "no-such-address")
    problem(usual.client.get("/redoc"), 404, "no-such-address")
    problem(usual.client.get("/docs/../app.py"), 404, "no-such-address")
    problem(usual.client.get("/page/../app.py"), 404, "no-such-address")
    problem(usual.client.get("/page/%2e%2e/app.py"), 404, "no-such-address")
    answer = usual.client.get("/v1/tag")
    problem(answer, 405, "wrong-method")
    assert answer.headers["allow"] == "POST"
    problem(usual.client.post("/v1/tag?top=0"), 422, "wrong-parameters")
