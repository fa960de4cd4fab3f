import io
import json
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
from tagging.builders import log_mel_extractor, make_bundle, make_bundle_of, raw_extractor

import earmark
from earmark.audio import decode as decoding
from earmark.audio.decode import decode
from earmark.audio.logmel import log_mel
from earmark.errors import DecodeError, TagError, WaveformError
from earmark.tagging import tagger as tagging
from earmark.tagging.bundle.bundle import write_bundle
from earmark.tagging.bundle.calibration import activate
from earmark.tagging.engines.network import LocalNetwork
from earmark.tagging.tagger import Tagger, load
from earmark.tagging.windows import OverTimeSettings

RATE_HZ = 22_050
OVER_TIME = OverTimeSettings(3.0, 0.7)


@pytest.fixture(scope="module")
def tagger():
    return Tagger(make_bundle())


def noise(seconds, seed=0, rate_hz=RATE_HZ):
    """Noise that swells and fades, so that no two windows are the same."""
    samples = np.random.default_rng(seed).normal(0, 0.1, round(seconds * rate_hz))
    return (samples * (1.2 + np.sin(np.arange(len(samples)) / rate_hz))).astype(np.float32)


class Blocks:
    """A sound that arrives in blocks of these sizes, over and over."""

    name, decoder, truncated = "blocks", "none", False

    def __init__(self, samples, sizes):
        self._samples, self._sizes, self._heard = samples, sizes, 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    @property
    def duration_seconds(self):
        return self._heard / RATE_HZ

    def __iter__(self):
        while self._heard < len(self._samples):
            for size in self._sizes:
                block = self._samples[self._heard : self._heard + size]
                self._heard += len(block)
                yield block


def assert_same(found, expected):
    np.testing.assert_array_equal(found.logits, expected.logits)
    np.testing.assert_array_equal(found.embedding, expected.embedding)
    np.testing.assert_array_equal(found.local_scores, expected.local_scores)
    np.testing.assert_array_equal(found.over_time.seconds, expected.over_time.seconds)
    np.testing.assert_array_equal(found.over_time.scores, expected.over_time.scores)
    for kept, wanted in zip(found.features.scales, expected.features.scales, strict=True):
        np.testing.assert_array_equal(kept.rows, wanted.rows)
    assert found.duration_seconds == expected.duration_seconds


def listen(tagger, source):
    return tagger.tag(source, over_time=OVER_TIME, keep_features=True)


def test_the_letters_vector_by_hand(tagger):
    """The whole path, with everything at hand: frames, segments, networks, means, classifier."""
    samples = noise(20)
    frames = log_mel(samples)
    parts, local = [], []
    for extractor in tagger.card.extractors:
        count = len(frames) // extractor.segment_length
        segments = frames[: count * extractor.segment_length].reshape(count, extractor.segment_length, 128)
        network = LocalNetwork(extractor, tagger.bundle.weights)
        heard = [network(segment[np.newaxis]) for segment in segments]
        parts.append(np.mean([h.levels[0] for h in heard], axis=0, dtype=np.float64))
        local.append(np.mean([activate(h.logits[0], "sigmoid") for h in heard], axis=0, dtype=np.float64))
    vector = np.concatenate(parts).astype(np.float32)
    prediction = tagger.tag((samples, RATE_HZ))
    np.testing.assert_allclose(prediction.embedding, vector, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(prediction.local_scores, np.mean(local, axis=0), rtol=1e-5, atol=1e-5)
    expected = tagger.classifier(vector[np.newaxis])[0]
    np.testing.assert_allclose(prediction.logits, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(tagger.embed((samples, RATE_HZ)), prediction.embedding)
    hidden = tagger.hidden(prediction.embedding[np.newaxis])
    np.testing.assert_array_equal(hidden, tagger.classifier.hidden(prediction.embedding[np.newaxis]))


@pytest.mark.parametrize("rate_hz", [22_050, 44_100])
def test_the_same_numbers_from_path_bytes_stream_and_array(tagger, tmp_path, rate_hz):
    samples = np.stack([noise(31, 1, rate_hz), noise(31, 2, rate_hz)], axis=1)
    file = tmp_path / "song.wav"
    soundfile.write(file, samples, rate_hz, subtype="FLOAT")
    expected = listen(tagger, file)
    assert (expected.source, expected.truncated, expected.short) == ("song.wav", False, ())
    assert_same(listen(tagger, str(file)), expected)
    assert_same(listen(tagger, file.read_bytes()), expected)
    assert_same(listen(tagger, io.BytesIO(file.read_bytes())), expected)
    with file.open("rb") as stream:
        assert_same(listen(tagger, stream), expected)
    assert_same(listen(tagger, (samples, rate_hz)), expected)
    assert_same(listen(tagger, earmark.Waveform(samples, rate_hz)), expected)


@pytest.mark.parametrize("sizes", [(1_000_000,), (1,), (511, 512, 513), (22_050, 7), (100_003,)])
@pytest.mark.parametrize("family", ["log-mel", "raw"])
def test_the_same_numbers_whatever_the_blocks(monkeypatch, tagger, sizes, family):
    if family == "raw":
        labels = ["a", "b"]
        tagger = Tagger(make_bundle_of([raw_extractor(labels), log_mel_extractor(18, labels, 16)], labels))
    samples = noise(3 if sizes == (1,) else 47)
    expected = listen(tagger, (samples, RATE_HZ))
    monkeypatch.setattr(tagging, "decode", lambda source, rate_hz, stopwatch: Blocks(source[0], sizes))
    assert_same(listen(tagger, (samples, RATE_HZ)), expected)


def test_the_same_numbers_whatever_the_decoders_blocks(monkeypatch, tagger):
    samples = noise(31, rate_hz=48_000)
    expected = listen(tagger, (samples, 48_000))
    monkeypatch.setattr(decoding, "ARRAY_BLOCK_SAMPLES", 1234)
    assert_same(listen(tagger, (samples, 48_000)), expected)


def test_threads_may_share_a_tagger(tagger):
    sounds = [noise(12, seed) for seed in range(4)]
    expected = [listen(tagger, (samples, RATE_HZ)) for samples in sounds]
    with ThreadPoolExecutor(4) as pool:
        for found, wanted in zip(
            pool.map(lambda s: listen(tagger, (s, RATE_HZ)), sounds * 2), expected * 2, strict=True
        ):
            assert_same(found, wanted)


@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_scores_do_not_change_with_the_batch_size(monkeypatch, tagger, batch):
    samples = noise(25)
    expected = listen(tagger, (samples, RATE_HZ))
    monkeypatch.setattr("earmark.tagging.engines.network.LARGEST_BATCH", batch)
    monkeypatch.setattr("earmark.tagging.streaming.WINDOWS_IN_BATCH", batch)
    found = listen(Tagger(tagger.bundle), (samples, RATE_HZ))
    np.testing.assert_allclose(found.embedding, expected.embedding, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.over_time.scores, expected.over_time.scores, rtol=1e-4, atol=1e-4)


def test_a_written_and_read_model_says_the_same(tagger, tmp_path):
    write_bundle(tagger.bundle, tmp_path / "model")
    samples = noise(4)
    found, expected = load(tmp_path / "model").tag((samples, RATE_HZ)), tagger.tag((samples, RATE_HZ))
    np.testing.assert_array_equal(found.logits, expected.logits)
    assert found.model == expected.model
    assert expected.model.version == earmark.__version__
    assert expected.decoder == "array"


def test_a_prediction_of_a_sound_is_strict_json(tagger):
    prediction = listen(tagger, (noise(7), RATE_HZ))
    assert json.loads(prediction.to_json(embedding=True)) == prediction.to_dict(embedding=True)


@pytest.mark.parametrize("seconds", [0.00005, 0.01, 0.3, 0.5, 1.0])
def test_short_sounds_are_tagged_and_marked(tagger, seconds):
    prediction = listen(tagger, (noise(seconds), RATE_HZ))
    assert np.isfinite(prediction.scores).all()
    frames = 1 + round(seconds * RATE_HZ) // 512
    assert prediction.short == tuple(name for name in ("18", "27", "54") if frames < int(name))
    assert len(prediction.over_time.seconds) == 1
    np.testing.assert_allclose(prediction.over_time.scores[0], prediction.scores, atol=1e-5)
    np.testing.assert_allclose(prediction.features.track_vector(), prediction.embedding, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("seconds", [0.01, 40])
@pytest.mark.parametrize("value", [0.0, 1.0, -1e-30])
def test_silence_is_tagged(tagger, seconds, value):
    prediction = listen(tagger, (np.full(round(seconds * RATE_HZ), value, dtype=np.float32), RATE_HZ))
    assert np.isfinite(prediction.scores).all()
    assert np.isfinite(prediction.over_time.scores).all()


def test_over_time(tagger):
    samples = noise(30)
    over_time = tagger.tag((samples, RATE_HZ), over_time=OverTimeSettings(5.0, 2.0)).over_time
    np.testing.assert_array_equal(over_time.seconds, np.arange(13) * 2.0)
    assert over_time.scores.shape == (13, 5)
    assert over_time.labels == tagger.labels
    assert ((over_time.scores >= 0) & (over_time.scores <= 1)).all()
    assert np.ptp(over_time.scores, axis=0).max() > 0


@pytest.mark.parametrize("activation", ["sigmoid", "softmax"])
def test_probabilities_of_track_and_windows_have_one_calibration(activation):
    tagger = Tagger(make_bundle(calibrated=True, activation=activation))
    prediction = tagger.tag((noise(5.5), RATE_HZ), over_time=OverTimeSettings(5.0, 5.0))
    assert prediction.calibration == tagger.card.calibration
    over_time = prediction.over_time
    for found, scores in ((prediction.probabilities, prediction.scores), (over_time.probabilities, over_time.scores)):
        odds = np.log(scores.astype(np.float64) / (1 - scores))
        np.testing.assert_allclose(found, 1 / (1 + np.exp(0.2 - 1.1 * odds)), atol=1e-5)
        assert not np.allclose(found, scores, atol=1e-3)


def test_without_a_calibration_probabilities_are_scores(tagger):
    prediction = tagger.tag((noise(3), RATE_HZ), over_time=OVER_TIME)
    np.testing.assert_array_equal(prediction.probabilities, prediction.scores)
    np.testing.assert_array_equal(prediction.over_time.probabilities, prediction.over_time.scores)


def test_over_time_from_kept_features(tagger):
    group = 54 * 512 / RATE_HZ
    settings = OverTimeSettings(4 * group, 2 * group)
    prediction = tagger.tag((noise(40), RATE_HZ), over_time=settings, keep_features=True)
    windows = prediction.features.window_vectors(4 * group, 2 * group)
    scores = activate(tagger.classifier(windows.vectors), "sigmoid")
    np.testing.assert_array_equal(windows.seconds, prediction.over_time.seconds)
    np.testing.assert_allclose(scores, prediction.over_time.scores, atol=5e-3)
    np.testing.assert_allclose(prediction.features.track_vector(), prediction.embedding, rtol=2e-3, atol=2e-3)


def test_nothing_more_than_asked_for_is_kept(tagger):
    prediction = tagger.tag((noise(3), RATE_HZ))
    assert prediction.over_time is None
    assert prediction.features is None


def test_a_window_shorter_than_a_segment_is_refused_before_listening(tagger):
    with pytest.raises(TagError, match=r"longest segment, 1.254 s"):
        tagger.tag("there is no such file", over_time=OverTimeSettings(1.0, 1.0))


def test_errors_of_the_sound_pass_through(tagger, tmp_path):
    with pytest.raises(DecodeError):
        tagger.tag(tmp_path / "absent.mp3")
    with pytest.raises(WaveformError):
        tagger.tag(noise(1))


def test_extractors_of_other_tags_have_no_local_scores():
    extractors = [log_mel_extractor(18, ["a", "b", "c"], 16), log_mel_extractor(27, ["a", "b"], 16)]
    prediction = Tagger(make_bundle_of(extractors, ["a", "b"])).tag((noise(2), RATE_HZ))
    assert prediction.local_scores is None
    assert prediction.logits.shape == (2,)


def test_softmax():
    prediction = Tagger(make_bundle(activation="softmax")).tag((noise(2), RATE_HZ), over_time=OVER_TIME)
    assert prediction.scores.sum() == pytest.approx(1.0, abs=1e-6)
    assert prediction.local_scores.sum() == pytest.approx(1.0, abs=1e-6)
    assert prediction.over_time.scores.sum() == pytest.approx(1.0, abs=1e-6)


def test_the_raw_family_beyond_float32_is_refused():
    tagger = Tagger(make_bundle_of([raw_extractor(["a"])], ["a"]))
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(TagError, match="beyond float32"):
        tagger.tag((np.full(5000, 3e38, dtype=np.float32), RATE_HZ))


def test_repr(tagger):
    assert repr(tagger) == "<Tagger 'random': 5 tags, scales 18, 27, 54>"


@pytest.mark.data
def test_real_music(tagger, shared_data):
    file = min((shared_data / "emotify" / "audio").iterdir())
    prediction = tagger.tag(file, over_time=OverTimeSettings(10.0, 5.0))
    assert prediction.source == file.name
    with decode(file) as sound:
        assert prediction.duration_seconds == sum(map(len, sound)) / RATE_HZ


def peak_bytes(tagger, monkeypatch, seconds):
    class Long(Blocks):
        def __iter__(self):
            for _ in range(seconds):
                self._heard += RATE_HZ
                yield self._samples

    monkeypatch.setattr(tagging, "decode", lambda source, rate_hz, stopwatch: Long(noise(1), ()))
    tracemalloc.start()
    tagger.tag("", over_time=OverTimeSettings(10.0, 5.0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.slow
def test_memory_does_not_grow_with_the_sound(tagger, monkeypatch):
    short, long = peak_bytes(tagger, monkeypatch, 120), peak_bytes(tagger, monkeypatch, 3600)
    assert long < short + 1_000_000
    assert long < 60_000_000
