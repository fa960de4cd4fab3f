"""Ways through a sound that change no number: decoding ahead, and under a stopwatch."""

import math
import threading

import numpy as np
import pytest
import soundfile
from tagging.builders import make_bundle

from earmark.audio.stopwatch import Stopwatch
from earmark.errors import DecodeError, TagError
from earmark.tagging.tagger import Tagger
from earmark.tagging.windows import OverTimeSettings

RATE_HZ = 44_100


@pytest.fixture(scope="module")
def tagger():
    return Tagger(make_bundle())


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    file = tmp_path_factory.mktemp("passes") / "song.wav"
    samples = np.random.default_rng(0).normal(0, 0.1, (20 * RATE_HZ, 2))
    soundfile.write(file, samples, RATE_HZ, subtype="PCM_16")
    return file


def assert_same(found, expected):
    np.testing.assert_array_equal(found.logits, expected.logits)
    np.testing.assert_array_equal(found.embedding, expected.embedding)
    np.testing.assert_array_equal(found.over_time.scores, expected.over_time.scores)
    assert (found.duration_seconds, found.truncated, found.decoder) == (
        expected.duration_seconds,
        expected.truncated,
        expected.decoder,
    )


def test_decoding_ahead_changes_nothing(tagger, song):
    settings = OverTimeSettings(3.0, 1.0)
    expected = tagger.tag(song, over_time=settings)
    before = threading.active_count()
    assert_same(tagger.tag(song, over_time=settings, read_ahead=True), expected)
    content = song.read_bytes()
    cut = tagger.tag(content[: len(content) // 2], over_time=settings)
    assert cut.truncated
    assert_same(tagger.tag(content[: len(content) // 2], over_time=settings, read_ahead=True), cut)
    assert threading.active_count() == before


def test_what_breaks_while_it_is_decoded_ahead_is_told(tagger, song):
    samples, rate_hz = soundfile.read(song, dtype="float32")
    samples[15 * RATE_HZ] = np.nan
    broken = song.with_name("broken.wav")
    before = set(threading.enumerate())
    soundfile.write(broken, samples, rate_hz, subtype="FLOAT")
    for read_ahead in (False, True):
        with pytest.raises(DecodeError, match="NaN"):
            tagger.tag(broken, read_ahead=read_ahead)
    assert set(threading.enumerate()) <= before


def test_a_stopwatch_changes_nothing_and_its_parts_add_up(tagger, song):
    settings = OverTimeSettings(3.0, 1.0)
    stopwatch = Stopwatch()
    assert_same(tagger.tag(song, over_time=settings, stopwatch=stopwatch), tagger.tag(song, over_time=settings))
    profile = stopwatch.profile
    assert math.fsum(profile.parts.values()) == pytest.approx(profile.wall_seconds, rel=1e-9)
    assert list(profile.parts) == ["decode", "resample", "front end", "network", "rest"]
    assert min(profile.parts.values()) > 0.0, "each was measured, and no two at once"


def test_a_stopwatch_wants_one_thread(tagger, song):
    with pytest.raises(TagError, match="expected one of them"):
        tagger.tag(song, read_ahead=True, stopwatch=Stopwatch())
