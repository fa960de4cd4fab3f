"""`/v1/tracks`: brought, followed, shown, heard, compared, removed."""

import os
import signal
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
from web.served import Served, eventually, problem, served

from earmark.tagging.tagger import Tagger


def test_a_track_from_beginning_to_end(usual: Served, tagger: Tagger, song: bytes) -> None:
    started = usual.client.post("/v1/tracks", files={"file": ("../a/my song.flac", song)}).json()
    identifier = started["id"]
    assert started == {
        "id": identifier,
        "events": f"/v1/tracks/{identifier}/events",
        "audio": f"/v1/tracks/{identifier}/audio",
    }
    events = usual.events(identifier)
    assert {name for name, _ in events[:-1]} <= {"waiting", "progress"}
    assert events[-1] == ("done", {"track": f"/v1/tracks/{identifier}"})
    found = usual.client.get(f"/v1/tracks/{identifier}").json()
    expected = tagger.tag(song, keep_features=True)
    assert (found["id"], found["name"], found["media_type"]) == (identifier, "my song.flac", "audio/flac")
    assert found["prediction"]["probabilities"] == expected.to_dict()["probabilities"]
    assert found["prediction"]["over_time"]["labels"] == list(tagger.labels)
    assert set(found["evidence"]) == set(tagger.labels)
    assert 0 < len(found["waveform"]["peaks"]) <= 6_000
    length = found["waveform"]["seconds_per_point"] * len(found["waveform"]["peaks"])
    assert length == pytest.approx(12.0, rel=0.01)


def test_who_comes_late_gets_the_last_event_at_once(usual: Served, song: bytes) -> None:
    identifier = usual.finished(song)
    assert usual.events(identifier) == [("done", {"track": f"/v1/tracks/{identifier}"})]


def test_a_track_that_fails_says_why(usual: Served) -> None:
    identifier = usual.bring(b"a shopping list")
    name, told = usual.events(identifier)[-1]
    assert (name, told["type"]) == ("failed", "urn:earmark:problem:no-sound")
    assert problem(usual.client.get(f"/v1/tracks/{identifier}"), 422, "no-sound") == told
    problem(usual.client.get(f"/v1/tracks/{identifier}/similar"), 422, "no-sound")
    problem(usual.client.get(f"/v1/tracks/{identifier}/audio"), 404, "sound-gone")


def test_the_sound_comes_whole_or_in_ranges(usual: Served, song: bytes) -> None:
    where = f"/v1/tracks/{usual.finished(song)}/audio"
    whole = usual.client.get(where)
    assert (whole.status_code, whole.content) == (200, song)
    assert whole.headers["content-type"] == "audio/flac"
    assert whole.headers["accept-ranges"] == "bytes"
    assert "sandbox" in whole.headers["content-security-policy"]
    head = usual.client.head(where)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(song)))
    for asked, expected in (("0-9", song[:10]), ("10-", song[10:]), ("-5", song[-5:]), (f"5-{10**12}", song[5:])):
        part = usual.client.get(where, headers={"Range": f"bytes={asked}"})
        assert (part.status_code, part.content) == (206, expected), asked
        assert part.headers["content-range"].endswith(f"/{len(song)}")
    for ignored in ("bytes=0-1,5-6", "bytes=9-5", "seconds=1-2", "nonsense", "bytes=-"):
        assert usual.client.get(where, headers={"Range": ignored}).status_code == 200, ignored
    for beyond in (f"{len(song)}-", "-0"):
        answer = usual.client.get(where, headers={"Range": f"bytes={beyond}"})
        problem(answer, 416, "beyond-the-end")
        assert answer.headers["content-range"] == f"bytes */{len(song)}"


def test_the_sound_comes_as_flac(usual: Served, tmp_path: Path) -> None:
    made = tmp_path / "stereo.aiff"
    noise = np.random.default_rng(0).uniform(-1, 1, (44_100, 2))
    soundfile.write(made, noise, 44_100, subtype="PCM_16")
    where = f"/v1/tracks/{usual.finished(made.read_bytes(), 'stereo.aiff')}/audio"
    assert usual.client.get(where).headers["content-type"] == "audio/aiff"
    for _ in range(2):  # made, and then kept
        answer = usual.client.get(where, params={"format": "flac"})
        assert answer.headers["content-type"] == "audio/flac"
        assert "stereo.aiff.flac" in answer.headers["content-disposition"]
        (tmp_path / "back.flac").write_bytes(answer.content)
        samples, rate_hz = soundfile.read(tmp_path / "back.flac")
        assert (samples.shape, rate_hz) == ((44_100,), 44_100)
        np.testing.assert_allclose(samples, noise.mean(axis=1), atol=2e-4)
    part = usual.client.get(where, params={"format": "flac"}, headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"fLaC")
    problem(usual.client.get(where, params={"format": "mp3"}), 422, "wrong-parameters")


def test_a_removed_track_is_gone_from_the_disk(usual: Served, song: bytes) -> None:
    before = sorted(usual.server.folder.iterdir())
    identifier = usual.finished(song)
    assert sorted(usual.server.folder.iterdir()) != before
    removed = usual.client.delete(f"/v1/tracks/{identifier}")
    assert (removed.status_code, removed.content) == (204, b"")
    assert sorted(usual.server.folder.iterdir()) == before
    for address in ("", "/events", "/audio", "/similar"):
        problem(usual.client.get(f"/v1/tracks/{identifier}{address}"), 404, "unknown-track")
    problem(usual.client.delete(f"/v1/tracks/{identifier}"), 404, "unknown-track")


def test_a_track_of_the_library_is_brought_by_number(usual: Served, music: Path) -> None:
    brought = usual.client.post("/v1/tracks?library=1")
    identifier = brought.json()["id"]
    assert usual.events(identifier)[-1][0] == "done"
    found = usual.client.get(f"/v1/tracks/{identifier}").json()
    sound = music / found["name"]
    assert usual.client.get(f"/v1/tracks/{identifier}/audio").content == sound.read_bytes()
    usual.client.delete(f"/v1/tracks/{identifier}")
    assert sound.exists()
    problem(usual.client.post("/v1/tracks?library=99"), 404, "unknown-number")
    problem(usual.client.post("/v1/tracks?library=1", files={"file": ("a", b"sound")}), 422, "two-sounds")


def test_tracks_of_the_library_that_are_alike(usual: Served, music: Path) -> None:
    identifier = usual.finished((music / "song 2.flac").read_bytes())
    for alike in ("all", "sound", "style"):
        answer = usual.client.get(f"/v1/tracks/{identifier}/similar", params={"n": 3, "alike": alike})
        tracks = answer.json()["tracks"]
        assert tracks[0]["name"] == "song 2.flac"
        assert tracks[0]["score"] == pytest.approx(1.0, abs=0.01)
        assert len(tracks) == 3
        assert len(tracks[0]["tags"]) == 5


@pytest.mark.skipif(os.name != "posix", reason="stops a process with a signal")
def test_a_track_that_is_not_finished_is_asked_for(tagger: Tagger, song: bytes) -> None:
    with served(tagger) as running:
        (worker,) = running.server.queue.process_ids
        os.kill(worker, signal.SIGSTOP)
        identifier = running.bring(song)
        problem(running.client.get(f"/v1/tracks/{identifier}"), 409, "not-finished")
        assert running.client.get(f"/v1/tracks/{identifier}/audio").content == song
        problem(running.client.get(f"/v1/tracks/{identifier}/similar"), 404, "no-library")
        os.kill(worker, signal.SIGCONT)
        assert running.events(identifier)[-1][0] == "done"


@pytest.mark.skipif(os.name != "posix", reason="stops a process with a signal")
def test_removing_a_track_ends_what_is_done_with_it(tagger: Tagger, song: bytes) -> None:
    with served(tagger) as running:
        (worker,) = running.server.queue.process_ids
        os.kill(worker, signal.SIGSTOP)
        identifier = running.bring(song)
        with httpx.stream("GET", f"{running.url}/v1/tracks/{identifier}/events", timeout=None) as answer:
            assert running.client.delete(f"/v1/tracks/{identifier}").status_code == 204
            told = answer.read().decode()
        assert told.endswith("\n\n")
        assert "event: failed" in told
        assert "unknown-track" in told
        eventually(lambda: worker not in running.server.queue.process_ids or _is_gone(worker))
        running.finished(song)


def _is_gone(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return True
    return False
