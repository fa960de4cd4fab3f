"""HEAD, compression, unknown parameters, and a path below which a proxy shows the server."""

import gzip
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from web.served import PATIENCE_SECONDS, Served, problem, served

from earmark.tagging.tagger import Tagger

OPEN = ["/", "/health", "/openapi.json", "/metrics", "/v1/models", "/v1/library", "/page/page.js", "/nowhere"]


@pytest.fixture(scope="module")
def below(tagger: Tagger, library_file: Path) -> Iterator[Served]:
    """A server that a proxy shows below a path."""
    with served(tagger, library_file, root_path="/music/tags") as running:
        yield running


@pytest.mark.parametrize("address", OPEN)
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_head_is_answered_as_get_without_its_body(usual: Served, address: str, encoding: str) -> None:
    headers = {"Accept-Encoding": encoding}
    with usual.client.stream("GET", address, headers=headers) as whole:
        length = len(b"".join(whole.iter_raw()))
    head = usual.client.head(address, headers=headers)
    assert head.content == b""
    assert head.status_code == whole.status_code
    kept = ("content-type", "content-encoding", "etag", "cache-control", "content-security-policy")
    assert [head.headers.get(name) for name in kept] == [whole.headers.get(name) for name in kept]
    if address != "/metrics":  # they have changed
        assert int(head.headers["content-length"]) == length


def test_head_of_sounds_and_streams_ends(usual: Served, song: bytes) -> None:
    identifier = usual.finished(song)
    sound = usual.client.head(f"/v1/tracks/{identifier}/audio", headers={"Range": "bytes=2-5"})
    assert (sound.status_code, sound.headers["content-length"], sound.content) == (206, "4", b"")
    events = usual.client.head(f"/v1/tracks/{identifier}/events")
    assert events.headers["content-type"].startswith("text/event-stream")
    assert usual.client.get("/health").status_code == 200


@pytest.mark.parametrize("address", ["/v1/library/search", "/openapi.json", "/page/page.js"])
@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [("gzip", True), ("br, GZIP;q=0.5", True), ("*", True), ("gzip;q=0", False), ("br", False), ("", False)],
)
def test_text_is_compressed_for_those_who_accept_it(
    usual: Served, address: str, accepted: str, compressed: bool
) -> None:
    with usual.client.stream("GET", address, headers={"Accept-Encoding": accepted}) as answer:
        raw = b"".join(answer.iter_raw())
    assert (answer.headers.get("content-encoding") == "gzip") == compressed
    assert int(answer.headers["content-length"]) == len(raw)
    plain = usual.client.get(address, headers={"Accept-Encoding": "identity"}).content
    assert (gzip.decompress(raw) if compressed else raw) == plain
    if compressed:
        assert "accept-encoding" in answer.headers["vary"].lower()
        if tag := answer.headers.get("etag"):
            again = usual.client.get(address, headers={"Accept-Encoding": accepted, "If-None-Match": tag})
            assert again.status_code == 304


def test_sounds_and_short_answers_are_not_compressed(usual: Served, song: bytes) -> None:
    identifier = usual.finished(song)
    for address in (f"/v1/tracks/{identifier}/audio", "/health", f"/v1/tracks/{identifier}/events"):
        assert "content-encoding" not in usual.client.get(address, headers={"Accept-Encoding": "gzip"}).headers


@pytest.mark.parametrize(
    ("method", "address", "where"),
    [
        ("GET", "/health?a=1", "query.a"),
        ("GET", "/metrics?caf%C3%A9", "query.café"),
        ("GET", "/v1/models?a", "query.a"),
        ("POST", "/v1/tag?Top=5", "query.Top"),
        ("POST", "/v1/tag?top=5&top=6", "query.top"),
        ("POST", "/v1/embed?over_time=true", "query.over_time"),
        ("POST", "/v1/tracks?name=a&file=b", "query.file"),
        ("GET", "/v1/tracks/any?n=1", "query.n"),
        ("DELETE", "/v1/tracks/any?n=1", "query.n"),
        ("GET", "/v1/library/search?query=piano", "query.query"),
        ("HEAD", "/v1/library?a=1", None),
    ],
)
def test_a_parameter_that_the_address_does_not_know_is_refused_by_name(
    usual: Served, method: str, address: str, where: str | None
) -> None:
    answer = usual.client.request(method, address)
    if where is None:
        assert answer.status_code == 422
        return
    found = problem(answer, 422, "wrong-parameters")
    assert where.encode() in json.dumps(found, ensure_ascii=False).encode()


def test_it_works_below_a_path_whether_the_proxy_leaves_it_or_not(below: Served, song: bytes) -> None:
    client = below.client
    for root in ("", "/music/tags"):
        page = client.get(f"{root}/")
        assert page.headers["content-type"].startswith("text/html")
        assert page.headers["cache-control"] == "no-cache"
        assert client.get(f"{root}/page/page.js").status_code == 200
        assert client.get(f"{root}/v1/library").status_code == 200
        problem(client.get(f"{root}/v1/nowhere"), 404, "no-such-address")
        problem(client.get(f"{root}/v1/models", headers={"Origin": "https://evil.example"}), 403, "other-origin")
    assert client.get("/music/tags", follow_redirects=False).headers["location"] == "/music/tags/"
    problem(client.get("/music/tagsy"), 404, "no-such-address")
    assert client.get("/openapi.json").json()["servers"] == [{"url": "/music/tags"}]
    started = client.post("/v1/tracks", files={"file": ("a.flac", song)}).json()
    assert started["events"].startswith("/music/tags/v1/tracks/")
    (done,) = [line for line in client.get(started["events"]).text.splitlines() if '"track"' in line]
    answer = client.get(json.loads(done.removeprefix("data: "))["track"])
    assert answer.json()["name"] == "a.flac"
    assert answer.status_code == 200


def test_the_token_is_asked_for_below_a_path_too(tagger: Tagger) -> None:
    with served(tagger, jobs_come=False, root_path="/music", token="secret") as running:
        for address in ("/music/v1/models", "/v1/models", "/music/metrics"):
            problem(httpx.get(running.url + address, trust_env=False), 401, "no-token")
        for address in ("/music/health", "/music/", "/music/page/page.js"):
            assert httpx.get(running.url + address, trust_env=False).status_code == 200


@pytest.mark.parametrize("keep", ["close", "keep-alive"])
def test_who_is_refused_before_all_is_sent_can_read_why(usual: Served, keep: str) -> None:
    """The client sends its whole body before it reads; a server that closes at once would reset the connection."""
    body = bytes(5_000_000)
    head = f"POST /v1/tag?bogus=1 HTTP/1.1\r\nHost: localhost\r\nConnection: {keep}\r\nContent-Type: audio/wav\r\n"
    for _ in range(5):
        with usual.connect() as connection:
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            answer = connection.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 422 ")


def test_operations_have_names_that_read(usual: Served) -> None:
    paths = usual.client.get("/openapi.json").json()["paths"]
    names = [operation["operationId"] for methods in paths.values() for operation in methods.values()]
    assert len(set(names)) == len(names)
    assert {"tag_sound", "create_track", "follow_track", "search_library"} <= set(names)
    assert all(name.replace("_", "").isalpha() and name.count("_") <= 4 for name in names)


def test_every_answer_has_a_type_that_clients_read(usual: Served) -> None:
    """Those that openapi-python-client knows, which leaves other answers out with a warning."""
    paths = usual.client.get("/openapi.json").json()["paths"]
    answers = {
        (path, status): list(answer["content"])
        for path, methods in paths.items()
        for operation in methods.values()
        for status, answer in operation["responses"].items()
        if "content" in answer
    }
    read = re.compile(r"text/.*|application/(json|octet-stream|.*\+json)")
    assert [where for where, types in answers.items() if not any(map(read.fullmatch, types))] == []


@pytest.mark.skipif(shutil.which("openapi-python-client") is None, reason="needs openapi-python-client")
def test_a_client_is_generated_without_warnings(usual: Served, tmp_path: Path) -> None:
    document = tmp_path / "openapi.json"
    document.write_text(usual.client.get("/openapi.json").text, encoding="utf-8")
    command = ["openapi-python-client", "generate", "--path", str(document), "--fail-on-warning", "--meta", "none"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
