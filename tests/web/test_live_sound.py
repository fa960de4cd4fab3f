"""A live sound and those who follow it: everybody sees the newest, and nobody waits for the slowest."""

import asyncio
import io
import json
import os
import re
from collections.abc import Awaitable, Callable
from typing import BinaryIO

import httpx
import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

from audio.arrived import encoded, make_music
from fastapi import FastAPI

from earmark.errors import DecodeError, TagError
from earmark.tagging.live import LiveSettings
from earmark.tagging.tagger import Tagger
from earmark.web.app import answer_errors
from earmark.web.events import Event, event_response
from earmark.web.live import LiveSound, router
from earmark.web.routes import PAGE_FOLDER

SECONDS_AN_ANSWER = 54 * 512 / 22_050
PATIENCE_SECONDS = 120.0


def application(live: LiveSound | None) -> FastAPI:
    app = FastAPI()
    app.include_router(router)
    answer_errors(app)
    app.state.live = live
    return app


def asked(live: LiveSound | None, path: str = "/v1/live") -> httpx.Response:
    """One request to the end of its answer."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(application(live))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path)

    return asyncio.run(asyncio.wait_for(ask(), PATIENCE_SECONDS))


def events_of(text: str) -> list[tuple[str, dict[str, object]]]:
    blocks = [block.splitlines() for block in text.split("\n\n") if block and not block.startswith(":")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


def test_a_stream_is_followed_to_its_end(tagger: Tagger) -> None:
    sound = encoded("wav", make_music(4.0))
    with LiveSound(tagger, "-", io.BytesIO(sound)) as live:
        answer = asked(live)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    events = events_of(answer.text)
    assert {name for name, _ in events} <= {"notice", "tags", "ended"}
    name, data = events[-1]
    assert (name, data["problem"]) == ("ended", None)
    overall = data["overall"]
    expected = tagger.tag(sound).top(5)
    assert [tag["label"] for tag in overall["tags"]] == [tag.label for tag in expected]  # type: ignore[index]
    # Who comes when all is over is told so at once.
    assert events_of(asked(live).text) == [("ended", data)]


def test_the_page_knows_the_events_by_their_names() -> None:
    page = (PAGE_FOLDER / "live.js").read_text(encoding="utf-8")
    assert set(re.findall(r'name === "(\w+)"', page)) == {"notice", "tags", "ended"}


def test_nobody_listens_to_a_server_that_does_not(tagger: Tagger) -> None:
    answer = asked(None)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:earmark:problem:no-live-sound"


def test_a_source_that_cannot_be_is_refused_at_once(tagger: Tagger) -> None:
    with pytest.raises(DecodeError, match="http"):
        LiveSound(tagger, "song.mp3", io.BytesIO())
    with pytest.raises(TagError, match="longest segment"):
        LiveSound(tagger, "-", io.BytesIO(), LiveSettings(1.0))


def test_what_is_no_sound_is_told_at_the_end(tagger: Tagger) -> None:
    with LiveSound(tagger, "-", io.BytesIO(b"no sound at all " * 5_000)) as live:
        name, data = events_of(asked(live).text)[-1]
    assert name == "ended"
    assert data["overall"] is None
    assert str(data["problem"]).startswith("stdin: ")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_mistake_of_the_servers_own_ends_it_for_all(tagger: Tagger, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("earmark.tagging.live.Live.listen", fails)
    with LiveSound(tagger, "-", io.BytesIO(b"")) as live:
        assert "unexpected error" in str(events_of(asked(live).text)[-1][1]["problem"])


async def until(events: Callable[[], Awaitable[Event | None]], name: str) -> Event:
    while True:
        event = await events()
        if event is not None and event.name == name:
            return event


def test_many_follow_and_each_gets_the_newest(tagger: Tagger) -> None:
    """The sound goes on only when everybody has seen what came of it."""
    samples = np.round(make_music(8.0, 22_050) * 32_767).astype("<i2")
    data = encoded("wav", samples.astype(np.float32) / 32_768, 22_050)
    header = data.index(b"data") + 8
    step = 4 * 54 * 512
    read_end, write_end = os.pipe()

    async def follow(live: LiveSound, writer: BinaryIO) -> list[list[float]]:
        followers = [live.events.follow() for _ in range(3)]
        seen: list[list[float]] = [[] for _ in followers]

        async def write(start: int, stop: int) -> None:
            await asyncio.to_thread(writer.write, data[start:stop])

        # Some more than the answers need: what libav reads at once is not given on before all of it is there.
        written = header + 2 * step + step // 4
        await write(0, written)
        for number in range(2, 5):
            for follower, seconds in zip(followers, seen, strict=True):
                while not seconds or seconds[-1] < (number - 0.5) * SECONDS_AN_ANSWER:
                    event = await until(follower.__anext__, "tags")
                    seconds.append(float(event.data["seconds"]))  # type: ignore[arg-type]
            await write(written, written + step)
            written += step
        late = live.events.follow()
        assert (await anext(late)).name == "tags"  # type: ignore[union-attr]
        await late.aclose()  # type: ignore[attr-defined]
        writer.close()
        for follower in followers:
            assert (await until(follower.__anext__, "ended")).data["problem"] is None
        return seen

    with (
        os.fdopen(read_end, "rb") as reader,
        os.fdopen(write_end, "wb", buffering=0) as writer,
        LiveSound(tagger, "-", reader) as live,
    ):
        seen = asyncio.run(asyncio.wait_for(follow(live, writer), PATIENCE_SECONDS))
    for seconds in seen:
        assert seconds == sorted(set(seconds)), "nothing twice, nothing backwards"
        assert seconds[-1] == pytest.approx(4 * SECONDS_AN_ANSWER, abs=0.01)
    assert not live.events._followers, "who is gone is forgotten"


def test_quiet_followers_are_told_that_the_stream_is_there(tagger: Tagger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earmark.web.events.QUIET_SECONDS", 0.01)
    read_end, write_end = os.pipe()

    async def follow(live: LiveSound) -> list[str]:
        said = event_response(live.events).body_iterator
        found = [await anext(said) for _ in range(3)]
        await said.aclose()  # type: ignore[attr-defined]
        return found

    with os.fdopen(read_end, "rb") as reader:
        with os.fdopen(write_end, "wb") as writer, LiveSound(tagger, "-", reader) as live:
            found = asyncio.run(follow(live))
            writer.close()
        assert found[0].startswith("event: notice\n")
        assert found[1:] == [": still here\n\n"] * 2
        live._thread.join(PATIENCE_SECONDS)
