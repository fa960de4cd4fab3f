"""What the npm package teaches: a model that Python loads, with a regression that scikit-learn finds too."""

import json
from pathlib import Path

import numpy as np
import pytest
from js.test_package import in_node
from sklearn.linear_model import LogisticRegression
from tagging.builders import make_bundle, make_bundle_of, raw_extractor

from earmark.tagging.bundle.bundle import Bundle, write_bundle
from earmark.tagging.bundle.calibration import probabilities
from earmark.tagging.engines.network import Classifier
from earmark.tagging.tagger import load
from earmark.teaching.quality import auc_interval

LABELS = ["tag 1", "tag 2"]
TRACKS = 24
WORD = "für „mich“ 🎸"
BASES = {
    "hidden layer": make_bundle(tags=4),
    "no hidden layer": make_bundle_of([raw_extractor(LABELS)], LABELS, hidden_units=()),
}


@pytest.mark.parametrize("base", BASES.values(), ids=BASES.keys())
def test_a_taught_word_is_a_model_that_python_loads(base: Bundle, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    has = [track % 3 == 0 for track in range(TRACKS)]
    vectors = generator.normal(0, 1, (TRACKS, base.card.vector_width)).astype(np.float32)
    vectors[has] += generator.normal(0, 0.3, base.card.vector_width).astype(np.float32)
    write_bundle(base, tmp_path / "base")
    (tmp_path / "my-word").mkdir()
    job = {"model": str(tmp_path / "base"), "vectors": vectors.tolist(), "has": has, "word": WORD}
    (tmp_path / "job.json").write_text(json.dumps({**job, "out": str(tmp_path / "my-word")}))
    found = json.loads(in_node("test/teach.mjs", tmp_path / "job.json"))

    tagger = load(tmp_path / "my-word")  # hashes are compared
    assert tagger.labels == (WORD,)
    expected = probabilities(tagger.classifier(vectors), tagger.card)[:, 0]
    assert found["probabilities"] == pytest.approx(expected.tolist(), abs=1e-5)

    features = read_by_head(base, vectors)
    regression = LogisticRegression(C=3.0, tol=1e-8, max_iter=5_000).fit(features, has)
    np.testing.assert_allclose(tagger.classifier(vectors)[:, 0], regression.decision_function(features), atol=1e-3)

    quality = found["quality"]
    low, high = auc_interval(quality["auc"], sum(has), TRACKS - sum(has))
    assert (quality["low"], quality["high"]) == pytest.approx((low, high), abs=1e-6)


def read_by_head(base: Bundle, vectors: np.ndarray) -> np.ndarray:
    """What `earmark teach` fits on, divided by the root of the width."""
    if base.card.head.hidden_units:
        hidden = Classifier(base.card.head, base.weights).hidden(vectors)
        values = (hidden - hidden.mean(axis=0, dtype=np.float64)) / hidden.std()
    else:
        values = (vectors - base.weights["head.mean"]) / base.weights["head.deviation"]
    return np.asarray(values / np.sqrt(values.shape[1]), np.float64)
