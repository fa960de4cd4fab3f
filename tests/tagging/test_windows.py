import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tagging.builders import log_mel_extractor, raw_extractor

from earmark.audio.segments import SegmentRule
from earmark.errors import TagError
from earmark.tagging.windows import OverTimeSettings, Windows, segments_of_window

EXTRACTORS = [log_mel_extractor(18, ["a"], 64), log_mel_extractor(54, ["a"], 64), raw_extractor(["a"], samples=729)]


def heard(extractor, duration_seconds, seed):
    """Random levels for all segments of a sound of this length."""
    samples = max(1, round(duration_seconds * extractor.rate_hz))
    rows = samples if extractor.log_mel is None else 1 + samples // extractor.log_mel.hop_samples
    rule = SegmentRule(extractor.segment_length, extractor.segment_hop)
    generator = np.random.default_rng(seed)
    return generator.random((rule.count(rows), sum(extractor.level_widths)), dtype=np.float32)


def whole(extractors, levels, duration_seconds, window, hop):
    """The vectors of all windows, with everything at hand, written for reading."""
    vectors, seconds = [], []
    index = 0
    while index == 0 or index * hop + window <= duration_seconds + 1e-9:
        start, end = index * hop, index * hop + window
        parts = []
        for extractor, rows in zip(extractors, levels, strict=True):
            rule = SegmentRule(extractor.segment_length, extractor.segment_hop)
            centres = [rule.centre(i) * extractor.row_seconds for i in range(len(rows))]
            inside = [i for i, centre in enumerate(centres) if start <= centre < end]
            chosen = inside or [max(i for i, centre in enumerate(centres) if centre < end)]
            parts.append(rows[chosen].astype(np.float64).mean(axis=0))
        vectors.append(np.concatenate(parts))
        seconds.append(start)
        index += 1
    return np.array(seconds), np.array(vectors)


@settings(max_examples=60, deadline=None)
@given(
    duration=st.floats(0.01, 40),
    window=st.floats(1.26, 15),
    hop=st.floats(0.2, 20),
    step=st.integers(1, 40),
    order=st.permutations(range(3)),
)
def test_streaming_equals_the_whole(duration, window, hop, step, order):
    duration = max(1, round(duration * 22_050)) / 22_050
    levels = [heard(extractor, duration, place) for place, extractor in enumerate(EXTRACTORS)]
    windows = Windows(EXTRACTORS, OverTimeSettings(window, hop))
    seconds, vectors = [], []

    def take(found):
        seconds.append(found.seconds)
        vectors.append(found.vectors)

    for start in range(0, max(len(rows) for rows in levels), step):
        for place in order:
            windows.add(place, levels[place][start : start + step])
            take(windows.ready())
    take(windows.finish(duration))
    expected_seconds, expected_vectors = whole(EXTRACTORS, levels, duration, window, hop)
    np.testing.assert_array_equal(np.concatenate(seconds), expected_seconds)
    np.testing.assert_allclose(np.concatenate(vectors), expected_vectors, rtol=1e-6, atol=1e-6)


def test_only_what_open_windows_need_is_kept():
    extractor = EXTRACTORS[0]
    windows = Windows([extractor], OverTimeSettings(10.0, 1.0))
    levels = np.ones((32, sum(extractor.level_widths)), dtype=np.float32)
    for _ in range(100):
        windows.add(0, levels)
        windows.ready()
        assert len(windows._scales[0]._levels) < 32 + 10.0 / (18 * extractor.row_seconds)


def test_a_short_sound_has_one_window():
    extractor = EXTRACTORS[0]
    windows = Windows([extractor], OverTimeSettings(3.0, 1.0))
    windows.add(0, heard(extractor, 0.01, 0))
    assert len(windows.ready().seconds) == 0
    assert windows.finish(0.01).seconds.tolist() == [0.0]


def test_a_window_ends_within_the_sound():
    extractor = EXTRACTORS[0]
    for duration, expected in [(3.0, [0.0]), (3.1, [0.0, 0.1]), (3.05, [0.0])]:
        windows = Windows([extractor], OverTimeSettings(3.0, 0.1))
        windows.add(0, heard(extractor, duration, 0))
        assert windows.finish(duration).seconds.tolist() == expected


def test_segments_are_chosen_by_their_centre():
    centres = np.array([1.0, 2.0, 3.0])
    assert segments_of_window(centres, 1.0, 3.0) == slice(0, 2)
    assert segments_of_window(centres, 1.1, 1.9) == slice(0, 1)
    assert segments_of_window(centres, 5.0, 6.0) == slice(2, 3)
    assert segments_of_window(centres, 0.0, 0.5) == slice(0, 1)


def test_a_window_shorter_than_a_segment_is_refused():
    with pytest.raises(TagError, match=r"window_seconds: found 1.25 s, expected at least .*, 1.254 s"):
        Windows(EXTRACTORS, OverTimeSettings(1.25, 1.0))
    overlapping = dataclasses.replace(EXTRACTORS[0], segment_hop=9)
    Windows([overlapping], OverTimeSettings(0.42, 1.0))


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["window_seconds", "hop_seconds"])
def test_settings_are_above_zero(name, value):
    with pytest.raises(TagError, match=f"{name}: found"):
        OverTimeSettings(**{"window_seconds": 3.0, "hop_seconds": 1.0, name: value})
