"""A live sound and those who follow it: everybody sees the newest, and nobody waits for the slowest."""

import asyncio
import io
import json
import os
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
from earmark.web import live
from earmark.web.failures import answer_failures
from earmark.web.live import LiveEvent, LiveFeed

SECONDS_AN_ANSWER = 54 * 512 / 22_050
PATIENCE_SECONDS = 120.0


def application(feed: LiveFeed | None) -> FastAPI:
    app = FastAPI()
    app.include_router(live.router)
    answer_failures(app)
    if feed is not None:
        app.state.live = feed
    return app


def asked(feed: LiveFeed | None, path: str = "/v1/live") -> httpx.Response:
    """One request to the end of its answer."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(application(feed))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path)

    return asyncio.run(asyncio.wait_for(ask(), PATIENCE_SECONDS))


def events_of(text: str) -> list[tuple[str, dict[str, object]]]:
    blocks = [block.splitlines() for block in text.split("\n\n") if block and not block.startswith(":")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


def test_a_stream_is_followed_to_its_end(tagger: Tagger) -> None:
    sound = encoded("wav", make_music(4.0))
    with LiveFeed(tagger, "-", io.BytesIO(sound)) as feed:
        answer = asked(feed)
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
    assert events_of(asked(feed).text) == [("ended", data)]


def test_nobody_listens_to_a_server_that_does_not(tagger: Tagger) -> None:
    answer = asked(None)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:earmark:problem:no-live-sound"


def test_a_source_that_cannot_be_is_refused_at_once(tagger: Tagger) -> None:
    with pytest.raises(DecodeError, match="http"):
        LiveFeed(tagger, "song.mp3", io.BytesIO())
    with pytest.raises(TagError, match="longest segment"):
        LiveFeed(tagger, "-", io.BytesIO(), LiveSettings(1.0))


def test_what_is_no_sound_is_told_at_the_end(tagger: Tagger) -> None:
    with LiveFeed(tagger, "-", io.BytesIO(b"no sound at all " * 5_000)) as feed:
        name, data = events_of(asked(feed).text)[-1]
    assert name == "ended"
    assert data["overall"] is None
    assert str(data["problem"]).startswith("stdin: ")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_mistake_of_the_servers_own_ends_it_for_all(tagger: Tagger, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("earmark.tagging.live.Live.listen", fails)
    with LiveFeed(tagger, "-", io.BytesIO(b"")) as feed:
        assert "nobody foresaw" in str(events_of(asked(feed).text)[-1][1]["problem"])


async def until(events: Callable[[], Awaitable[LiveEvent | None]], name: str) -> LiveEvent:
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

    async def follow(feed: LiveFeed, writer: BinaryIO) -> list[list[float]]:
        followers = [feed.events() for _ in range(3)]
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
        late = feed.events()
        assert (await anext(late)).name == "tags"  # type: ignore[union-attr]
        await late.aclose()  # type: ignore[attr-defined]
        writer.close()
        for follower in followers:
            assert (await until(follower.__anext__, "ended")).data["problem"] is None
        return seen

    with (
        os.fdopen(read_end, "rb") as reader,
        os.fdopen(write_end, "wb", buffering=0) as writer,
        LiveFeed(tagger, "-", reader) as feed,
    ):
        seen = asyncio.run(asyncio.wait_for(follow(feed, writer), PATIENCE_SECONDS))
    for seconds in seen:
        assert seconds == sorted(set(seconds)), "nothing twice, nothing backwards"
        assert seconds[-1] == pytest.approx(4 * SECONDS_AN_ANSWER, abs=0.01)
    assert not feed._followers, "who is gone is forgotten"


def test_quiet_followers_are_told_that_the_stream_is_there(tagger: Tagger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "QUIET_SECONDS", 0.01)
    read_end, write_end = os.pipe()

    async def follow(feed: LiveFeed) -> list[str]:
        said = live._stream(feed.events())
        found = [await anext(said) for _ in range(3)]
        await said.aclose()  # type: ignore[attr-defined]
        return found

    with os.fdopen(read_end, "rb") as reader:
        with os.fdopen(write_end, "wb") as writer, LiveFeed(tagger, "-", reader) as feed:
            found = asyncio.run(follow(feed))
            writer.close()
        assert found[0].startswith("event: notice\n")
        assert found[1:] == [": still here\n\n"] * 2
        feed._thread.join(PATIENCE_SECONDS)
