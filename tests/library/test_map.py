from pathlib import Path

import numpy as np
from library.engines import Scripted, honest, making
from library.synthetic import analysis, fill
from training.sounds import write_noise

from earmark.library import map as map_module
from earmark.library.jobs import Stamp
from earmark.library.library import Library
from earmark.tagging.tagger import Tagger


def test_every_track_is_a_point(library: Library, tagger: Tagger) -> None:
    fill(library, 60)
    found = library.map()
    assert found.ids.tolist() == list(range(1, 61))
    assert found.points.shape == (60, 2)
    assert np.abs(found.points).max() == 1.0
    assert found.points[:, 0].var() > found.points[:, 1].var()
    assert 0.0 < found.share < 1.0
    assert found.labels == tagger.labels
    assert set(found.tag.tolist()) <= set(range(5))


def test_it_is_the_same_again_and_by_parts(library: Library, monkeypatch: object) -> None:
    fill(library, 60)
    first = library.map().points
    np.testing.assert_array_equal(library.map().points, first)
    monkeypatch.setattr(map_module, "ROWS_TOGETHER", 7)  # type: ignore[attr-defined]
    np.testing.assert_allclose(library.map().points, first, atol=1e-5)


def test_what_sounds_alike_lies_together(library: Library, tagger: Tagger, tmp_path: Path) -> None:
    for number in range(12):
        write_noise(tmp_path / "music" / f"{number:02d}.flac", 1 if number < 6 else 20, 20_000 + 300 * number)
    library.add(tmp_path / "music", engine=making(Scripted(honest(tagger))))
    points = library.map().points
    low, high = points[:6], points[6:]
    between = np.linalg.norm(low.mean(axis=0) - high.mean(axis=0))
    within = max(np.linalg.norm(part - part.mean(axis=0), axis=1).max() for part in (low, high))
    assert between > 2 * within


def test_the_tag_is_the_one_that_stands_out(library: Library, tagger: Tagger) -> None:
    model_id = library.database.model_id(tagger.card)
    for number in range(10):  # the first tag is everybody's; the third belongs to the last
        said = [4.0, -4.0, 2.0 if number == 9 else -4.0, -4.0, -4.0]
        library.database.add_track(
            analysis(tagger.card, number, logits=said), model_id, [(f"/{number}.mp3", Stamp(1, 1))]
        )
    assert library.map().tag[9] == 2


def test_no_tracks_and_one(library: Library) -> None:
    assert library.map().points.shape == (0, 2)
    fill(library, 1)
    assert library.map().points.tolist() == [[0.0, 0.0]]
