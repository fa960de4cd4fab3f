"""Promises are withheld in silence, on other sounds than music and on music unlike that of training: everywhere."""

import csv
import dataclasses
import io
import math

import numpy as np
import pytest
from tagging.builders import constant_bundle

from earmark.tagging.bundle.card import Familiarity, TagName
from earmark.tagging.jams import jams_record
from earmark.tagging.live import Live, LiveSettings
from earmark.tagging.tagger import Tagger
from earmark.tagging.windows import OverTimeSettings
from earmark.tagging.withheld import Withheld, promisable, withheld_along, withheld_of

RATE_HZ = 22_050
TAGS = (
    TagName("rock", "genres"),
    TagName("calm", "moods"),
    TagName("speech", "other sound"),
    TagName("noise", "other sound"),
)
FAR = Familiarity(0, 1.5, 2.5, 0.995, 10, "")


def saying(odds, tags=TAGS, familiarity=None, scale=1.0):
    return Tagger(constant_bundle(odds, tags, familiarity, scale))


def noise(seconds, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE_HZ)).astype(np.float32)


MUSIC, SPEECH, RAP, NOISE = [3.0, 2.0, -4.0, -4.0], [1.0, 2.0, 2.5, -4.0], [3.0, 2.0, 2.5, -4.0], [-3.0, 4.0, -1.0, 3.0]


@pytest.mark.parametrize(
    ("odds", "expected", "promised"),
    [
        (MUSIC, None, ["rock", "calm"]),
        (SPEECH, Withheld("other sound", "mostly speech (92 %)"), ["speech"]),
        (RAP, None, ["rock", "speech", "calm"]),
        (NOISE, Withheld("other sound", "mostly noise (95 %)"), ["noise"]),
        ([-3.0, 2.0, -0.1, -4.0], None, ["calm"]),
    ],
)
def test_what_is_mostly_another_sound_promises_that_alone(odds, expected, promised):
    tagger = saying(odds)
    prediction = tagger.tag((noise(3), RATE_HZ), over_time=OverTimeSettings(1.0, 1.0))
    assert prediction.withheld == expected
    assert [tag.label for tag in prediction.promised(0.9)] == promised
    assert prediction.over_time.withheld == (expected,) * len(prediction.over_time.seconds)
    assert not prediction.silent
    assert [tag.label for tag in prediction.top(1)] == [TAGS[int(np.argmax(odds))].label], "all tags are there"
    live = Live(tagger, LiveSettings(1.0))
    moments = [*live.push(noise(3)), live.finish()]
    assert {moment.prediction.withheld for moment in moments} == {expected}
    assert moments[-1].to_dict()["withheld"] == (None if expected is None else expected.to_dict())


def test_silence_goes_before_all_and_is_the_same_as_before():
    for odds in (MUSIC, SPEECH):
        prediction = saying(odds).tag((np.zeros(RATE_HZ, np.float32), RATE_HZ))
        assert prediction.silent
        assert prediction.withheld == Withheld("silence", "silence")
    assert saying(MUSIC).tag((np.zeros(RATE_HZ, np.float32), RATE_HZ)).promised(0.9) == []
    live = Live(saying(MUSIC), LiveSettings(1.0))
    live.push(np.zeros(RATE_HZ, np.float32))
    moment = live.finish()
    assert moment.silent
    assert moment.tags() == []


def test_what_lies_far_from_the_music_of_training_promises_nothing():
    known = saying(MUSIC, familiarity=FAR, scale=1e3)
    unknown = saying(MUSIC, familiarity=FAR, scale=1e-3)
    sound = (noise(2), RATE_HZ)
    found = unknown.tag(sound, over_time=OverTimeSettings(1.0, 1.0))
    assert found.withheld == Withheld("unfamiliar", "unlike the music that the model learned from")
    assert set(found.over_time.withheld) == {found.withheld}
    assert found.promised(0.9) == []
    assert found.distance > FAR.threshold > known.tag(sound).distance > 0
    assert known.tag(sound).withheld is None
    assert saying(SPEECH, familiarity=FAR, scale=1e-3).tag(sound).withheld.reason == "other sound"
    assert math.isnan(saying(MUSIC).tag(sound).distance), "a model without it knows no distance"
    live = Live(unknown, LiveSettings(1.0))
    live.push(sound[0])
    assert live.finish().prediction.withheld == found.withheld


def test_a_window_has_a_farther_threshold_or_none():
    sound, settings = (noise(2), RATE_HZ), OverTimeSettings(1.0, 1.0)
    distance = saying(MUSIC, familiarity=FAR).tag(sound).distance
    between = saying(MUSIC, familiarity=FAR, scale=distance / 2)
    unjudged = saying(MUSIC, familiarity=dataclasses.replace(FAR, window_threshold=None), scale=1e-3)
    for tagger in (between, unjudged):
        found = tagger.tag(sound, over_time=settings)
        assert found.withheld.reason == "unfamiliar"
        assert set(found.over_time.withheld) == {None}
        live = Live(tagger, LiveSettings(1.0))
        assert {moment.prediction.withheld for moment in live.push(sound[0])} == {None}
        assert live.finish().prediction.withheld == found.withheld


def test_every_form_of_a_prediction_says_it():
    prediction = saying(SPEECH).tag((noise(1), RATE_HZ), over_time=OverTimeSettings(1.0, 1.0))
    sentence = "mostly speech (92 %)"
    record = prediction.to_dict()
    assert record["withheld"] == {"reason": "other sound", "sentence": sentence}
    assert record["over_time"]["withheld"] == [record["withheld"]]
    rows = list(
        csv.DictReader(io.StringIO(f"{','.join(prediction.csv_header())}\n{','.join(prediction.csv_row(0.9))}"))
    )
    assert (rows[0]["withheld"], rows[0]["rock"]) == (sentence, "")
    assert float(rows[0]["speech"]) > 0.9
    assert sentence in repr(prediction)
    assert jams_record(prediction)["sandbox"]["earmark"]["withheld"] == sentence
    plain = saying(MUSIC).tag((noise(1), RATE_HZ))
    assert plain.to_dict()["withheld"] is None
    assert dict(zip(plain.csv_header(), plain.csv_row(), strict=True))["withheld"] == ""


def test_a_model_without_other_sounds_withholds_nothing_but_silence():
    tags = (TagName("speech", "genres"), TagName("noise", "moods"))
    tagger = saying([5.0, 5.0], tags=tags)
    assert tagger.tag((noise(1), RATE_HZ)).withheld is None
    likely = np.full((3, 2), 0.9, np.float32)
    assert withheld_along(likely, tagger.card) == (None, None, None)
    assert withheld_of(likely[0], tagger.card, silent=True, distance=math.nan) == Withheld("silence", "silence")
    assert promisable(tags, Withheld("silence", "silence")).tolist() == [False, False]
    assert promisable(TAGS, None).all()
