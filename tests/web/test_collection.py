"""The collection as a whole: its map, its tags over time, and playlists, by numbers and never by paths."""

from pathlib import Path

import pytest
from web.served import Served, problem, served

from earmark.tagging.tagger import Tagger


def test_all_tracks_are_on_the_map(usual: Served) -> None:
    found = usual.client.get("/v1/library/map").json()
    assert found["numbers"] == sorted(found["numbers"])
    assert len(found["numbers"]) == len(found["x"]) == len(found["y"]) == len(found["tags"]) == 4
    assert all(-1 <= place <= 1 for place in found["x"] + found["y"])
    assert 0 <= found["share"] <= 1
    assert all(found["labels"][tag].startswith("tag ") for tag in found["tags"])


def test_a_tag_colours_the_map(usual: Served) -> None:
    numbers = usual.client.get("/v1/library/map").json()["numbers"]
    found = usual.client.get("/v1/library/map/tag", params={"tag": "tag 2"}).json()
    assert found["label"] == "tag 2"
    assert len(found["probabilities"]) == len(numbers)
    having = usual.client.get("/v1/library/search", params={"tag": "tag 2"}).json()["total"]
    assert sum(each >= found["threshold"] for each in found["probabilities"]) == having
    for number, probability in zip(numbers, found["probabilities"], strict=True):
        track = usual.client.get(f"/v1/library/tracks/{number}").json()
        own = {tag["label"]: tag["probability"] for tag in track["tags"]}
        assert own["tag 2"] == pytest.approx(probability, abs=1e-3)
    problem(usual.client.get("/v1/library/map/tag", params={"tag": "nonsense"}), 404, "unknown-tag")


def test_the_map_is_new_when_the_library_is(tmp_path: Path, tagger: Tagger, music: Path) -> None:
    from earmark.library.library import Library

    path = tmp_path / "growing.earmark"
    with Library(path, tagger) as library:
        library.add(music / "song 0.flac", jobs=1, low_priority=False)
        library.add(music / "song 1.flac", jobs=1, low_priority=False)
    with served(tagger, path) as running:
        assert len(running.client.get("/v1/library/map").json()["numbers"]) == 2
        with Library(path, tagger) as library:
            library.add(music, jobs=1, low_priority=False)
        assert len(running.client.get("/v1/library/map").json()["numbers"]) == 4


def test_tracks_have_their_strongest_tags_over_time(usual: Served) -> None:
    found = usual.client.get("/v1/library/over-time", params={"number": [1, 3, 99]}).json()["tracks"]
    assert [track["number"] for track in found] == [1, 3]
    for track in found:
        assert len(track["tags"]) == 5
        assert all(0 < len(tag["curve"]) <= 64 for tag in track["tags"])
        means = [sum(tag["curve"]) / len(tag["curve"]) for tag in track["tags"]]
        assert means == sorted(means, reverse=True)


def test_a_playlist_has_the_tracks_in_their_order_and_no_path(usual: Served, music: Path) -> None:
    answer = usual.client.post("/v1/library/playlist", json={"numbers": [3, 1, 99, 3]})
    assert answer.headers["content-type"] == "audio/x-mpegurl"
    lines = answer.text.splitlines()
    assert lines[0] == "#EXTM3U"
    assert lines[2::2] == [f"{usual.url}/v1/library/tracks/{number}/audio" for number in (3, 1)]
    assert all(line.startswith("#EXTINF:") for line in lines[1::2])
    assert str(music) not in answer.text
    for address in lines[2::2]:
        assert usual.client.get(address).status_code == 200


@pytest.mark.parametrize(("trusted", "scheme"), [(("127.0.0.1",), "https"), ((), "http")])
def test_the_addresses_in_a_playlist_have_the_scheme_that_a_trusted_proxy_tells(
    tagger: Tagger, library_file: Path, trusted: tuple[str, ...], scheme: str
) -> None:
    with served(tagger, library_file, jobs_come=False, trusted_proxies=trusted, root_path="/music") as running:
        told = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "/evil"}
        answer = running.client.post("/v1/library/playlist", json={"numbers": [1]}, headers=told)
        host = running.url.removeprefix("http://")
        assert answer.text.splitlines()[-1] == f"{scheme}://{host}/music/v1/library/tracks/1/audio"
        rebound = {"Host": "evil.example", "X-Forwarded-Host": "localhost"}
        problem(running.client.get("/health", headers=rebound), 421, "wrong-host")


def test_a_track_is_described(usual: Served, music: Path) -> None:
    answer = usual.client.get("/v1/library/tracks/2")
    assert answer.json()["number"] == 2
    assert str(music) not in answer.text
    problem(usual.client.get("/v1/library/tracks/99"), 404, "unknown-number")


@pytest.mark.parametrize("path", ["map", "map/tag?tag=x", "over-time?number=1", "tracks/1"])
def test_without_a_library_there_is_none(tagger: Tagger, path: str) -> None:
    with served(tagger, jobs_come=False) as running:
        problem(running.client.get(f"/v1/library/{path}"), 404, "no-library")
