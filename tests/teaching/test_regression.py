"""Regressions hold against scikit-learn, and the choices of columns."""

import numpy as np
import pytest

from teaching.made_up import base, made_up

pytest.importorskip("sklearn", reason="needs the extra teach")

from sklearn.linear_model import LogisticRegression

from earmark.teaching.regression import RegressionData, choices_of


@pytest.mark.parametrize("tracks", [40, 400])
def test_fits_are_those_of_scikit_learn_on_the_columns_themselves(tracks: int) -> None:
    bundle = base()
    examples = made_up(bundle, tracks, strength=1.0)
    standardised = (examples.vectors - bundle.weights["head.mean"]) / bundle.weights["head.deviation"]
    data = RegressionData(standardised, bundle.card.layout)
    for columns in choices_of(bundle.card.layout)[:3]:
        width = len(columns.numbers)
        plain = LogisticRegression(C=3.0 / width, tol=1e-8, max_iter=5_000)
        plain.fit(standardised[:, columns.numbers].astype(np.float64), examples.has[:, 0])
        weights, intercept = data.weights(columns, examples.has[:, 0], 3.0)
        np.testing.assert_allclose(weights[columns.numbers], plain.coef_[0], atol=2e-3)
        assert intercept == pytest.approx(plain.intercept_[0], abs=1e-2)
        train, rest = np.arange(0, tracks, 2), np.arange(1, tracks, 2)
        features, others = data.fold(train, rest, columns)
        part = standardised[:, columns.numbers].astype(np.float64) / width**0.5
        np.testing.assert_allclose(features @ features.T, part[train] @ part[train].T, atol=1e-6)
        np.testing.assert_allclose(others @ features.T, part[rest] @ part[train].T, atol=1e-6)


def test_the_choices_are_all_scales_levels_and_the_highest() -> None:
    layout = base().card.layout
    names = [choice.name for choice in choices_of(layout)]
    assert names == [
        "all scales and levels",
        "scale 18",
        "scale 27",
        *(f"level {level} of all scales" for level in (1, 2, 3)),
    ], "the highest level is the third of both"
    assert len(choices_of(layout)[0].numbers) == base().card.vector_width
