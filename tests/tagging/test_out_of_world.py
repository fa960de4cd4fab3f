"""Honest behaviour out of a model's world: no confident nonsense."""

import numpy as np
import pytest
from tagging.builders import make_bundle
from tagging.out_of_world import NO_MUSIC, ODD_SOUND, out_of_world

from earmark.tagging.bundle.bundle import models
from earmark.tagging.tagger import Tagger, load
from earmark.tagging.windows import OverTimeSettings

CONFIDENT = 0.9


@pytest.fixture(scope="module", params=models() or [None])
def bundled(request: pytest.FixtureRequest) -> Tagger:
    """Each model that comes with earmark."""
    if request.param is None:
        pytest.skip("needs a bundled model, and none comes with earmark yet")
    return load(request.param)


@pytest.mark.parametrize("name", NO_MUSIC)
def test_nothing_is_said_with_confidence_where_there_is_no_music(bundled: Tagger, name: str) -> None:
    prediction = bundled.tag(out_of_world(name))
    said = {tag.label: round(tag.probability, 3) for tag in prediction.top(5)}
    assert [tag.label for tag in prediction.promised(CONFIDENT)] == [], f"promised on {name}; the strongest: {said}"
    assert prediction.probabilities.max() <= CONFIDENT, f"the strongest on {name}: {said}"


@pytest.mark.parametrize("name", ODD_SOUND)
def test_odd_sounds_are_tagged(bundled: Tagger, name: str) -> None:
    prediction = bundled.tag(out_of_world(name))
    assert np.isfinite(prediction.probabilities).all()
    assert bool(prediction.short) == (name == "jingle of a second")


@pytest.mark.parametrize("name", [*NO_MUSIC, *ODD_SOUND])
def test_every_number_stays_finite_whatever_the_model(name: str) -> None:
    sound = out_of_world(name)
    assert 0.9 < sound.duration_seconds < 60
    assert np.abs(sound.samples).max() <= 1
    prediction = Tagger(make_bundle(calibrated=True)).tag(
        sound, over_time=OverTimeSettings(5.0, 5.0), keep_features=True
    )
    assert prediction.over_time is not None
    for numbers in (prediction.logits, prediction.probabilities, prediction.over_time.probabilities):
        assert np.isfinite(numbers).all()
    evidence = prediction.evidence("tag 1")
    assert np.isfinite([part.contribution for part in evidence.parts]).all()
