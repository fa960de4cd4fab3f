"""Live: the same numbers as the whole, in time, in constant memory."""

import dataclasses
import gc
import types

import numpy as np
import pytest
from audio.arrived import STREAMS, Trickle, encoded, make_music
from tagging.builders import log_mel_extractor, make_bundle, make_bundle_of, raw_extractor

from earmark.audio.logmel import log_mel
from earmark.audio.stream.buffer import Piece
from earmark.audio.stream.open_stream import PipeStream
from earmark.errors import TagError, WaveformError
from earmark.tagging.live import Live, LiveSettings, Moment, samples_needed
from earmark.tagging.tagger import Tagger

RATE_HZ = 22_050
SEGMENT = 54 * 512
"""Samples of the longest segment, 1.254 s: its last frame ends with them."""
LABELS = [f"tag {number}" for number in range(1, 6)]


def sound(samples: int, seed: int = 0) -> np.ndarray:
    """Noise whose colour changes, so that no two stretches are alike."""
    generator = np.random.default_rng(seed)
    steps = np.repeat(generator.uniform(0.02, 0.5, samples // 5_000 + 1), 5_000)[:samples]
    return (steps * generator.standard_normal(samples)).astype(np.float32)


def tagger(**options: object) -> Tagger:
    return Tagger(make_bundle(**options))  # type: ignore[arg-type]


def pushed(live: Live, samples: np.ndarray, block: int) -> list[Moment]:
    return [moment for start in range(0, len(samples), block) for moment in live.push(samples[start : start + block])]


@pytest.mark.parametrize("block", [1_000, SEGMENT, 50_000])
def test_answers_do_not_depend_on_the_pieces(block: int) -> None:
    model = tagger(calibrated=True)
    music = sound(6 * SEGMENT + 777)
    expected = pushed(Live(model, LiveSettings(3.0)), music, 6 * SEGMENT + 777)
    found = pushed(Live(model, LiveSettings(3.0)), music, block)
    assert [moment.seconds for moment in found] == [moment.seconds for moment in expected]
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one.prediction.logits, other.prediction.logits)


def test_every_second_is_answered_for_with_the_end_of_its_longest_segment() -> None:
    """Counted in samples: when an answer comes, its stretch ends with the very last sample that came in."""
    live = Live(tagger())
    music = sound(5 * SEGMENT)
    came = 0
    answered: list[tuple[int, float]] = []
    for start in range(0, len(music), 64):
        came += 64
        answered += [(came, moment.seconds * RATE_HZ) for moment in live.push(music[start : start + 64])]
    assert [samples for samples, _ in answered] == [SEGMENT * number for number in range(1, 6)]
    for samples, end in answered:
        assert end == pytest.approx(samples)
    # So no sample waits longer for an answer than a segment lasts, far within two seconds after the segment's end.
    assert SEGMENT / RATE_HZ < 1.255


@pytest.mark.parametrize("name", STREAMS)
def test_an_encoded_stream_is_answered_within_two_seconds_of_its_longest_segment(name: str) -> None:
    """Counted in bytes that were read, as seconds of sound: decoder, resampler, front end, networks; no clock."""
    seconds = 9.0
    data = encoded(name, make_music(seconds))
    file = Trickle(data)
    live = Live(tagger())
    late = [
        file.given / len(data) * seconds - moment.seconds
        for block in PipeStream(file, RATE_HZ).blocks()
        for moment in live.push(block)
    ]
    assert len(late) == int(seconds * RATE_HZ) // SEGMENT
    assert max(late) < (0.5 if name in ("wav", "mp3", "adts") else 1.5)


def test_the_end_of_a_segment_is_the_last_sample_that_it_needs() -> None:
    extractor = log_mel_extractor(54, LABELS)
    assert [samples_needed(extractor, segment) for segment in range(3)] == [SEGMENT, 2 * SEGMENT, 3 * SEGMENT]
    raw = raw_extractor(LABELS)
    assert [samples_needed(raw, segment) for segment in range(2)] == [2_187, 4_374]


def test_an_answer_is_the_mean_over_the_window() -> None:
    model = tagger()
    music = sound(7 * SEGMENT)
    found = pushed(Live(model, LiveSettings(3.0)), music, 5_000)[-1]
    frames = log_mel(music)[: 7 * 54]
    start = 7 * SEGMENT / RATE_HZ - 3.0
    columns = []
    for network in model.networks:
        length = network.extractor.segment_length
        segments = frames.reshape(-1, length, 128)
        centres = (np.arange(len(segments)) * length + (length - 1) / 2) * 512 / RATE_HZ
        columns.append(np.mean([network(one[np.newaxis]).levels[0] for one in segments[centres >= start]], axis=0))
    np.testing.assert_allclose(found.prediction.embedding, np.concatenate(columns), rtol=1e-5, atol=1e-6)
    assert found.prediction.duration_seconds == 3.0


@pytest.mark.parametrize("samples", [700, 15_000, SEGMENT, 4 * SEGMENT + 9_999])
def test_the_end_is_what_the_tagger_says(samples: int) -> None:
    music = sound(samples)
    extractors = [log_mel_extractor(18, LABELS, 16), raw_extractor(LABELS), log_mel_extractor(54, LABELS, 16)]
    for model in (tagger(calibrated=True), Tagger(make_bundle_of(extractors, LABELS))):
        live = Live(model, name="a stream")
        pushed(live, music, 4_096)
        whole = live.finish()
        expected = model.tag((music, RATE_HZ))
        np.testing.assert_allclose(whole.prediction.embedding, expected.embedding, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(whole.prediction.probabilities, expected.probabilities, atol=1e-5)
        assert whole.prediction.short == expected.short
        assert whole.prediction.duration_seconds == expected.duration_seconds
        assert whole.prediction.source == "a stream"


def test_answers_can_be_rarer() -> None:
    live = Live(tagger(), LiveSettings(every_seconds=2.5))
    seconds = [moment.seconds for moment in pushed(live, sound(8 * SEGMENT), 3_000)]
    assert seconds == pytest.approx([number * SEGMENT / RATE_HZ for number in (1, 3, 5, 7)])


def test_silence_says_silence() -> None:
    live = Live(tagger(), LiveSettings(2.6))
    music = np.concatenate([sound(2 * SEGMENT), np.zeros(4 * SEGMENT, np.float32), sound(SEGMENT)])
    moments = pushed(live, music, 10_000)
    # The window of 2.6 s touches three segments of 1.254 s.
    assert [moment.silent for moment in moments] == [False, False, False, False, True, True, False]
    assert [bool(moment.tags()) for moment in moments] == [not moment.silent for moment in moments]
    assert moments[4].to_dict()["tags"] == []
    assert not live.finish().silent
    nothing = Live(tagger())
    pushed(nothing, np.zeros(60_000, np.float32), 60_000)
    assert nothing.finish().silent


def test_tags_are_the_most_probable_of_each_group() -> None:
    moment = pushed(Live(tagger(tags=7)), sound(SEGMENT), SEGMENT)[0]
    assert [tag.label for tag in moment.tags()] == [tag.label for tag in moment.prediction.top(7)]
    assert len(moment.tags(2)) == 2, "one group, of which two are asked for"
    record = moment.to_dict(2)
    assert list(record) == ["seconds", "window_seconds", "skipped_seconds", "silent", "withheld", "tags"]
    first = moment.tags()[0]
    assert record["tags"][0] == {  # type: ignore[index]
        "label": first.label,
        "group": first.group,
        "probability": first.probability,
    }


def test_what_is_skipped_is_counted_and_told() -> None:
    live = Live(tagger(), name="a stream")
    told: list[str] = []
    music = sound(2 * SEGMENT)
    pieces = [Piece(music[:SEGMENT], 0), Piece(music[SEGMENT:], 44_100), Piece(music[:0], 22_050)]
    moments = list(live.listen(pieces, told.append))
    ends = [SEGMENT / RATE_HZ, 2 * SEGMENT / RATE_HZ + 2]
    assert [moment.seconds for moment in moments] == pytest.approx(ends)
    assert [moment.skipped_seconds for moment in moments] == [0, 2]
    assert told == [
        "a stream: too slow for this sound, 2.0 s of it were skipped",
        "a stream: too slow for this sound, 1.0 s of it were skipped",
    ]
    assert live.finish().skipped_seconds == 3
    assert live.analysed_seconds == pytest.approx(2 * SEGMENT / RATE_HZ)


def size_of(root: object) -> int:
    """The bytes of everything that an object holds, arrays and lists too."""
    seen: set[int] = set()
    waiting, total = [root], 0
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, type | types.ModuleType | types.FunctionType):
            continue
        seen.add(id(item))
        total += item.nbytes if isinstance(item, np.ndarray) else item.__sizeof__()
        waiting += gc.get_referents(item)
    return total


@pytest.mark.parametrize("settings", [LiveSettings(5.0), LiveSettings(5.0, every_seconds=1e6)])
def test_memory_is_constant(settings: LiveSettings) -> None:
    model = tagger(scales=(18, 54))
    live = Live(model, settings)
    music = sound(SEGMENT)
    sizes = []
    for number in range(120):
        live.push(music)
        if number in (9, 119):
            sizes.append(size_of(live))
    assert sizes[0] > 100_000, "its frames and sums are counted"
    # Numbers grow by some bytes when they become large.
    assert abs(sizes[1] - sizes[0]) < 500


def test_questions_that_cannot_be_answered_are_refused() -> None:
    with pytest.raises(TagError, match="longest segment"):
        Live(tagger(), LiveSettings(1.0))
    with pytest.raises(TagError, match="window_seconds"):
        LiveSettings(0.0)
    for every in (-1.0, float("nan"), float("inf")):
        with pytest.raises(TagError, match="every_seconds"):
            LiveSettings(3.0, every)
    with pytest.raises(WaveformError):
        Live(tagger()).finish()
    with pytest.raises(WaveformError):
        Live(tagger()).push(np.full(10, np.nan, np.float32))


def test_a_sound_beyond_float32_is_refused() -> None:
    extractor = dataclasses.replace(raw_extractor(["a"]), input_deviation=1e-20)
    live = Live(Tagger(make_bundle_of([extractor], ["a"])), LiveSettings(1.0))
    with np.errstate(over="ignore", invalid="ignore"), pytest.raises(TagError, match="beyond float32"):
        live.push(np.full(9_000, 1e30, np.float32))
