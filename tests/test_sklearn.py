"""The transformer in scikit-learn's own pipelines, searches and checks."""

from pathlib import Path

import numpy as np
import pytest
from tagging.builders import write_random_bundle
from training.sounds import write_noise

pytest.importorskip("sklearn", reason="needs the extra teach")

from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator

import earmark
from earmark.errors import BatchError, LibraryError, TagError
from earmark.sklearn import Embedder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model and eight sounds."""
    folder = tmp_path_factory.mktemp("sklearn")
    write_random_bundle(folder / "model")
    for number in range(8):
        write_noise(folder / "music" / f"{number}.flac", number)
    return folder


def paths(place: Path) -> list[str]:
    return sorted(map(str, (place / "music").iterdir()))


@pytest.mark.filterwarnings("ignore:Can't test estimator Embedder which requires input  of type")
def test_it_keeps_the_rules_of_estimators(place: Path) -> None:
    check_estimator(Embedder(place / "model", jobs=1))


def test_rows_are_the_vectors_of_sounds_in_order(place: Path) -> None:
    tagger = earmark.load(place / "model")
    expected = np.stack([tagger.embed(path) for path in paths(place)])
    np.testing.assert_array_equal(Embedder(place / "model", jobs=2).fit_transform(paths(place)), expected)
    np.testing.assert_array_equal(
        Embedder(place / "model", jobs=1, layer="hidden").transform(np.array(paths(place))), tagger.hidden(expected)
    )
    noise = np.zeros(22_050, np.float32)
    sounds = [(noise, 22_050), earmark.Waveform(noise, 22_050), Path(paths(place)[0])]
    found = Embedder(place / "model").transform(sounds)
    np.testing.assert_array_equal(found, [tagger.embed(sound) for sound in sounds])
    assert Embedder(place / "model").transform([]).shape == (0, found.shape[1])
    assert len(Embedder(place / "model").get_feature_names_out()) == found.shape[1]


def test_a_search_in_a_pipeline_hears_each_file_once(place: Path, tmp_path: Path) -> None:
    embedder = Embedder(place / "model", jobs=1, library=tmp_path / "music.earmark")
    search = GridSearchCV(
        make_pipeline(embedder, LogisticRegression()),
        {"embedder__layer": ["vector", "hidden"], "logisticregression__C": [0.1, 1.0]},
        cv=2,
    )
    search.fit(np.array(paths(place)), [0, 1] * 4)
    assert search.best_estimator_.predict(paths(place)[:3]).shape == (3,)
    with earmark.Library(tmp_path / "music.earmark") as library:
        assert len(library) == 8
    assert clone(embedder).get_params() == embedder.get_params()


def test_what_cannot_be_used_is_an_error(place: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.flac"
    bad.write_bytes(b"no sound at all" * 100)
    with pytest.raises(BatchError, match=r"bad\.flac"):
        Embedder(place / "model", jobs=1).transform([*paths(place)[:2], bad])
    with pytest.raises(LibraryError, match=r"bad\.flac"):
        Embedder(place / "model", jobs=1, library=tmp_path / "music.earmark").transform([bad])
    with pytest.raises(TagError, match="layer = 'top'"):
        Embedder(place / "model", layer="top").fit([])  # type: ignore[arg-type]
