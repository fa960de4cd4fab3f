import dataclasses

import numpy as np
import pytest
from tagging.builders import make_bundle

from earmark.errors import BundleError, TrainingError
from earmark.tagging.bundle.bundle import Bundle, read_bundle, write_bundle
from earmark.tagging.familiarity import Distance
from earmark.training.bundling.familiarity import FamiliarityRule, with_familiarity


def music(bundle: Bundle, count: int, seed: int, wide: int = 5) -> np.ndarray:
    """Vectors that differ much along a few directions and little along all others."""
    columns = bundle.card.vector_width
    directions = np.random.default_rng(0).normal(0, 1, (wide, columns)).astype(np.float32)
    generator = np.random.default_rng(seed)
    along = generator.normal(0, 3, (count, wide)).astype(np.float32)
    found: np.ndarray = along @ directions + generator.normal(0, 1, (count, columns)).astype(np.float32) + 2
    return found


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return make_bundle(scales=(18,), tags=3)


@pytest.fixture(scope="module")
def fitted(bundle: Bundle) -> Bundle:
    return with_familiarity(bundle, music(bundle, 400, 1), music(bundle, 400, 2), rule=FamiliarityRule(axes=8))


def test_music_like_that_of_training_is_about_one_away(bundle: Bundle, fitted: Bundle) -> None:
    familiarity = fitted.card.familiarity
    assert familiarity is not None
    assert (familiarity.axes, familiarity.quantile, familiarity.tracks) == (8, 0.995, 400)
    found = Distance(fitted)(music(bundle, 1000, 3))
    assert 0.9 < np.median(found) < 1.2
    assert 0.97 < (found <= familiarity.threshold).mean() <= 1.0


def test_what_differs_where_music_does_is_nearer_than_what_differs_elsewhere(bundle: Bundle, fitted: Bundle) -> None:
    vectors = music(bundle, 2, 4)
    along = vectors[:1] + 3 * (vectors[1:] - vectors[:1])
    elsewhere = vectors[:1] + np.linalg.norm(along - vectors[:1]) / np.sqrt(vectors.shape[1]) * np.where(
        np.arange(vectors.shape[1]) % 2, 1, -1
    ).astype(np.float32)
    near, far = Distance(fitted)(np.concatenate([along, elsewhere]))
    familiarity = fitted.card.familiarity
    assert familiarity is not None
    assert far > familiarity.threshold
    assert far > 2 * near


def test_the_distance_is_mahalanobis_of_the_fitted_covariance(bundle: Bundle, fitted: Bundle) -> None:
    weights = fitted.weights
    axes, scale = weights["familiarity.axes"].astype(np.float64), float(weights["familiarity.scale"][0])
    columns = bundle.card.vector_width
    precision = (np.eye(columns) - axes.T @ axes) / scale**2
    vectors = music(bundle, 5, 6)
    values = (vectors - weights["head.mean"]) / weights["head.deviation"] - weights["familiarity.mean"]
    expected = np.sqrt(np.einsum("ti,ij,tj->t", values, precision, values) / columns)
    np.testing.assert_allclose(Distance(fitted)(vectors), expected, rtol=1e-4)
    assert (np.linalg.eigvalsh(precision) > 0).all()


def test_hashes_of_vectors_and_logits_stay(bundle: Bundle, fitted: Bundle) -> None:
    assert fitted.card.head == bundle.card.head
    assert fitted.card.extractors == bundle.card.extractors


def test_it_is_written_read_and_verified(fitted: Bundle, tmp_path: "object") -> None:
    write_bundle(fitted, tmp_path)  # type: ignore[arg-type]
    found = read_bundle(tmp_path)  # type: ignore[arg-type]
    assert found.card == fitted.card
    vectors = music(fitted, 3, 5)
    np.testing.assert_array_equal(Distance(found)(vectors), Distance(fitted)(vectors))
    nearer = {**fitted.weights, "familiarity.mean": fitted.weights["familiarity.mean"] + 1}
    with pytest.raises(BundleError, match=r"for familiarity, expected .* was changed or damaged"):
        write_bundle(dataclasses.replace(fitted, weights=nearer), tmp_path)  # type: ignore[arg-type]
    lacking = {name: weight for name, weight in fitted.weights.items() if name != "familiarity.axes"}
    with pytest.raises(BundleError, match=r"1 missing, expected familiarity\.axes"):
        write_bundle(dataclasses.replace(fitted, weights=lacking), tmp_path)  # type: ignore[arg-type]


def test_few_vectors_give_few_directions(bundle: Bundle) -> None:
    found = with_familiarity(bundle, music(bundle, 25, 1), music(bundle, 25, 2)).card.familiarity
    assert found is not None
    assert found.axes == 2
    none = with_familiarity(bundle, music(bundle, 5, 1), music(bundle, 5, 2))
    assert none.card.familiarity is not None
    assert none.card.familiarity.axes == 0
    assert np.isfinite(Distance(none)(music(bundle, 2, 3))).all()


@pytest.mark.parametrize("which", ["narrow", "alone", "nothing", "nan", "same"])
def test_vectors_that_tell_nothing_are_refused(bundle: Bundle, which: str) -> None:
    training, validation = music(bundle, 30, 1), music(bundle, 30, 2)
    if which == "narrow":
        training = training[:, 1:]
    elif which == "alone":
        training = training[:1]
    elif which == "nothing":
        validation = validation[:0]
    elif which == "nan":
        validation[3, 3] = np.nan
    else:
        training = np.repeat(training[:1], 30, axis=0)
    with pytest.raises(TrainingError, match=r"^familiarity: found"):
        with_familiarity(bundle, training, validation)


def test_windows_have_a_threshold_of_their_own(bundle: Bundle) -> None:
    training, validation = music(bundle, 200, 1), music(bundle, 200, 2)
    found = with_familiarity(bundle, training, validation, 2 * validation).card.familiarity
    without = with_familiarity(bundle, training, validation).card.familiarity
    assert found is not None
    assert without is not None
    assert (found.threshold, without.window_threshold) == (without.threshold, None)
    assert found.window_threshold is not None
    assert found.window_threshold > 1.5 * found.threshold
