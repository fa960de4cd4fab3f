"""Many sounds with one request: each has a result or a problem, and one that is bad ends nothing."""

import asyncio
import errno
import json
import socket
import threading
import types
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from web.served import PATIENCE_SECONDS, Served, eventually, problem, served

from earmark.library.library import Library
from earmark.tagging.tagger import Tagger
from earmark.web import problems
from earmark.web.batches import SoundBatch
from earmark.web.job import SoundJob
from earmark.web.job_queue import JobQueue
from earmark.web.problem import ProblemError
from earmark.web.settings import ServerSettings
from earmark.web.webhook import allowed_webhook


def finished(running: Served, **request: Any) -> list[dict[str, Any]]:
    """The results of a batch, in the order of its sounds."""
    answer = running.client.post("/v1/batches", **request)
    assert answer.status_code == 202, answer.text
    started = answer.json()
    last = running.events_at(started["events"])[-1]
    results = running.client.get(started["results"])
    assert results.headers["content-type"] == "application/x-ndjson"
    shown = running.client.get(started["results"], headers={"Accept": "text/html,*/*;q=0.8"})
    assert (shown.headers["content-type"], shown.content) == ("text/plain; charset=utf-8", results.content)
    lines = [json.loads(line) for line in results.text.splitlines()]
    failed = sum("problem" in line for line in lines)
    counts = {"done": len(lines), "failed": failed, "of": started["of"]}
    assert last == ("done", counts)
    state = running.client.get(f"/v1/batches/{started['id']}").json()
    assert state == {"id": started["id"], "state": "done", **counts}
    assert len(lines) == started["of"]
    return sorted(lines, key=lambda line: int(line["number"]))


def test_each_file_has_its_result_or_its_problem(usual: Served, song: bytes) -> None:
    contents = [("a.flac", song), ("bad.mp3", b"no sound"), ("empty.wav", b""), ("ö/b.flac", song)]
    lines = finished(usual, files=[("file", each) for each in contents])
    assert [line["name"] for line in lines] == ["a.flac", "bad.mp3", "empty.wav", "b.flac"]
    assert ["result" in line for line in lines] == [True, False, False, True]
    assert lines[1]["problem"]["type"] == lines[2]["problem"]["type"] == "urn:earmark:problem:no-sound"
    alone = usual.client.post("/v1/tag", files={"file": ("a.flac", song)}).json()
    assert lines[0]["result"] == alone
    assert not list(usual.server.folder.rglob("*.sound"))


def test_tracks_of_the_library_by_number_and_by_path(usual: Served, library_file: Path, music: Path) -> None:
    path = str(music / "song 1.flac")
    with Library(library_file) as library:
        known = library.database.known_path(path)
        assert known is not None
    lines = finished(usual, json={"tracks": [1], "paths": [path]})
    assert len(lines) == 2
    assert lines[1]["name"] == "song 1.flac"
    assert all(line["result"]["tags"] for line in lines)
    assert Path(path).exists(), "a file of the library is never removed"


def test_tracks_that_are_not_there_are_named_by_their_places(usual: Served, music: Path) -> None:
    paths = [str(music / "song 1.flac"), "/no/such", str(music / "song 2.flac"), "/nor/this"]
    found = problem(usual.client.post("/v1/batches", json={"tracks": [1], "paths": paths}), 404, "sound-gone")
    assert [each["where"] for each in found["errors"]] == ["body.paths.1", "body.paths.3"]  # type: ignore[attr-defined]
    assert "body.paths.3" in str(found["detail"])
    many = problem(usual.client.post("/v1/batches", json={"paths": ["/no/such"] * 90}), 404, "sound-gone")
    assert len(many["errors"]) == 10  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "allowed", "refused"),
    [
        ("a.example", ["http://a.example/", "https://A.example:99/x"], ["http://b.example/"]),
        ("a.example:8080", ["http://a.example:8080/"], ["http://a.example/", "https://a.example:80/"]),
        ("A.example:443", ["https://a.example/"], ["http://a.example/"]),
        ("[::1]:80", ["http://[::1]/"], ["http://[::1]:81/", "http://[::2]/"]),
    ],
)
def test_a_webhook_goes_to_an_allowed_host_and_port(host: str, allowed: list[str], refused: list[str]) -> None:
    settings = ServerSettings(webhook_hosts=(host,))
    for address in allowed:
        assert allowed_webhook(address, settings) is not None
    for address in refused:
        with pytest.raises(ProblemError):
            allowed_webhook(address, settings)


@pytest.mark.parametrize(
    ("sent", "status", "kind"),
    [
        ({"json": {"tracks": [999]}}, 404, "unknown-number"),
        ({"json": {"paths": ["/etc/passwd"]}}, 404, "sound-gone"),
        ({"json": {"paths": ["\x00"]}}, 404, "sound-gone"),
        ({"json": {}}, 422, "wrong-parameters"),
        ({"json": {"track": [1]}}, 422, "wrong-parameters"),
        ({"json": {"tracks": ["a"]}}, 422, "wrong-parameters"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 422, "wrong-parameters"),
        ({"content": b"x", "headers": {"Content-Type": "audio/wav"}}, 415, "wrong-type"),
        ({"files": {"sound": ("a", b"x")}}, 422, "wrong-parameters"),
        ({"json": {"tracks": [1]}, "params": {"webhook": "http://localhost/"}}, 422, "wrong-parameters"),
        ({"json": {"tracks": [1] * 200_000 * 3}}, 413, "too-large"),
    ],
)
def test_what_is_no_batch_is_refused(usual: Served, sent: dict[str, Any], status: int, kind: str) -> None:
    problem(usual.client.post("/v1/batches", **sent), status, kind)


def test_a_batch_has_limits(tagger: Tagger) -> None:
    with served(tagger, max_batch_files=2, max_batch_megabytes=1.0, max_megabytes=0.6) as running:
        three = [("file", ("a.flac", b"x"))] * 3
        problem(running.client.post("/v1/batches", files=three), 422, "wrong-parameters")
        large = [("file", ("a.wav", bytes(550_000)))] * 2
        problem(running.client.post("/v1/batches", files=large), 413, "too-large")
        problem(running.client.post("/v1/batches", files=[("file", ("a", bytes(700_000)))]), 413, "too-large")
        assert [path.name for path in running.server.folder.iterdir()] == ["lock"]


def test_all_batches_have_a_limit_of_their_room_on_the_disk(tagger: Tagger) -> None:
    with served(tagger, max_batch_megabytes=1.0) as running:
        batches = running.server.batches
        with batches.arriving(1_000_000, running.server) as first, batches.arriving(10**12, running.server) as second:
            first(1_000_000)
            second(300_000)
            for announced_bytes in (700_001, 10**12):
                with pytest.raises(ProblemError) as caught, batches.arriving(announced_bytes, running.server):
                    pass
                assert caught.value.problem.kind == "full"
                assert int(caught.value.headers["Retry-After"]) >= 1
            with batches.arriving(None, running.server) as third:
                third(700_000)
                for count in (first, second, third):
                    with pytest.raises(ProblemError):
                        count(1)
        with batches.arriving(1_000_000, running.server) as first:
            first(1_000_000)


def test_who_announces_much_and_sends_little_keeps_no_room(tagger: Tagger, song: bytes) -> None:
    with served(tagger, max_batch_megabytes=1.0) as running, ExitStack() as opened:
        for _ in range(5):
            opened.enter_context(running.server.batches.arriving(1_000_000, running.server))(10)
        finished(running, files=[("file", ("a.flac", song))])


def test_a_full_disk_ends_a_batch_and_leaves_none_of_its_sounds(
    tagger: Tagger, song: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SoundBatch, "write", full)
    with served(tagger) as running:
        files = [("file", (f"{number}.flac", song)) for number in range(4)]
        started = running.client.post("/v1/batches", files=files).json()
        name, data = running.events_at(started["events"])[-1]
        assert (name, data["type"]) == ("failed", "urn:earmark:problem:no-room")
        assert not [*running.server.folder.rglob("*.sound")]


def test_a_batch_that_runs_keeps_its_room_until_it_is_done(
    tagger: Tagger, song: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, tag = threading.Event(), JobQueue.run_of_batch

    async def held(queue: JobQueue, job: SoundJob) -> None:
        while not go.is_set():
            await asyncio.sleep(0.01)
        await tag(queue, job)

    monkeypatch.setattr(JobQueue, "run_of_batch", held)
    half = len(song) / 2_000_000
    with served(tagger, max_batch_megabytes=8 * half) as running:
        files = [("file", (f"{number}.flac", song)) for number in range(3)]
        started = [running.client.post("/v1/batches", files=files) for _ in range(4)]
        assert [answer.status_code for answer in started] == [202, 202, 429, 429]
        problem(started[2], 429, "full")
        go.set()
        for answer in started[:2]:
            running.events_at(answer.json()["events"])
        finished(running, files=files)


def test_a_batch_is_removed_with_its_sounds(tagger: Tagger, song: bytes) -> None:
    with served(tagger, kept_batches=1) as running:
        files = [("file", (f"{number}.flac", song)) for number in range(8)]
        started = running.client.post("/v1/batches", files=files).json()
        running.server.queue._mean_seconds = 40.0
        refused = running.client.post("/v1/batches", files=files[:1])
        problem(refused, 429, "full")
        assert int(refused.headers["Retry-After"]) > 40, "several sounds are left"
        assert running.client.delete(f"/v1/batches/{started['id']}").status_code == 204
        problem(running.client.get(started["results"]), 404, "unknown-batch")
        eventually(lambda: [path.name for path in running.server.folder.iterdir()] == ["lock"])
        first = running.client.post("/v1/batches", files=files[:1]).json()
        running.events_at(first["events"])
        finished(running, files=files[:1])  # takes the place of the finished one
        problem(running.client.get(first["results"]), 404, "unknown-batch")


@pytest.fixture
def listener() -> Iterator[tuple[str, list[bytes]]]:
    """A server that takes webhooks, and what it was told."""
    told: list[bytes] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/hook?a=1", told
        server.shutdown()
        thread.join()


def test_a_webhook_is_told_once_where_its_host_is_allowed(
    tagger: Tagger, song: bytes, listener: tuple[str, list[bytes]]
) -> None:
    address, told = listener
    with served(tagger, webhook_hosts=("127.0.0.1",)) as running:
        finished(running, files=[("file", ("a.flac", song))], params={"webhook": address})
        eventually(lambda: len(told) == 1)
        assert json.loads(told[0]) | {"batch": ""} == {"batch": "", "state": "done", "done": 1, "failed": 0, "of": 1}
        for wrong in ("http://127.0.0.2/", "ftp://127.0.0.1/", "http://127.0.0.1.evil.example/", "http://[", "x"):
            answer = running.client.post("/v1/batches", files={"file": ("a", song)}, params={"webhook": wrong})
            assert problem(answer, 422, "wrong-parameters")["errors"]
    assert len(told) == 1


def test_a_batch_of_too_many_tracks_is_refused_before_any_is_looked_up(
    usual: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looked_up(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("earmark.web.library.ServedLibrary.sounds", looked_up)
    answer = usual.client.post("/v1/batches", json={"tracks": [1] * 100_000})
    problem(answer, 422, "wrong-parameters")
    assert "100000 sounds" in answer.text


@pytest.mark.parametrize(
    "body",
    [
        {"tracks": ["a"] * 150_000},
        {"paths": [1] * 150_000},
        {"tracks": [1] * 150_000},
        dict.fromkeys(map(str, range(60_000)), 1),
        {"x" * 900_000: 1},
        dict.fromkeys(map(str, range(40)), 1),
    ],
    ids=["numbers", "paths", "count", "fields", "name", "some"],
)
@pytest.mark.parametrize("address", ["/v1/batches", "/v1/library/playlist", "/v1/teaching"])
def test_a_body_with_very_many_mistakes_has_a_short_answer(usual: Served, address: str, body: dict[str, Any]) -> None:
    other = {"tracks": "numbers", "paths": "yes"} if address != "/v1/batches" else {}
    answer = usual.client.post(address, json={other.get(name, name): value for name, value in body.items()})
    assert 1 <= len(problem(answer, 422, "wrong-parameters")["errors"]) <= 10  # type: ignore[arg-type]
    assert len(answer.content) < 10_000


def test_a_body_of_json_is_parsed_outside_the_event_loop(usual: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []

    def noted(*_: object) -> None:
        threads.append(threading.current_thread().name)
        raise ProblemError(problems.UNKNOWN_BATCH)

    monkeypatch.setattr("earmark.web.routes.BatchRequest.from_json", noted)
    problem(usual.client.post("/v1/batches", json={"tracks": [1]}), 404, "unknown-batch")
    monkeypatch.setattr("earmark.web.json_requests.json", types.SimpleNamespace(loads=noted))
    usual.client.post("/v1/library/playlist", json={"numbers": [1]})
    assert len(threads) == 2
    assert all("asyncio_" in each or "ThreadPool" in each for each in threads), threads


def test_a_refused_batch_removes_no_finished_one(tagger: Tagger, song: bytes) -> None:
    with served(tagger, kept_batches=1) as running:
        first = running.client.post("/v1/batches", files=[("file", ("a.flac", song))]).json()
        assert running.events_at(first["events"])[-1][0] == "done"
        assert running.client.post("/v1/batches", content=b"x").status_code == 415
        assert running.client.get(first["results"]).status_code == 200
        second = running.client.post("/v1/batches", files=[("file", ("a.flac", song))])
        assert second.status_code == 202
        assert running.client.get(first["results"]).status_code == 404


def test_a_server_ends_although_the_host_of_a_webhook_does_not_answer(tagger: Tagger, song: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with served(tagger, webhook_hosts=("127.0.0.1",)) as running:
            files = [("file", ("a.flac", song))]
            running.client.post("/v1/batches", files=files, params={"webhook": address}).raise_for_status()
            asked, _ = silent.accept()
        waiting = [thread for thread in threading.enumerate() if thread.name == "earmark-webhook"]
        assert len(waiting) == 1
        asked.close()
        waiting[0].join(PATIENCE_SECONDS)
