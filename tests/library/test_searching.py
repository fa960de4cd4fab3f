"""Searches in free words: what comes first, why, and in which order and part."""

import dataclasses
import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from library.synthetic import fill, say
from tagging.builders import make_bundle

from earmark.errors import LibraryError, QueryError
from earmark.library import search as search_module
from earmark.library.descriptions import NOTHING_SAID, Description, Descriptions, TextField
from earmark.library.jobs import Stamp
from earmark.library.library import Library
from earmark.library.search import log_odds_of
from earmark.library.searching import Reason, Sort, _best_first
from earmark.tagging.bundle.bundle import seal
from earmark.tagging.bundle.card import TagName
from earmark.tagging.tagger import Tagger

LOW, HIGH = -3.0, 3.0
TRACKS = {
    "/music/one.mp3": ([HIGH, LOW, LOW, LOW, LOW], Description("Evening", "Leoni", "Hours", "Jazz", 1999)),
    "/music/two.mp3": ([HIGH, HIGH, LOW, LOW, LOW], Description("Morning", "The Others", "Hours", "Pop", 1980)),
    "/music/three.mp3": ([LOW, HIGH, LOW, LOW, LOW], Description("Leoni's dream", "Evening", "", "Jazz")),
    "/music/four.mp3": ([LOW, LOW, LOW, LOW, LOW], Description("tag 1", "Zoë", "Alpha", "", 2005)),
    "/music/five.mp3": ([0.0, 0.0, LOW, LOW, LOW], NOTHING_SAID),
}


@pytest.fixture
def described(library: Library) -> Library:
    say(library, {path: logits for path, (logits, _) in TRACKS.items()})
    rows = ((os.fsencode(path), Stamp(1, 1), said) for path, (_, said) in TRACKS.items())
    library.descriptions.write(rows)
    return library


def found(library: Library, text: str, sort: Sort = "relevance") -> list[str]:
    return [each.path.removeprefix("/music/").removesuffix(".mp3") for each in library.search(text, n=None, sort=sort)]


@pytest.mark.parametrize(
    ("text", "first", "total"),
    [
        ("tag 1", {"one", "two"}, 5),
        ("tag 1 tag 2", {"two"}, 5),
        ("tag 1 not tag 2", {"one"}, 5),
        ("tag 2 without tag 1", {"three"}, 5),
        ("leoni", {"one"}, 2),
        ("artist:leoni dream", {"one"}, 1),
        ("tag 2 leoni", {"three"}, 5),
        ("tag 1 leoni", {"one"}, 5),
        ("tag 1 xyzzyx", {"one", "two"}, 5),
        ("zoe", {"four"}, 1),
        ("leo", {"one"}, 2),
        ("xyzzyx", set(), 0),
        ("artist:leoni", {"one"}, 1),
        ("artist:leoni tag 2", {"one"}, 1),
        ("tag 2 genre:jazz", {"three"}, 2),
        ("year:1980s", {"two"}, 1),
        ("tag 1 year:1990-2010", {"one", "four"}, 2),
        ("artist:leoni AND tag 1", {"one"}, 1),
        ("album:hours AND NOT year:1999", {"two"}, 1),
        ("artist:xyzzyx", set(), 0),
        ("-artist:leoni", {"two", "three", "four", "five"}, 4),
        ("tag 1 not artist:leoni", {"two"}, 4),
        ('tag 1 without "tag 2"', {"one"}, 5),
    ],
)
def test_what_comes_first(described: Library, text: str, first: set[str], total: int) -> None:
    names = found(described, text)
    assert set(names[: len(first)]) == first
    assert len(names) == described.search(text).total == total


@pytest.mark.parametrize("text", ["music", "mp3", "tag 1 music", "music leoni", "-mp3 tag 2", "xyzzyx music"])
def test_a_word_that_all_have_is_not_looked_for_in_each_field_and_ranks_alike(
    described: Library, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    everywhere, asked = found(described, text), []
    scores = [each.score for each in described.search(text, n=None)]
    monkeypatch.setattr(search_module, "MANY_TRACKS", 1)
    tracks_with = Descriptions.tracks_with

    def asking(self: Descriptions, words: str, field: TextField | None = None, *, start: bool = False) -> object:
        asked.append((words, field))
        return tracks_with(self, words, field, start=start)

    monkeypatch.setattr(Descriptions, "tracks_with", asking)
    assert found(described, text) == everywhere
    assert [each.score for each in described.search(text, n=None)] == scores
    assert not {words for words, field in asked if field is not None} & {"music", "mp3"}


@given(st.lists(st.integers(-3, 3), max_size=40), st.none() | st.integers(0, 50), st.randoms())
def test_the_best_come_first_and_equal_ones_in_their_order(
    scores: list[int], count: int | None, random: random.Random
) -> None:
    rows = list(range(len(scores)))
    random.shuffle(rows)
    expected = sorted(rows, key=lambda row: -scores[row])
    best = _best_first(np.array(rows, np.int64), np.array(scores, np.float64), count).tolist()
    assert best[:count] == expected[:count]
    assert len(best) >= min(len(rows), count if count is not None else len(rows))


def test_a_result_says_why(described: Library) -> None:
    (best, *_) = result = described.search("tag 1 leoni xyzzyx")
    probability = best.tags["tag 1"]
    assert best.why == (Reason("tag", "tag 1", probability), Reason("artist", "Leoni"))
    assert [str(each) for each in best.why] == [f"tag 1 {probability:.0%}".replace("%", " %"), "artist Leoni"]
    assert best.description == TRACKS["/music/one.mp3"][1]
    assert [(term.text, term.kind, term.tags) for term in result.terms] == [
        ("tag 1", "tag", ("tag 1",)),
        ("leoni", "words", ()),
        ("xyzzyx", "unknown", ()),
    ]
    assert result.notes == ("no such tag, and in no title, artist, album, genre or path: xyzzyx",)
    assert described.search(" ".join(f"xyzzyx{number}" for number in range(40))).notes[1:] == (
        "the search has too many words; the last 8 do not count",
    )
    assert [str(each) for each in described.search("path:four music")[0].why] == ["path music"]


def test_words_that_no_tag_has_lead_to_the_nearest(tmp_path: Path) -> None:
    made = make_bundle(tags=5, calibrated=True)
    labels = ("quiet", "loud", "piano", "violin", "techno")
    tags = tuple(TagName(label, "tests") for label in labels)
    entries = tuple(
        dataclasses.replace(entry, label=label) for entry, label in zip(made.card.calibration, labels, strict=True)
    )
    bundle = seal(dataclasses.replace(made.card, tags=tags, calibration=entries), made.weights)
    with Library(tmp_path / "music.earmark", Tagger(bundle)) as library:
        say(library, {f"/{label}.mp3": list(4.0 * (np.arange(5) == place)) for place, label in enumerate(labels)})
        library.descriptions.write([(b"/techno.mp3", Stamp(1, 1), Description("A sonata"))])
        result = library.search("cellos")
        assert result.notes[0].startswith("no such tag: cellos; searched for violin")
        assert (result.total, result[0].path, result.terms[0].kind) == (5, "/violin.mp3", "nearest")
        assert result[0].why[0].text == "violin"
        result = library.search("sonata")
        assert [each.path for each in result][:1] == ["/techno.mp3"], "what has the word comes first"
        assert {each.path for each in result.tracks[1:3]} <= {"/violin.mp3", "/piano.mp3"}
        assert (result.notes, result.terms[0].kind) == ((), "words")


def test_a_strict_search_tells_similarity_too(described: Library) -> None:
    similar = {each.track_id: each.score for each in described.similar(1, n=4)}
    for query in ("like:1 AND tag 2>=0", "like:1 OR tag 1>=0", "NOT like:1"):
        for each in described.search(query, n=None):
            told = {reason.kind: reason.probability for reason in each.why}
            assert ("similar" in told) is (each.track_id != 1 and similar.get(each.track_id, -1) >= -1 / 4)
            if "similar" in told:
                assert told["similar"] == pytest.approx(similar[each.track_id])


def test_words_of_one_field_are_one_reason(described: Library) -> None:
    (best, *_) = described.search("the others morning tag 2 tag 2")
    assert [(each.kind, each.text) for each in best.why] == [
        ("artist", "The Others"),
        ("title", "Morning"),
        ("tag", "tag 2"),
    ]


def test_strict_results_say_why_too(described: Library) -> None:
    result = described.search("tag 1 AND NOT tag 2>0.9")
    assert result.strict
    assert [each.text for each in result[0].why] == ["tag 1", "tag 2"]


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("artist", ["three", "one", "two", "four", "five"]),
        ("title", ["one", "three", "two", "four", "five"]),
        ("album", ["four", "two", "one", "five", "three"]),
        ("year", ["two", "one", "four", "five", "three"]),
        ("path", ["five", "four", "one", "three", "two"]),
        ("added", ["five", "four", "three", "two", "one"]),
        ("duration", ["one", "two", "three", "four", "five"]),
    ],
)
def test_order(described: Library, sort: Sort, expected: list[str]) -> None:
    names = found(described, "", sort)
    assert names == expected
    assert found(described, "")[0] == "five", "the newest first"


@pytest.mark.parametrize("text", ["tag 1", "tag 1 tag 2 leoni", "music", "", "NOT tag 5", "like:1 tag 1"])
def test_pages_are_parts_of_the_whole(library: Library, text: str) -> None:
    fill(library, 60)
    library.database.mark_missing([f"/music/0/{number}.mp3" for number in range(10)][1:], missing=True)
    whole = library.search(text, n=None)
    assert whole.total == len(whole)
    assert whole.total == 51 or text in ("NOT tag 5", "like:1 tag 1")
    pages = [library.search(text, n=7, offset=offset) for offset in range(0, whole.total + 7, 7)]
    assert [each.track_id for page in pages for each in page] == [each.track_id for each in whole]
    assert {page.total for page in pages} == {whole.total}
    assert len({each.track_id for each in whole}) == whole.total


def test_similar_tracks_and_tags_are_combined(library: Library) -> None:
    fill(library, 60)
    similar = {each.track_id for each in library.search("like:3", n=None)}
    assert similar
    assert 3 not in similar
    combined = library.search("like:/music/0/2.mp3 tag 1", n=None)
    assert {each.track_id for each in combined} == similar
    assert all([reason.kind for reason in each.why] == ["similar", "tag"] for each in combined)
    strict = library.search("like:3 AND tag 1>0.3", n=None)
    assert {each.track_id for each in strict} == {each.track_id for each in combined if each.tags["tag 1"] > 0.3}
    for wrong in ("like:99", "like:/nowhere.mp3", "like:99 AND tag 1", "like:99999999999999999999"):
        with pytest.raises(LibraryError, match="found no such track"):
            library.search(wrong)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("LEONI AND EVENING", ["LEONI", "EVENING"]),
        ("tag 1 NOT tag 2", ["tag 1", "tag 2"]),
        ("tag 1 tag 2 AND tag 3", ["tag 1", "tag 2", "tag 3"]),
        ("(tag 1 leoni) OR tag 2", ["tag 1", "leoni", "tag 2"]),
        ("tag 1 AND xyzzyx", ["tag 1", "xyzzyx"]),
    ],
)
def test_what_is_no_query_is_searched_in_free_words(described: Library, text: str, terms: list[str]) -> None:
    found = described.search(text)
    assert not found.strict
    assert [term.text for term in found.terms] == terms
    assert found.notes[0].startswith("searched in free words, because it is no query: found ")
    with pytest.raises(QueryError):
        described.search(text, strict=True)


@pytest.mark.parametrize(
    "text", ["tag 1 AND", "tag 1>0.5 leoni", "leoni>0.5", "(tag 1 OR tag 2", "AND tag 1", "tag 1>2"]
)
def test_a_wrong_query_is_an_error(described: Library, text: str) -> None:
    with pytest.raises(QueryError):
        described.search(text)


@pytest.mark.parametrize("text", ["year:99", "like:", "artist:", "-year:soon"])
def test_what_is_no_condition_is_told(described: Library, text: str) -> None:
    assert described.search(f"tag 1 {text}").notes[0].startswith(f"{text} is no condition; expected ")
    assert described.search(f"ROCK OR {text}").notes[1].startswith(f"{text} is no condition; expected ")


@pytest.mark.parametrize("wrong", [{"n": -1}, {"offset": -1}, {"sort": "tempo"}, {"sort": ""}, {"tags": ["xyzzyx"]}])
@pytest.mark.parametrize("text", ["", "tag 1", "NOT tag 1"])
def test_wrong_arguments_are_errors(described: Library, text: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(LibraryError, match=r"found .*expected"):
        described.search(text, **wrong)
    assert len(described.search(text, n=0)) == 0


@pytest.mark.parametrize("text", ["", "leoni", "tag 1", "NOT tag 3", "artist:leoni tag 2"])
def test_tags_filter_searches_of_both_languages(described: Library, text: str) -> None:
    everything = found(described, text)
    for tags in (["tag 1"], ["TAG 2"], ["tag 1", "tag 2"]):
        having = set(found(described, " AND ".join([*tags, "tag 1>=0"])))
        result = described.search(text, n=None, tags=tags)
        assert [Path(each.path).stem for each in result] == [name for name in everything if name in having]
        assert all(tag.lower() in each.tags for each in result for tag in tags)


def test_a_wrong_year_is_an_error_only_in_the_strict_language(described: Library) -> None:
    assert described.search("year:soon").terms[0].text == "year:soon"
    with pytest.raises(QueryError, match="expected a year such as 1990"):
        described.search("year:soon AND tag 1")


@given(st.lists(st.floats(0, 1, width=32), min_size=1))
def test_log_odds_are_finite_and_rise(values: list[float]) -> None:
    chances = np.sort(np.array(values, np.float32))
    odds = log_odds_of(chances)
    assert np.isfinite(odds).all()
    assert (np.diff(odds) >= 0).all()


def test_words_that_are_not_wanted_come_last(described: Library) -> None:
    assert set(found(described, "-leoni")) == {"two", "four", "five"}
    ranked = found(described, "tag 1 not leoni")
    assert ranked[0] == "two" and ranked.index("one") > ranked.index("two")
    assert found(described, "tag 1 leoni")[0] == "one"
