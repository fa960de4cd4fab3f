"""Tracks are kept for a while, and so many of them; those that are being listened to always."""

import asyncio
from pathlib import Path

import pytest

from earmark.web.events import Event
from earmark.web.metrics import Metrics
from earmark.web.problem import ProblemError
from earmark.web.problems import no_sound
from earmark.web.settings import ServerSettings
from earmark.web.tracks import KeptTrack, Tracks

DONE = Event("done", {})


class Clock:
    """Time as a test wants it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tracks(tmp_path: Path, clock: Clock) -> Tracks:
    settings = ServerSettings(keep_minutes=1.0, kept_tracks=3, kept_megabytes=0.01)
    return Tracks(settings, tmp_path, Metrics(), clock)


def brought(tracks: Tracks, size_bytes: int = 10, *, done: bool = True) -> KeptTrack:
    folder = tracks.new_folder()
    (folder / "sound").write_bytes(bytes(size_bytes))
    track = tracks.add("song", folder / "sound", "audio/flac", folder)
    if done:
        track.events.publish(DONE)
    return track


def is_kept(tracks: Tracks, track: KeptTrack) -> bool:
    try:
        return tracks.get(track.id) is track
    except ProblemError as error:
        assert error.problem.kind == "unknown-track"
        assert not track.folder.exists()
        return False


def test_its_time_begins_anew_whenever_it_is_asked_for(tracks: Tracks, clock: Clock) -> None:
    used, unused = brought(tracks), brought(tracks)
    clock.seconds = 50.0
    tracks.get(used.id)
    clock.seconds = 61.0
    tracks.sweep()
    assert not is_kept(tracks, unused)
    assert is_kept(tracks, used)
    clock.seconds = 200.0
    tracks.sweep()
    assert len(tracks) == 0


def test_one_that_is_not_finished_is_kept_however_long_it_takes(tracks: Tracks, clock: Clock) -> None:
    track = brought(tracks, done=False)
    clock.seconds = 1_000.0
    tracks.sweep()
    assert is_kept(tracks, track)


def test_the_oldest_make_room(tracks: Tracks, clock: Clock) -> None:
    kept = []
    for second in range(5):
        clock.seconds = float(second)
        kept.append(brought(tracks))
    assert [is_kept(tracks, track) for track in kept] == [False, False, True, True, True]


def test_large_ones_make_room_too(tracks: Tracks, clock: Clock) -> None:
    first = brought(tracks, 6_000)
    clock.seconds = 1.0
    second = brought(tracks, 6_000)
    tracks.sweep()
    assert [is_kept(tracks, first), is_kept(tracks, second)] == [False, True]


def test_a_file_of_the_library_stays_where_it_is(tracks: Tracks, tmp_path: Path) -> None:
    own = tmp_path / "music.flac"
    own.write_bytes(b"music")
    track = tracks.add("music", own, "audio/flac", tracks.new_folder())
    tracks.forget_sound(track)
    tracks.remove(track)
    assert own.read_bytes() == b"music"


def test_what_is_asked_of_it_too_early_or_in_vain(tracks: Tracks) -> None:
    track = brought(tracks, done=False)
    with pytest.raises(ProblemError) as caught:
        tracks.finished(track.id)
    assert caught.value.problem.status == 409
    track.fail(no_sound("It is none."))
    track.events.publish(DONE)  # nothing is told after the last event
    with pytest.raises(ProblemError) as caught:
        tracks.finished(track.id)
    assert caught.value.problem == no_sound("It is none.")


def test_a_result_that_is_removed_before_it_is_read_is_an_unknown_track(tracks: Tracks) -> None:
    track = brought(tracks)
    track.result.write_bytes(b"{}")
    found = tracks.finished(track.id)
    assert found.read_result() == b"{}"
    tracks.remove(track)
    with pytest.raises(ProblemError) as caught:
        found.read_result()
    assert caught.value.problem.kind == "unknown-track"


def test_events_come_to_everybody_and_end(tracks: Tracks) -> None:
    track = brought(tracks, done=False)

    async def follow() -> list[str]:
        return [event.name async for event in track.events.follow() if event is not None]

    async def all_of_it() -> tuple[list[str], list[str]]:
        early = asyncio.create_task(follow())
        await asyncio.sleep(0)
        for event in (Event("progress", {"seconds": 1.0}), DONE):
            track.events.publish(event)
            for _ in range(5):
                await asyncio.sleep(0)
        return await early, await follow()

    assert asyncio.run(all_of_it()) == (["waiting", "progress", "done"], ["done"])


def test_a_quiet_stream_says_that_it_is_there(tracks: Tracks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earmark.web.events.QUIET_SECONDS", 0.01)
    track = brought(tracks, done=False)

    async def three() -> list[Event | None]:
        events = track.events.follow()
        found = [await anext(events) for _ in range(3)]
        await events.aclose()  # type: ignore[attr-defined]
        return found

    assert asyncio.run(three()) == [Event("waiting", {"ahead": 0}), None, None]


def test_at_the_end_all_are_removed_and_told(tracks: Tracks) -> None:
    async def ending() -> list[str]:
        track = brought(tracks, done=False)
        track.start(asyncio.sleep(1_000))
        await tracks.clear()
        assert not track.folder.exists()
        return [str(event.data["type"]) async for event in track.events.follow() if event is not None]

    assert asyncio.run(ending()) == ["urn:earmark:problem:ending"]
    assert len(tracks) == 0
