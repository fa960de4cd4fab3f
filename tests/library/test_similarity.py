from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from library.engines import Scripted, honest, making
from library.synthetic import fill
from tagging.builders import make_bundle, make_bundle_of
from training.sounds import write_noise

from earmark.errors import DecodeError, LibraryError
from earmark.library import similarity
from earmark.library.library import Library
from earmark.library.similarity import Choice, index_path
from earmark.tagging.tagger import Tagger

CHOICES = [
    Choice(),
    Choice(alike="sound"),
    Choice(alike="style"),
    Choice(levels=(2,)),
    Choice(scales=("27",)),
    Choice(levels=(1, 3), scales=("18", "54")),
]
LABELS = ("tag 1", "tag 2")


def embeddings(library: Library, count: int) -> npt.NDArray[np.float64]:
    return np.stack([library.database.embedding(number) for number in range(1, count + 1)]).astype(np.float64)


def by_hand(library: Library, query: int, count: int, choice: Choice) -> list[tuple[int, float]]:
    """All likenesses in double precision, the best first."""
    assert library.tagger is not None
    values = embeddings(library, count)
    deviation = values.std(axis=0)
    values = (values - values.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    blocks = choice.blocks(library.tagger.card.layout)
    likenesses = np.zeros(count)
    for block in blocks:
        part = values[:, block.columns]
        part = part / np.linalg.norm(part, axis=1, keepdims=True)
        likenesses += part @ part[query - 1] / len(blocks)
    order = np.argsort(-likenesses, kind="stable")
    return [(int(place) + 1, float(likenesses[place])) for place in order if place != query - 1]


@pytest.mark.parametrize("choice", CHOICES)
def test_the_nearest_are_those_by_hand(library: Library, choice: Choice) -> None:
    fill(library, 400)
    for query in (1, 200):
        found = library.similar(query, n=10, choice=choice)
        expected = by_hand(library, query, 400, choice)[:10]
        assert [each.track_id for each in found] == [track for track, _ in expected]
        assert [each.score for each in found] == pytest.approx([score for _, score in expected], abs=2e-3)


def test_tracks_of_a_known_classifier_are_compared_by_its_hidden_layer(library: Library, tagger: Tagger) -> None:
    fill(library, 400)
    by_levels = library.similar(1, n=10)
    assert library.add() == library.add(), "an older library gets the layer when anything is added, or nothing"
    values = tagger.hidden(embeddings(library, 400).astype(np.float32)).astype(np.float64)
    deviation = values.std(axis=0)
    values = (values - values.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    order = np.argsort(-(values @ values[0]), kind="stable")[1:11]
    with Library(library.path) as without_model:
        found = without_model.similar(1, n=10)
        assert [each.track_id for each in found] == (order + 1).tolist() != [each.track_id for each in by_levels]
        assert [each.score for each in found] == pytest.approx(values[order] @ values[0], abs=2e-3)
        for choice in CHOICES[1:]:
            found = without_model.similar(1, n=10, choice=choice)
            assert [each.track_id for each in found] == [track for track, _ in by_hand(library, 1, 400, choice)[:10]], (
                "named levels and scales are those of the vectors"
            )


def test_a_classifier_of_one_layer_has_none(tmp_path: Path) -> None:
    thin = make_bundle(scales=(27,))
    with Library(tmp_path / "a.earmark", Tagger(make_bundle_of(thin.card.extractors, LABELS, hidden_units=()))) as made:
        fill(made, 30)
        made.add()
        assert made.similar(1, n=3) == made.similar(1, n=3, choice=Choice(levels=(1, 2, 3)))


def test_a_track_is_named_by_number_or_path(library: Library) -> None:
    fill(library, 30)
    assert library.similar(5) == library.similar("/music/0/4.mp3") == library.similar(Path("/music/0/4.mp3"))
    assert len(library.similar(5)) == 10
    assert all(each.track_id != 5 for each in library.similar(5, n=29))
    assert len(library.similar(5, n=100)) == 29


def test_a_file_from_outside_is_listened_to(library: Library, tmp_path: Path) -> None:
    sounds = [write_noise(tmp_path / "music" / f"{number}.flac", number) for number in range(3)]
    assert library.tagger is not None
    library.add(tmp_path / "music", engine=making(Scripted(honest(library.tagger))))
    outside = tmp_path / "outside.flac"
    outside.write_bytes(sounds[1].read_bytes())
    found = library.similar(outside)
    assert found[0].path == str(sounds[1])
    assert found[0].score == pytest.approx(1.0, abs=0.01)
    with Library(library.path) as reading:
        assert reading.similar(sounds[1])
        with pytest.raises(LibraryError, match="Analysing a file that is not in the library needs a model"):
            reading.similar(outside)
    (tmp_path / "text.mp3").write_text("no sound")
    with pytest.raises(DecodeError):
        library.similar(tmp_path / "text.mp3")


def test_what_is_not_there_is_told(library: Library) -> None:
    fill(library, 3)
    with pytest.raises(LibraryError, match=r"absent.mp3: found neither such a file nor such a track"):
        library.similar("absent.mp3")
    with pytest.raises(LibraryError, match="found no track 77"):
        library.similar(77)


def test_missing_files_are_not_shown(library: Library) -> None:
    fill(library, 30)
    first = library.similar(1, n=3)
    library.database.mark_missing([first[0].path], missing=True)
    assert [each.track_id for each in library.similar(1, n=2)] == [each.track_id for each in first[1:]]


def test_a_track_of_another_model_is_told(library: Library) -> None:
    fill(library, 3)
    with (
        Library(library.path, Tagger(make_bundle(scales=(27,), tags=5))) as other,
        pytest.raises(LibraryError, match="another model analysed it"),
    ):
        other.similar(1)


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (Choice(levels=(9,)), "levels: found 9, expected some of the model's 1, 2, 3, 4"),
        (Choice(scales=("99",)), "scales: found 99, expected some of the model's 18, 27, 54"),
        (Choice(alike="sound", levels=(1,)), "expected one of them"),
        (Choice(levels=(4,), scales=("18",)), "levels: found 4, expected levels of the scales 18"),
    ],
)
def test_a_wrong_choice_is_told(library: Library, choice: Choice, said: str) -> None:
    fill(library, 3)
    with pytest.raises(LibraryError, match=said):
        library.similar(1, choice=choice)


def test_low_and_high_levels_are_what_they_say(tagger: Tagger) -> None:
    def taken(choice: Choice) -> list[tuple[str, int]]:
        return [(block.extractor, block.level) for block in choice.blocks(tagger.card.layout)]

    assert taken(Choice(alike="sound")) == [("18", 1), ("27", 1), ("54", 1)]
    assert taken(Choice(alike="style")) == [("18", 3), ("27", 3), ("54", 4)]
    assert taken(Choice(alike="style", scales=("54",))) == [("54", 4)]
    assert len(taken(Choice())) == 10


def test_beyond_a_hundred_thousand_an_index_finds_them(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(library, 300)
    exact = [each.track_id for each in library.similar(7, n=10)]
    monkeypatch.setattr(similarity, "EXACT_TRACKS", 100)
    assert not index_path(library.path).exists()
    found = [each.track_id for each in library.similar(7, n=10)]
    assert index_path(library.path).exists()
    assert len(set(found) & set(exact)) >= 9
    first = index_path(library.path).stat().st_mtime_ns
    library.similar(8)
    assert index_path(library.path).stat().st_mtime_ns == first, "it is made once"
    fill(library, 20, first=300)
    assert library.similar(310)[0].track_id != 310
    assert index_path(library.path).stat().st_mtime_ns > first, "and takes in what is new"
    library.store.run("DELETE FROM tracks WHERE id = ?", (exact[0],))
    assert exact[0] not in [each.track_id for each in library.similar(7, n=10)]
    assert library.similar(7, choice=Choice(alike="sound")), "some levels alone are always looked at one by one"
