import dataclasses
import os
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from library.poison import odd_name
from library.synthetic import analysis, fill, say
from tagging.builders import make_bundle

from earmark.errors import LibraryError, QueryError
from earmark.library import store
from earmark.library.collection import LEAST_THRESHOLD, best_f1_threshold
from earmark.library.jobs import Stamp
from earmark.library.library import Library
from earmark.library.query import HasPath, HasTag, parse
from earmark.library.search import tracks_at
from earmark.library.store import Store
from earmark.tagging.bundle.calibration import probabilities
from earmark.tagging.bundle.card import TagName
from earmark.tagging.tagger import Tagger

LOW, HIGH = -8.0, 8.0
TRACKS = {
    "/music/jazz/one.mp3": [HIGH, LOW, LOW, LOW, LOW],
    "/music/jazz/two.mp3": [HIGH, HIGH, LOW, LOW, LOW],
    "/music/rock/Three [live].mp3": [LOW, HIGH, HIGH, LOW, LOW],
    "/music/rock/four.mp3": [LOW, 1.0, HIGH, LOW, LOW],
    "/music/rock 2/five.mp3": [LOW, LOW, LOW, LOW, LOW],
}


def names(library: Library, query: str, threshold: float | None = None) -> list[str]:
    return [Path(found.path).stem for found in library.search(query, strict=True, threshold=threshold)]


@pytest.fixture
def filled(library: Library) -> Library:
    say(library, TRACKS)
    return library


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("tag 1", {"one", "two"}),
        ("tag 1 AND tag 2", {"two"}),
        ("tag 1 AND NOT tag 2", {"one"}),
        ("tag 1 OR tag 3", {"one", "two", "Three [live]", "four"}),
        ("NOT (tag 1 OR tag 2 OR tag 3)", {"five"}),
        ("tag 2>0.9", {"two", "Three [live]"}),
        ("tag 2<=0.9 AND tag 2>0.5", {"four"}),
        ("tag 2 < 50%", {"one", "five"}),
        ("path:jazz", {"one", "two"}),
        ("path:THREE", {"Three [live]"}),
        ("path:'[live]'", {"Three [live]"}),
        ("path:'*/rock/*[live].mp3'", {"Three [live]"}),
        ("path:*/f???.mp3", {"four", "five"}),
        ("path:nowhere", set()),
        ("folder:/music/rock", {"Three [live]", "four"}),
        ("folder:/MUSIC/Rock", {"Three [live]", "four"}),
        ("folder:/music/roc", set()),
        ("folder:/music/rock/ AND tag 3", {"Three [live]", "four"}),
        ("folder:/music/jazz/../rock", {"Three [live]", "four"}),
        ("NOT folder:/music/rock AND NOT tag 1", {"five"}),
    ],
)
def test_what_is_found(filled: Library, query: str, expected: set[str]) -> None:
    assert set(names(filled, query)) == expected


def test_the_best_comes_first_and_equal_ones_as_they_were_added(filled: Library, tagger: Tagger) -> None:
    assert names(filled, "tag 2")[-1] == "four"
    assert names(filled, "tag 1") == ["one", "two"]
    found = filled.search("tag 2 AND NOT tag 1")
    four = probabilities(np.array(TRACKS["/music/rock/four.mp3"], np.float32), tagger.card)
    assert found[-1].score == pytest.approx(float(four[1] * (1 - four[0])), rel=1e-5)
    assert found[-1].tags == {"tag 2": pytest.approx(float(four[1])), "tag 1": pytest.approx(float(four[0]))}
    assert found[-1].duration_seconds == 103.0


def test_as_many_as_wanted(filled: Library) -> None:
    assert len(filled.search("NOT tag 5", n=2)) == 2
    assert len(filled.search("NOT tag 5", n=None)) == 5
    assert filled.search("tag 5", strict=True).tracks == ()
    page = filled.search("NOT tag 5", n=2, offset=3)
    assert (page.total, page.offset, [each.track_id for each in page]) == (5, 3, [4, 5])
    assert filled.search("NOT tag 5", offset=5).tracks == ()


def test_the_threshold_is_for_tags_without_a_number(filled: Library) -> None:
    assert set(names(filled, "tag 2", threshold=0.9)) == {"two", "Three [live]"}
    assert len(names(filled, "tag 2>0", threshold=0.9)) == 5


def test_probabilities_follow_a_new_calibration(filled: Library, tagger: Tagger) -> None:
    before = {found.path: found.tags["tag 2"] for found in filled.search("tag 2", strict=True)}
    other = Tagger(make_bundle(tags=5, calibrated=False))
    with Library(filled.path, other) as again:
        after = {found.path: found.tags["tag 2"] for found in again.search("tag 2", strict=True)}
        scores = probabilities(np.array([1.0] * 5, np.float32), other.card)
        assert after["/music/rock/four.mp3"] == pytest.approx(float(scores[1]))
        assert after["/music/rock/four.mp3"] != before["/music/rock/four.mp3"]


def test_softmax_models_are_searched_too(tmp_path: Path) -> None:
    tagger = Tagger(make_bundle(tags=5, activation="softmax"))
    with Library(tmp_path / "music.earmark", tagger) as library:
        say(library, TRACKS)
        found = library.search("tag 1", strict=True, threshold=0.4)
        assert [Path(each.path).stem for each in found] == ["one", "two"], "of two equals each has one half"
        assert [each.score for each in found] == [pytest.approx(1.0, abs=1e-3), pytest.approx(0.5, abs=1e-3)]


def test_a_wrong_search_is_told(filled: Library) -> None:
    with pytest.raises(QueryError, match="found 'tag', expected a tag of the model"):
        filled.search("tag 9", strict=True)


def test_new_tracks_are_found_at_once(filled: Library) -> None:
    assert len(filled.search("NOT tag 5", n=None)) == 5
    assert filled.tagger is not None
    heard = analysis(filled.tagger.card, 9, logits=[HIGH] * 5)
    filled.database.add_track(heard, 1, [("/music/new.mp3", Stamp(1, 1))])
    assert names(filled, "tag 5") == ["new"]


def test_missing_files_are_not_shown(filled: Library) -> None:
    filled.database.mark_missing(["/music/jazz/one.mp3"], missing=True)
    assert names(filled, "tag 1") == ["two"]
    assert names(filled, "path:one") == []


def test_a_library_is_searched_without_its_model(filled: Library) -> None:
    with Library(filled.path) as reading:
        assert names(reading, "tag 1") == ["one", "two"]
        assert reading.left_out() == 0


def test_an_empty_library_says_so(library: Library) -> None:
    with Library(library.path) as reading, pytest.raises(LibraryError, match="found nothing in the library"):
        reading.search("tag 1")
    assert library.search("tag 1").total == library.search("tag 1 AND tag 2").total == library.search("").total == 0


def test_tracks_of_another_model_are_left_out(filled: Library) -> None:
    with Library(filled.path, Tagger(make_bundle(tags=5, seed=4))) as other:
        assert other.search("NOT tag 5").total == 0
        assert other.left_out() == 5


@pytest.mark.parametrize(
    "query", ["like:1", "like:1 tag 1", "-like:1", "NOT like:1", "like:/music/jazz/one.mp3 OR tag 1"]
)
@pytest.mark.parametrize("count", [0, 3])
def test_a_track_of_another_model_is_no_example(filled: Library, query: str, count: int) -> None:
    with Library(filled.path, Tagger(make_bundle(tags=5, scales=(18,), seed=4))) as other:
        fill(other, count, first=100)
        with pytest.raises(LibraryError, match="another model analysed"):
            other.search(query)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("asked", ["NFC", "NFD"])
@pytest.mark.parametrize(
    "query",
    [
        "path:Björk",
        "path:BJÖRK",
        "path:'*/björk/*'",
        "path:'*/BJ?RK/été.mp3'",
        "path:ÉTÉ",
        "folder:/Music/Björk",
        "folder:/music/BJÖRK/",
        "NOT folder:/music/bjork AND path:STRASSE",
    ],
)
def test_paths_are_found_whatever_their_case_and_form(library: Library, form: str, asked: str, query: str) -> None:
    path = unicodedata.normalize(form, "/Music/Straße/../Björk/été.mp3").replace("/Straße/..", "")
    say(library, {path: [HIGH] * 5, "/Music/Bjork/ete.mp3": [LOW] * 5, "/Music/Straße/été bjørk.mp3": [LOW] * 5})
    found = [each.path for each in library.search(unicodedata.normalize(asked, query))]
    if "STRASSE" in query:
        assert found == ["/Music/Straße/été bjørk.mp3"]
    else:
        assert path in found
        assert "/Music/Bjork/ete.mp3" not in found


def test_a_tag_is_found_in_either_form() -> None:
    assert parse(unicodedata.normalize("NFD", "SÉANCE"), [TagName("séance", "tests")]) == HasTag(0)


def test_a_library_of_an_older_version_is_searched_so_too(tmp_path: Path, tagger: Tagger) -> None:
    path = unicodedata.normalize("NFD", "/music/Björk.mp3")
    with pytest.MonkeyPatch.context() as older:
        older.setattr(store, "MIGRATIONS", store.MIGRATIONS[:2])
        old = Store(tmp_path / "music.earmark")
        old.run("INSERT INTO models VALUES (1, '[]', '', '')")
        old.run("INSERT INTO tracks VALUES (1, 'packets:0', 1, '0', '', '', 1.0, 0, '', x'', x'')")
        old.run("INSERT INTO paths VALUES (?, 1, 1, 1, 0)", (os.fsencode(path),))
        old.close()
    with Library(tmp_path / "music.earmark") as library:
        assert tracks_at(HasPath("path", "BJÖRK"), library.database).tolist() == [1]
        assert library.database.paths_of(1) == (path,)


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX systems only")
def test_names_that_are_no_text_are_found(library: Library, tmp_path: Path) -> None:
    odd = odd_name(tmp_path)
    say(library, {odd: [HIGH] * 5, "/music/über.mp3": [HIGH] * 5})
    assert [found.path for found in library.search("path:odd")] == [odd]
    assert [found.path for found in library.search("path:\udcff")] == [odd]
    assert [found.path for found in library.search(f"folder:{tmp_path}")] == [odd]
    assert names(library, "path:über") == ["über"]


def test_many_tracks_agree_with_one_by_one(library: Library, tagger: Tagger) -> None:
    fill(library, 300)
    found = {each.track_id: each.score for each in library.search("tag 1 OR (tag 2>0.3 AND NOT tag 3)", n=None)}
    rows = np.stack([library.track(number).logits for number in range(1, 301)])
    least = [best_f1_threshold(chances) for chances in probabilities(rows, tagger.card).T]
    for number in range(1, 301):
        first, second, third = probabilities(library.track(number).logits, tagger.card)[:3]
        wanted = first >= least[0] or (second > 0.3 and not third >= least[2])
        assert (number in found) == wanted
        if wanted:
            assert found[number] == pytest.approx(1 - (1 - first) * (1 - second * (1 - third)), rel=1e-4)


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=40))
def test_the_threshold_has_the_best_expected_f1(values: list[float]) -> None:
    chances = np.array(values, np.float32)
    found = best_f1_threshold(chances)

    def expected_f1(least: float) -> float:
        chosen = chances >= np.float32(least)
        return float(2 * chances[chosen].sum() / (chosen.sum() + chances.sum())) if chances.sum() else 0.0

    best = max(map(expected_f1, values))
    assert found == LEAST_THRESHOLD or expected_f1(found) == pytest.approx(best, rel=1e-4)
    assert LEAST_THRESHOLD <= found <= 1


def test_a_tag_that_no_track_has_is_given_to_none(filled: Library) -> None:
    assert names(filled, "tag 5") == []
    assert len(names(filled, "NOT tag 5")) == 5


def test_an_uncalibrated_model_has_one_threshold(tmp_path: Path) -> None:
    tagger = Tagger(make_bundle(tags=5, calibrated=False))
    with Library(tmp_path / "music.earmark", tagger) as library:
        say(library, {"/a.mp3": [-0.1] * 5, "/b.mp3": [0.1] * 5})
        assert names(library, "tag 1") == ["b"]


def test_a_card_may_hold_the_thresholds(tmp_path: Path, tagger: Tagger) -> None:
    entries = tuple(dataclasses.replace(entry, best_f1_probability=0.7) for entry in tagger.card.calibration)
    bundle = dataclasses.replace(tagger.bundle, card=dataclasses.replace(tagger.card, calibration=entries))
    with Library(tmp_path / "music.earmark", Tagger(bundle)) as library:
        say(library, {f"/{number}.mp3": [number / 4] * 5 for number in range(-20, 20)})
        found = library.search("tag 1", n=None, strict=True)
        assert {each.track_id for each in found} == {
            each.track_id for each in library.search("tag 1>=0.7", n=None, strict=True)
        }
        assert 0 < len(found) < 40
