"""Several heads over the vectors of one library: all are searched, and no file is heard again."""

import dataclasses

import numpy as np
import pytest
from library.synthetic import analysis, fill
from tagging.builders import make_bundle

from earmark.errors import BundleError, LibraryError
from earmark.library import collection as collection_module
from earmark.library.collection import Collection, best_f1_threshold
from earmark.library.heads import qualified
from earmark.library.jobs import Stamp
from earmark.library.library import Library
from earmark.library.tag_names import TagNames
from earmark.library.word_vectors import TagVectors, load_word_vectors
from earmark.tagging.bundle.bundle import Bundle, seal
from earmark.tagging.bundle.calibration import probabilities
from earmark.tagging.bundle.card import Head, TagName
from earmark.tagging.tagger import Tagger

LABELS = ("driving", "tag 1", "my mood")


def head_of(tagger: Tagger, name: str = "mine", seed: int = 1) -> Tagger:
    """A head with other tags over the vectors of a model."""
    other = make_bundle(tags=len(LABELS), seed=seed)
    weights = {
        key: (tagger.bundle.weights if not key.startswith("head.") else other.weights)[key]
        for key in {*tagger.bundle.weights, *other.weights}
        if key in (tagger.bundle.weights if not key.startswith("head.") else other.weights)
    }
    card = dataclasses.replace(
        tagger.card,
        name=name,
        head=Head(other.card.head.hidden_units, ""),
        tags=tuple(TagName(label, "mine") for label in LABELS),
        calibration=(),
    )
    bundle: Bundle = seal(card, weights)
    return Tagger(bundle)


@pytest.fixture
def mine(tagger: Tagger) -> Tagger:
    return head_of(tagger)


@pytest.fixture
def filled(library: Library, mine: Tagger) -> Library:
    fill(library, 30)
    assert library.heads.add(mine, "mine-folder") == 30
    return library


def expected(library: Library, tagger: Tagger, place: int) -> list[int]:
    vectors = np.stack([library.database.embedding(number) for number in range(1, 31)]).astype(np.float32)
    chances = probabilities(tagger.classifier(vectors), tagger.card)[:, place]
    return (np.argsort(-chances, kind="stable") + 1).tolist()


@pytest.mark.parametrize(
    ("text", "place", "label"),
    [
        ("driving", 0, "mine:driving"),
        ("mine:driving", 0, "mine:driving"),
        ("MINE:tag 1", 1, "mine:tag 1"),
        ("my moods", 2, "mine:my mood"),
        ("mine:my mood", 2, "mine:my mood"),
    ],
)
def test_tags_of_a_head_are_found_by_plain_and_qualified_names(
    filled: Library, mine: Tagger, text: str, place: int, label: str
) -> None:
    found = filled.search(text, n=None)
    assert [each.track_id for each in found] == expected(filled, mine, place)
    assert list(found[0].tags) == [label]
    assert filled.search(f'"{text}">=0').total == 30


def test_a_plain_name_is_that_of_the_library_s_model_first(filled: Library, tagger: Tagger) -> None:
    assert list(filled.search("tag 1")[0].tags) == ["tag 1"]
    assert list(filled.search(f"{tagger.card.name}:tag 1")[0].tags) == ["tag 1"]
    both = filled.search("tag 1>0.2 AND mine:driving>0.4", n=None)
    assert all(each.tags["tag 1"] > 0.2 and each.tags["mine:driving"] > 0.4 for each in both)
    assert len(filled.search("driving AND NOT tag 2", n=None)) == len(
        filled.search("driving>=0.5 AND NOT tag 2", n=None)
    )


def test_heads_are_listed_replaced_and_removed(filled: Library, tagger: Tagger, mine: Tagger) -> None:
    (head,) = filled.heads.all()
    assert (head.name, head.source, head.tracks, head.card) == ("mine", "mine-folder", 30, mine.card)
    newer = head_of(tagger, seed=2)
    assert filled.heads.add(newer, "newer") == 30
    assert [each.track_id for each in filled.search("driving", n=None)] == expected(filled, newer, 0)
    assert filled.store.row("SELECT count(*) FROM head_scores") == (30,)
    filled.heads.add(head_of(tagger, "other", 3), "other")
    assert [each.name for each in filled.heads.all()] == ["mine", "other"]
    filled.heads.remove("mine")
    filled.heads.remove("other")
    assert filled.store.row("SELECT count(*) FROM head_scores") == (0,)
    assert filled.search("driving").terms[0].kind != "tag"
    with pytest.raises(LibraryError, match="found no such head"):
        filled.heads.remove("mine")


def test_new_tracks_are_classified_when_the_head_can_be_loaded(filled: Library, tagger: Tagger, mine: Tagger) -> None:
    def fails(source: str) -> Tagger:
        raise BundleError(f"{source}: gone")

    assert filled.heads.update(fails) == [], "nothing lacks scores"
    fill(filled, 5, first=30)
    (note,) = filled.heads.update(fails)
    assert note == "5 recordings have no scores of mine, which cannot be loaded: mine-folder: gone"
    (note,) = filled.heads.update(lambda _: head_of(tagger, seed=9))
    assert "mine-folder has changed" in note
    assert filled.search("driving", n=None).total == 35
    assert filled.heads.update(lambda _: mine) == []
    assert filled.heads.all()[0].tracks == 35


def test_scores_of_a_changed_vector_are_forgotten(filled: Library, tagger: Tagger) -> None:
    again = dataclasses.replace(analysis(tagger.card, 3, seed=7))
    filled.database.add_track(again, filled.database.model_id(tagger.card), [("/music/0/3.mp3", Stamp(2, 2))])
    assert filled.heads.all()[0].tracks == 29
    filled.store.run("DELETE FROM tracks WHERE id = 1")
    assert filled.heads.all()[0].tracks == 28


def test_other_extractors_and_the_own_head_are_refused(filled: Library, tagger: Tagger) -> None:
    with pytest.raises(LibraryError, match="other extractors"):
        filled.heads.add(Tagger(make_bundle(tags=5, seed=4)), "x")
    with pytest.raises(LibraryError, match="shows already"):
        filled.heads.add(tagger, "x")


def test_a_head_of_other_extractors_is_not_used_for_new_vectors(filled: Library, mine: Tagger, tagger: Tagger) -> None:
    """After an analysis by another model, the old head would score vectors that it was not taught on."""
    weights = {
        name: array + 0.25 if name.startswith("extractor.") else array for name, array in tagger.bundle.weights.items()
    }
    other = Tagger(seal(dataclasses.replace(tagger.card, name="other"), weights))
    assert other.card.extractors[0].hash != tagger.card.extractors[0].hash
    filled.database.store.run("UPDATE tracks SET model_id = ?", (filled.database.model_id(other.card),))
    filled.store.run("UPDATE state SET value = ? WHERE name = 'model'", (filled.database.model_id(other.card),))
    filled.store.run("DELETE FROM head_scores")  # as the database does where a vector changes
    (note,) = filled.heads.update(lambda source: mine)
    assert "heads --remove mine" in note
    assert filled.heads.all()[0].tracks == 0


@pytest.mark.parametrize("name", ["my mood", "a:b", 'say "x"', "a(b)", "a\tb", "x>1", "don't"])
def test_the_name_of_a_head_can_be_written_in_searches(library: Library, tagger: Tagger, name: str) -> None:
    fill(library, 3)
    with pytest.raises(LibraryError, match="expected a name without spaces"):
        library.heads.add(head_of(tagger, name), "folder")
    assert library.heads.all() == []


def test_a_plain_name_is_that_of_the_first_head(filled: Library, tagger: Tagger) -> None:
    filled.heads.add(head_of(tagger, "other", 3), "other")
    assert list(filled.search("driving")[0].tags) == ["mine:driving"]
    assert list(filled.search("my moods")[0].tags) == ["mine:my mood"]
    assert list(filled.search("other:driving")[0].tags) == ["other:driving"]


def test_a_head_takes_no_name_of_the_library_s_model(tagger: Tagger) -> None:
    own = (TagName("singing", "tests", synonyms=("driving", "lalas")), TagName("drums", "tests"))
    names = TagNames((*own, *(qualified("mine", TagName(label, "mine")) for label in ("driving", "drums", "lala"))))
    assert [names.place(name) for name in ("driving", "drum", "lalas", "lala")] == [0, 1, 0, 4]
    assert names.place("mine:driving") == 2


def test_names_of_models_do_not_change_the_meaning_of_tags(filled: Library, tagger: Tagger, mine: Tagger) -> None:
    collection = Collection(filled.database, *filled._vectors())
    expected = TagVectors(load_word_vectors(), (*tagger.card.tags, *mine.card.tags))
    assert collection.tag_vectors._places == expected._places
    assert np.array_equal(collection.tag_vectors._vectors, expected._vectors)
    filled.heads.remove("mine")
    alone = Collection(filled.database, *filled._vectors()).tag_vectors
    assert np.array_equal(alone._vectors, TagVectors(load_word_vectors(), tagger.card.tags)._vectors)


@pytest.mark.parametrize("name", ["genre", "Like", "not"])
def test_a_head_has_no_name_of_a_condition(library: Library, tagger: Tagger, name: str) -> None:
    fill(library, 3)
    with pytest.raises(LibraryError, match="condition"):
        library.heads.add(head_of(tagger, name), "folder")
    with pytest.raises(LibraryError, match="already"):
        library.heads.add(head_of(tagger, tagger.card.name), "folder")


def test_one_track_has_the_scores_that_all_have(filled: Library) -> None:
    fill(filled, 2, first=30)
    collection = Collection(filled.database, *filled._vectors())
    columns = np.stack([collection.chances_of(row) for row in range(32)], axis=1)
    rows = np.stack([collection.chances(place) for place in range(len(collection.tags))])
    assert np.array_equal(columns, rows, equal_nan=True)
    assert np.isnan(columns[5:, 30:]).all() and not np.isnan(columns[:, :30]).any()


def test_evenly_chosen_tracks_tell_the_threshold(filled: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    collection = Collection(filled.database, *filled._vectors())
    monkeypatch.setattr(collection_module, "THRESHOLD_TRACKS", 10)
    assert collection.threshold(0) == best_f1_threshold(collection.chances(0)[::3])


UNSCORED = ("NOT mine:driving", "mine:driving<0.3", "mine:driving<=1", "mine:driving>=0", "mine:driving")


@pytest.mark.parametrize("query", [*UNSCORED, "NOT (mine:driving AND tag 1>=0)", "NOT (tag 1<0 OR mine:driving)"])
def test_an_unknown_score_fulfils_nothing(filled: Library, query: str) -> None:
    before = [(each.track_id, each.score) for each in filled.search(query, n=None, strict=True)]
    fill(filled, 5, first=30)
    after = filled.search(query, n=None, strict=True)
    assert [(each.track_id, each.score) for each in after] == before
    assert after.notes == (
        "5 tracks have no scores of mine:driving, so it is unknown whether they have it; add its head again",
    )


def test_an_unknown_score_does_not_matter_where_the_rest_decides(filled: Library) -> None:
    fill(filled, 5, first=30)
    for query in ("NOT (mine:driving AND tag 1<0)", "mine:driving OR tag 1>=0"):
        assert filled.search(query, n=None).total == 35
    assert filled.search("mine:driving", n=None, tags=["mine:driving"]).total < 30
    assert filled.stats().tags["mine:driving"] == pytest.approx(
        np.mean([each.tags["mine:driving"] for each in filled.search("driving>=0", n=None)])
    )


@pytest.mark.parametrize("text", ["driving", "-driving", "without mine:driving"])
def test_an_unknown_score_is_no_evidence(filled: Library, text: str) -> None:
    before = [each.track_id for each in filled.search(text, n=None)]
    fill(filled, 5, first=30)
    found = filled.search(text, n=None)
    order = [each.track_id for each in found]
    assert [number for number in order if number <= 30] == before
    assert len(found) == 35 and max(order[0], order[-1]) <= 30, "neither first nor last"
    assert all(not each.tags for each in found if each.track_id > 30)
