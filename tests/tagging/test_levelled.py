"""A model that brings sound to one level: loudness changes nothing, streaming and live hearing are as the whole."""

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest
from tagging.builders import log_mel_extractor, make_bundle_of

from earmark.audio.logmel import LogMelSettings
from earmark.audio.waveform import Waveform
from earmark.tagging.bundle.json import card_from_json, card_to_json
from earmark.tagging.live import Live
from earmark.tagging.tagger import Tagger

LABELS = ["quiet", "loud", "guitar"]
RATE_HZ = 22_050


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    """Three thin scales behind a front end that levels."""
    extractors = [
        dataclasses.replace(log_mel_extractor(frames, LABELS, 16), log_mel=LogMelSettings(level_seconds=3.0))
        for frames in (18, 27, 54)
    ]
    return Tagger(make_bundle_of(extractors, LABELS))


def sound(seconds: float = 9.0) -> npt.NDArray[np.float32]:
    samples = round(seconds * RATE_HZ)
    steps = np.repeat(np.random.default_rng(1).uniform(0.02, 0.3, samples // 5_000 + 1), 5_000)[:samples]
    return (steps * np.random.default_rng(2).standard_normal(samples)).astype(np.float32)


@pytest.mark.parametrize("decibels", [-12.0, 12.0])
def test_loudness_changes_no_score(tagger: Tagger, decibels: float) -> None:
    gain = np.float32(10 ** (decibels / 20))
    plain, other = (tagger.tag(Waveform(sound() * factor, RATE_HZ)) for factor in (np.float32(1), gain))
    np.testing.assert_allclose(other.logits, plain.logits, atol=2e-2)


def test_a_model_without_levels_follows_loudness() -> None:
    """The same test on the other kind fails, so it can fail."""
    tagger = Tagger(make_bundle_of([log_mel_extractor(18, LABELS, 16)], LABELS))
    plain, other = (tagger.tag(Waveform(sound() * np.float32(factor), RATE_HZ)) for factor in (1.0, 0.25))
    assert np.abs(other.logits - plain.logits).max() > 5e-2


def test_live_hears_what_the_whole_is(tagger: Tagger) -> None:
    live = Live(tagger)
    music = sound()
    for start in range(0, len(music), 3_000):
        live.push(music[start : start + 3_000])
    expected = tagger.tag(Waveform(music, RATE_HZ))
    np.testing.assert_allclose(live.finish().prediction.logits, expected.logits, atol=1e-5)


def test_a_card_keeps_the_level(tagger: Tagger) -> None:
    text = card_to_json(tagger.card)
    assert text.count('"level_seconds": 3.0') == 3
    assert card_from_json(text, "card.json") == tagger.card
