from pathlib import Path

import numpy as np
import pytest
from library.synthetic import fill
from tagging.builders import make_bundle

from earmark.library import vectors as vectors_module
from earmark.library.library import Library
from earmark.library.vectors import Vectors, open_vectors, vectors_path
from earmark.tagging.bundle.calibration import probabilities
from earmark.tagging.tagger import Tagger


def opened(library: Library) -> Vectors:
    found, _ = library._vectors()
    return found


def test_it_holds_what_the_library_holds(library: Library, tagger: Tagger) -> None:
    fill(library, 50)
    found = opened(library)
    assert found.ids.tolist() == list(range(1, 51))
    assert found.levels.vectors.shape == (50, tagger.card.vector_width)
    for row, number in enumerate(found.ids.tolist()):
        expected = probabilities(library.track(number).logits, tagger.card)
        np.testing.assert_allclose(found.probabilities[:, row], expected, rtol=1e-6)
        units = found.levels.units(library.database.embedding(number).astype(np.float32))
        np.testing.assert_allclose(
            found.levels.vectors[row] / found.levels.standardisation.scale,
            units,
            atol=0.51 / found.levels.standardisation.scale,
        )


def test_every_block_has_length_one(library: Library, tagger: Tagger) -> None:
    fill(library, 20)
    units = opened(library).levels.units(library.database.embedding(3).astype(np.float32))
    for block in tagger.card.layout:
        assert np.linalg.norm(units[block.columns]) == pytest.approx(1.0, abs=1e-5)


def test_it_is_made_once_and_anew_when_tracks_come(library: Library) -> None:
    fill(library, 20)
    path = vectors_path(library.path)
    opened(library)
    first = path.stat()
    opened(library)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
    fill(library, 1, first=20)
    assert len(opened(library).ids) == 21
    assert path.stat().st_ino != first.st_ino
    assert [file.name for file in path.parent.glob("*.part")] == []


def test_older_vectors_stay_until_there_are_twice_as_many(library: Library) -> None:
    fill(library, 20)
    first = opened(library).levels.vectors.copy()
    fill(library, 19, first=20)
    second = opened(library)
    np.testing.assert_array_equal(second.levels.vectors[:20], first)
    assert second.header.standardised_from == 20
    fill(library, 1, first=39)
    assert opened(library).header.standardised_from == 40


@pytest.mark.parametrize("content", [b"", b"earmark vectors 1\n", b"something else", None])
def test_a_broken_file_is_made_anew(library: Library, content: bytes | None) -> None:
    fill(library, 5)
    opened(library)
    path = vectors_path(library.path)
    path.write_bytes(path.read_bytes()[:-1] if content is None else content)
    assert len(opened(library).ids) == 5


def test_another_librarys_file_is_not_used(library: Library, tagger: Tagger, tmp_path: Path) -> None:
    fill(library, 5)
    opened(library)
    with Library(tmp_path / "other.earmark", tagger) as other:
        fill(other, 5, first=100)
        vectors_path(other.path).write_bytes(vectors_path(library.path).read_bytes())
        assert opened(other).header.library != opened(library).header.library


def test_the_hidden_layer_has_a_space_of_its_own(library: Library, tagger: Tagger) -> None:
    fill(library, 50)
    assert opened(library).hidden is None
    path = vectors_path(library.path)
    first = path.stat().st_ino
    library.add()
    found = opened(library)
    assert path.stat().st_ino != first
    assert found.hidden is not None
    units = found.hidden.units(library.database.embedding(3).astype(np.float32))
    activations = tagger.hidden(np.stack([library.database.embedding(number + 1) for number in range(50)]))
    deviation = activations.std(axis=0)
    expected = (activations - activations.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    np.testing.assert_allclose(units, expected[2] / np.linalg.norm(expected[2]), atol=1e-4)
    np.testing.assert_array_equal(found.hidden.steps(units), found.hidden.vectors[2])


def test_without_it_nothing_is_lost(library: Library) -> None:
    fill(library, 5)
    before = opened(library).levels.vectors.copy()
    vectors_path(library.path).unlink()
    np.testing.assert_array_equal(opened(library).levels.vectors, before)


def test_where_it_cannot_be_written_it_is_in_memory(
    library: Library, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(vectors_module, "ROWS_TOGETHER", 20)
    fill(library, 50)
    library.add()
    kept = opened(library)
    vectors_path(library.path).unlink()

    def full(header: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(vectors_module, "_head", full)
    found = opened(library)
    assert "it cannot be written (No space left on device)" in caplog.text
    for name in ("ids", "probabilities"):
        np.testing.assert_array_equal(getattr(found, name), getattr(kept, name))
    for other, space in ((found.levels, kept.levels), (found.hidden, kept.hidden)):
        assert other is not None and space is not None
        np.testing.assert_array_equal(other.vectors, space.vectors)
        np.testing.assert_array_equal(other.standardisation.mean, space.standardisation.mean)
        np.testing.assert_array_equal(other.standardisation.deviation, space.standardisation.deviation)


def test_columns_that_say_nothing_do_no_harm(library: Library, tagger: Tagger) -> None:
    fill(library, 1)
    found = opened(library)
    assert np.asarray(found.levels.vectors).any() == np.False_, "one track alone differs from nothing"
    assert np.isfinite(found.levels.units(library.database.embedding(1).astype(np.float32))).all()


def test_no_tracks_at_all(library: Library, tagger: Tagger) -> None:
    model_id = library.database.model_id(tagger.card)
    found = open_vectors(library.database, model_id, tagger.card, library.database.card_text(model_id))
    assert found.ids.shape == (0,)
    assert found.levels.vectors.shape == (0, tagger.card.vector_width)


def test_all_statistics_are_blocks(tmp_path: Path) -> None:
    tagger = Tagger(make_bundle(scales=(27,), tags=3))
    with Library(tmp_path / "a.earmark", tagger) as library:
        fill(library, 12)
        assert opened(library).levels.blocks == tagger.card.layout
