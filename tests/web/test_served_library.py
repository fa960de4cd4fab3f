"""`/v1/library`: searched, compared and heard, and no path told."""

import sqlite3
from pathlib import Path

import pytest
from tagging.builders import make_bundle
from web.served import Served, problem, served

from earmark.errors import LibraryError
from earmark.library.library import Library
from earmark.tagging.tagger import Tagger
from earmark.web.app import make_app
from earmark.web.library import name_of
from earmark.web.settings import ServerSettings


def test_how_much_there_is(usual: Served, tagger: Tagger) -> None:
    assert usual.client.get("/v1/library").json() == {"tracks": 4, "model": tagger.card.name}


def test_a_search_finds_what_the_library_finds(usual: Served, library_file: Path) -> None:
    query = "tag 1>0.001 OR NOT tag 2"
    with Library(library_file) as library:
        expected = [(each.track_id, Path(each.path).name, each.score) for each in library.search(query)]
    answer = usual.client.get("/v1/library/search", params={"q": query}).json()["tracks"]
    assert [(each["number"], each["name"], each["score"]) for each in answer] == expected
    assert answer
    for track in answer:
        chances = [tag["probability"] for tag in track["tags"]]
        assert chances == sorted(chances, reverse=True)
        assert len(chances) == 5
    assert len(usual.client.get("/v1/library/search", params={"q": query, "limit": 1}).json()["tracks"]) == 1


def test_an_empty_search_shows_what_was_added_last(usual: Served) -> None:
    for address in ("/v1/library/search", "/v1/library/search?q=", "/v1/library/search?q=%20&limit=20"):
        assert [each["number"] for each in usual.client.get(address).json()["tracks"]] == [4, 3, 2, 1]


def test_free_words_are_ranked_page_by_page_with_their_reasons(usual: Served, library_file: Path) -> None:
    with Library(library_file) as library:
        expected = [each.track_id for each in library.search("tag 2 xyzzy", n=None)]
    pages = [
        usual.client.get("/v1/library/search", params={"q": "tag 2 xyzzy", "offset": offset, "limit": 3}).json()
        for offset in (0, 3)
    ]
    assert [[each["number"] for each in page["tracks"]] for page in pages] == [expected[:3], expected[3:]]
    assert [(page["total"], page["offset"], page["strict"]) for page in pages] == [(4, 0, False), (4, 3, False)]
    assert pages[0]["terms"] == [
        {"text": "tag 2", "kind": "tag", "tags": ["tag 2"], "negated": False},
        {"text": "xyzzy", "kind": "unknown", "tags": [], "negated": False},
    ]
    assert pages[0]["notes"] == ["no such tag, and in no title, artist, album, genre or path: xyzzy"]
    for track in (each for page in pages for each in page["tracks"]):
        assert [(each["kind"], each["text"]) for each in track["why"]] == [("tag", "tag 2")]
        assert {"title", "artist", "album", "genre", "year"} <= set(track)


@pytest.mark.parametrize("query", ["", "tag 2", "xyzzy tag 1", "NOT tag 3"])
def test_a_tag_filters_either_language_by_its_own_threshold(usual: Served, library_file: Path, query: str) -> None:
    with Library(library_file) as library:
        having = {each.track_id for each in library.search("tag 1", n=None, strict=True)}
        having_both = having & {each.track_id for each in library.search("tag 4", n=None, strict=True)}
    address = "/v1/library/search"
    unfiltered = usual.client.get(address, params={"q": query}).json()["tracks"]
    for tags, kept in ((["tag 1"], having), (["tag 1", "tag 4"], having_both)):
        found = usual.client.get(address, params={"q": query, "tag": tags}).json()
        expected = [each["number"] for each in unfiltered if each["number"] in kept]
        assert [each["number"] for each in found["tracks"]] == expected
        assert found["total"] == len(expected)
    for track in unfiltered:
        (has,) = [tag["has"] for tag in track["tags"] if tag["label"] == "tag 1"]
        assert has is (track["number"] in having)
    problem(usual.client.get(address, params={"q": query, "tag": "nonsense"}), 404, "unknown-tag")


def test_tracks_are_sorted_and_compared(usual: Served) -> None:
    tracks = usual.client.get("/v1/library/search", params={"sort": "duration"}).json()["tracks"]
    lengths = [each["duration_seconds"] for each in tracks]
    assert lengths == sorted(lengths)
    alike = usual.client.get("/v1/library/search", params={"q": "like:2"}).json()
    assert 2 not in [each["number"] for each in alike["tracks"]]
    assert all(each["why"][0]["kind"] == "similar" for each in alike["tracks"])
    problem(usual.client.get("/v1/library/search", params={"q": "like:99"}), 404, "unknown-number")
    problem(usual.client.get("/v1/library/search", params={"sort": "path"}), 422, "wrong-parameters")


@pytest.mark.parametrize(
    ("query", "position"),
    [("piano>0.5 AND tag 1", 0), ("tag 1 AND", 9), ("tag 1 AND (tag 2", 16), ("tag 1 > 2", 8), ("NOT NOT )", 8)],
)
def test_a_wrong_search_says_where(usual: Served, query: str, position: int) -> None:
    found = problem(usual.client.get("/v1/library/search", params={"q": query}), 422, "wrong-search")
    assert found["position"] == position
    assert "\n" not in str(found["detail"])


@pytest.mark.parametrize(
    "query",
    [
        "path:song",
        "folder:/",
        "piano path:song",
        "like:/etc/passwd",
        "like:x OR tag 1",
        "tag 1 AND NOT (path:etc OR tag 2)",
    ],
)
def test_paths_are_not_searched_for(usual: Served, query: str) -> None:
    problem(usual.client.get("/v1/library/search", params={"q": query}), 422, "path-in-search")


def test_tracks_that_are_alike(usual: Served, library_file: Path) -> None:
    with Library(library_file) as library:
        expected = [(each.track_id, each.score) for each in library.similar(2, 2)]
    answer = usual.client.get("/v1/library/similar/2?n=2").json()["tracks"]
    assert [(each["number"], each["score"]) for each in answer] == expected
    for alike in ("sound", "style"):
        others = usual.client.get(f"/v1/library/similar/2?alike={alike}").json()["tracks"]
        assert sorted(each["number"] for each in others) == [1, 3, 4]
    problem(usual.client.get("/v1/library/similar/99"), 404, "unknown-number")
    problem(usual.client.get("/v1/library/similar/2?alike=taste"), 422, "wrong-parameters")


def test_a_track_is_heard(usual: Served, music: Path) -> None:
    (track,) = usual.client.get("/v1/library/search?limit=1").json()["tracks"]
    where = f"/v1/library/tracks/{track['number']}/audio"
    content = (music / track["name"]).read_bytes()
    assert usual.client.get(where).content == content
    assert usual.client.head(where).headers["content-length"] == str(len(content))
    part = usual.client.get(where, headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, content[4:8])
    problem(usual.client.get("/v1/library/tracks/99/audio"), 404, "unknown-number")


def test_no_path_is_told(usual: Served, music: Path) -> None:
    for address in ("/v1/library", "/v1/library/search", "/v1/library/similar/1", "/v1/library/tracks/99/audio"):
        answer = usual.client.get(address)
        assert str(music) not in answer.text + str(answer.headers)


def test_without_a_library(tagger: Tagger) -> None:
    with served(tagger) as running:
        for part in ("", "/search?q=a", "/similar/1", "/tracks/1/audio"):
            problem(running.client.get(f"/v1/library{part}"), 404, "no-library")
        problem(running.client.post("/v1/tracks?library=1"), 404, "no-library")


def test_an_empty_library(tagger: Tagger, tmp_path: Path) -> None:
    with Library(tmp_path / "empty.earmark", make=True):
        pass
    with served(tagger, tmp_path / "empty.earmark") as running:
        problem(running.client.get("/v1/library"), 404, "empty-library")


def test_a_library_of_another_model_is_searched_but_not_compared_with(library_file: Path, song: bytes) -> None:
    with served(Tagger(make_bundle(tags=5, seed=7)), library_file) as running:
        assert running.client.get("/v1/library/similar/1").status_code == 200
        identifier = running.finished(song)
        problem(running.client.get(f"/v1/tracks/{identifier}/similar"), 409, "other-model")


def test_files_that_are_gone_are_not_shown(tagger: Tagger, tmp_path: Path, song: bytes) -> None:
    (tmp_path / "song.flac").write_bytes(song)
    with Library(tmp_path / "music.earmark", tagger) as library:
        library.add(tmp_path / "song.flac", jobs=1, low_priority=False)
    with served(tagger, tmp_path / "music.earmark") as running:
        (tmp_path / "song.flac").unlink()
        problem(running.client.get("/v1/library/tracks/1/audio"), 404, "sound-gone")
        problem(running.client.post("/v1/tracks?library=1"), 404, "sound-gone")


def test_a_library_that_breaks_is_told_without_its_path(
    tagger: Tagger, library_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    copy = tmp_path / "copy.earmark"
    with sqlite3.connect(library_file) as whole, sqlite3.connect(copy) as other:
        whole.backup(other)
    whole.close()
    other.close()
    with served(tagger, copy) as running:
        for file in tmp_path.glob("copy.earmark-*"):
            file.unlink()
        copy.write_bytes(b"no library" * 1_000)
        problem(running.client.get("/v1/library"), 503, "library-unusable")
    assert str(copy) in caplog.text


def test_a_file_that_is_no_library_is_refused_at_once(tagger: Tagger, tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="nothing here"):
        make_app(ServerSettings(), tagger, tmp_path / "nothing here")


def test_a_name_of_odd_bytes_is_text() -> None:
    import os

    assert name_of(os.fsdecode(b"/music/odd \xff.flac")) == "odd \N{REPLACEMENT CHARACTER}.flac"
