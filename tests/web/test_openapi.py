"""Every answer is as the API's own description has it, whatever is asked: schemathesis asks."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance
from web.served import PATIENCE_SECONDS, Served, served

from earmark.tagging.tagger import Tagger

TOKEN = "a token of tests"
EXAMPLES, EXAMPLES_WITH_TOKEN = 25, 5
"""Requests that are made up for each address and method."""


ADDRESSES = [
    ("GET", "/health"),
    ("GET", "/metrics"),
    ("GET", "/v1/models"),
    ("POST", "/v1/tag"),
    ("POST", "/v1/embed"),
    ("POST", "/v1/tracks"),
    ("GET", "/v1/tracks/{identifier}"),
    ("DELETE", "/v1/tracks/{identifier}"),
    ("GET", "/v1/tracks/{identifier}/events"),
    ("GET", "/v1/tracks/{identifier}/audio"),
    ("GET", "/v1/tracks/{identifier}/similar"),
    ("GET", "/v1/tracks/{identifier}/stretch"),
    ("POST", "/v1/batches"),
    ("GET", "/v1/batches/{identifier}"),
    ("DELETE", "/v1/batches/{identifier}"),
    ("GET", "/v1/batches/{identifier}/events"),
    ("GET", "/v1/batches/{identifier}/results"),
    ("GET", "/v1/library"),
    ("GET", "/v1/library/search"),
    ("GET", "/v1/library/similar/{number}"),
    ("GET", "/v1/library/map"),
    ("GET", "/v1/library/map/tag"),
    ("GET", "/v1/library/over-time"),
    ("POST", "/v1/library/playlist"),
    ("GET", "/v1/library/tracks/{number}"),
    ("GET", "/v1/library/tracks/{number}/audio"),
    ("POST", "/v1/teaching"),
    ("POST", "/v1/teaching/model"),
    ("GET", "/v1/live"),
]

WITHOUT_PARAMETERS = [
    ("GET", "/v1/library/map"),
    ("GET", "/health"),
    ("GET", "/metrics"),
    ("GET", "/v1/models"),
    ("GET", "/v1/library"),
    ("GET", "/v1/live"),
]


@pytest.fixture(scope="module")
def document(usual: Served) -> dict[str, Any]:
    """The description."""
    found: dict[str, Any] = usual.client.get("/openapi.json").json()
    return found


@pytest.fixture(scope="module")
def guarded(tagger: Tagger, library_file: Path) -> Iterator[Served]:
    """A server with a token."""
    with served(tagger, library_file, token=TOKEN) as running:
        yield running


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_what_is_asked_rightly_is_answered_as_described(usual: Served, method: str, path: str) -> None:
    ask(usual, method, path, GenerationMode.POSITIVE)


@pytest.mark.parametrize(("method", "path"), [each for each in ADDRESSES if each not in WITHOUT_PARAMETERS])
def test_what_is_asked_wrongly_is_answered_as_described(usual: Served, method: str, path: str) -> None:
    ask(usual, method, path, GenerationMode.NEGATIVE)


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_with_a_token_too(guarded: Served, method: str, path: str) -> None:
    ask(guarded, method, path, GenerationMode.POSITIVE, EXAMPLES_WITH_TOKEN)


def described(running: Served) -> schemathesis.schemas.BaseSchema:
    """A server's API, as it describes it."""
    return schemathesis.openapi.from_url(f"{running.url}/openapi.json", timeout=PATIENCE_SECONDS)


def ask(running: Served, method: str, path: str, mode: GenerationMode, examples: int = EXAMPLES) -> None:
    """Make up requests to an address, and check every answer."""
    operation = described(running)[path][method]
    token = running.server.settings.token
    headers = {"Authorization": f"Bearer {token}"} if token else {}

    @settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def each(case: schemathesis.Case) -> None:
        # Bytes that are no sound, and words that are no tags, are refused although they have the form.
        case.call_and_validate(timeout=PATIENCE_SECONDS, headers=headers, excluded_checks=[positive_data_acceptance])

    each()


def test_every_address_is_described_with_examples(document: dict[str, Any]) -> None:
    paths = document["paths"]
    assert {(method.upper(), path) for path, methods in paths.items() for method in methods} == set(ADDRESSES)
    for path, methods in paths.items():
        for method, operation in methods.items():
            assert operation["summary"], (path, method)
            assert operation["description"], (path, method)
            assert {"4XX", "5XX"} <= set(operation["responses"]), (path, method)
    for name, form in document["components"]["schemas"].items():
        for member, described in form.get("properties", {}).items():
            told = json.dumps(described)
            plain = "$ref" in told or described.get("type") in ("boolean", None)
            assert plain or "examples" in described or "enum" in described or "const" in described, (name, member)


def test_bodies_are_described_as_forms_and_as_bytes(document: dict[str, Any]) -> None:
    for path in ("/v1/tag", "/v1/embed", "/v1/tracks"):
        content = document["paths"][path]["post"]["requestBody"]["content"]
        assert set(content) == {"multipart/form-data", "application/octet-stream"}
        assert content["multipart/form-data"]["schema"]["required"] == ["file"]
        assert "Retry-After" in document["paths"][path]["post"]["responses"]["429"]["headers"]


def test_answers_about_a_song_are_as_described(usual: Served, song: bytes) -> None:
    api = described(usual)

    def validated(method: str, path: str, where: str, **options: Any) -> requests.Response:
        answer = requests.request(method, usual.url + where, timeout=PATIENCE_SECONDS, **options)
        assert answer.ok, answer.text
        api[path][method].validate_response(answer)
        return answer

    files = {"file": ("a.flac", song)}
    validated("POST", "/v1/tag", "/v1/tag", files=files)
    validated("POST", "/v1/tag", "/v1/tag?over_time=true&evidence=true&top=2", files=files)
    validated("POST", "/v1/embed", "/v1/embed", files=files)
    identifier = validated("POST", "/v1/tracks", "/v1/tracks", files=files).json()["id"]
    usual.events(identifier)
    for part in ("", "/events", "/similar"):
        validated("GET", f"/v1/tracks/{{identifier}}{part}", f"/v1/tracks/{identifier}{part}")
    for headers in ({}, {"Range": "bytes=0-9"}):
        where = f"/v1/tracks/{identifier}/audio"
        validated("GET", "/v1/tracks/{identifier}/audio", where, headers=headers)
    validated("DELETE", "/v1/tracks/{identifier}", f"/v1/tracks/{identifier}")
    validated("GET", "/v1/library/search", "/v1/library/search?q=tag 1 OR NOT tag 1")
