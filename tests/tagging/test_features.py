import dataclasses

import numpy as np
import pytest
from tagging.builders import log_mel_extractor, raw_extractor

from earmark.errors import TagError
from earmark.tagging.aggregate import TrackStatistics
from earmark.tagging.features import FeatureRecorder, read_features, stored_features
from earmark.tagging.windows import OverTimeSettings, Windows

GROUP_SECONDS = 54 * 512 / 22_050
"""The span of one row of each of the letter's scales."""


def extractors(statistic="mean"):
    return [
        dataclasses.replace(log_mel_extractor(frames, ["a"], 32), track_statistic=statistic) for frames in (18, 27, 54)
    ]


def levels_of(scales, segments_of_54, seed=0):
    generator = np.random.default_rng(seed)
    return [
        generator.gamma(2.0, 1.0, (segments_of_54 * 54 // scale.segment_length, sum(scale.level_widths))).astype(
            np.float32
        )
        for scale in scales
    ]


def keep(scales, levels, duration_seconds, step=7):
    keepers = [FeatureRecorder(scale) for scale in scales]
    for keeper, rows in zip(keepers, levels, strict=True):
        for start in range(0, len(rows), step):
            keeper.add(rows[start : start + step])
    return stored_features(keepers, duration_seconds)


def test_rows_hold_as_many_segments_as_fit():
    sizes = {scale.name: FeatureRecorder(scale).group_segments for scale in extractors()}
    assert sizes == {"18": 3, "27": 2, "54": 1}
    assert FeatureRecorder(raw_extractor(["a"], samples=59_049)).group_segments == 1
    assert FeatureRecorder(raw_extractor(["a"], samples=6561)).group_segments == 4
    overlapping = dataclasses.replace(log_mel_extractor(18, ["a"]), segment_hop=9)
    assert FeatureRecorder(overlapping).group_segments == 5


def test_an_hour_of_the_letters_scales_is_about_ten_megabytes():
    scales = [log_mel_extractor(frames, ["a"]) for frames in (18, 27, 54)]
    rows_an_hour = 3600 / GROUP_SECONDS
    assert 9e6 < rows_an_hour * 2 * sum(scale.columns for scale in scales) < 11e6


@pytest.mark.parametrize("statistic", ["mean", "max", "mean+deviation"])
@pytest.mark.parametrize("segments", [1, 2, 40])
def test_the_track_vector_is_the_streaming_one(statistic, segments):
    scales = extractors(statistic)
    levels = levels_of(scales, segments)
    levels[0] = levels[0][:-1]  # a last row of fewer segments
    kept = keep(scales, levels, segments * GROUP_SECONDS)
    expected = []
    for scale, rows in zip(scales, levels, strict=True):
        statistics = TrackStatistics(statistic, scale.level_widths)
        statistics.add(rows)
        expected.append(statistics.vector())
        assert kept.scales[len(expected) - 1].counts.sum() == len(rows)
    vector = kept.track_vector()
    assert vector.dtype == np.float32
    np.testing.assert_allclose(vector, np.concatenate(expected), rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("statistic", ["mean", "max", "mean+deviation"])
@pytest.mark.parametrize(("rows_a_window", "rows_a_hop"), [(2, 1), (5, 3), (3, 7)])
def test_windows_are_the_streaming_ones(statistic, rows_a_window, rows_a_hop):
    scales = extractors(statistic)
    levels = levels_of(scales, 30)
    duration = 30.5 * GROUP_SECONDS
    window, hop = rows_a_window * GROUP_SECONDS, rows_a_hop * GROUP_SECONDS
    streaming = Windows(scales, OverTimeSettings(window, hop))
    for place, rows in enumerate(levels):
        streaming.add(place, rows)
    expected = streaming.finish(duration)
    found = keep(scales, levels, duration).window_vectors(window, hop)
    np.testing.assert_array_equal(found.seconds, expected.seconds)
    np.testing.assert_allclose(found.vectors, expected.vectors, rtol=2e-3, atol=2e-3)


def test_windows_with_other_edges_are_near_the_streaming_ones():
    scales = extractors()
    levels = levels_of(scales, 60)
    duration = 60 * GROUP_SECONDS
    streaming = Windows(scales, OverTimeSettings(10.0, 1.0))
    for place, rows in enumerate(levels):
        streaming.add(place, rows)
    expected = streaming.finish(duration)
    found = keep(scales, levels, duration).window_vectors(10.0, 1.0)
    np.testing.assert_array_equal(found.seconds, expected.seconds)
    assert np.abs(found.vectors - expected.vectors).mean() < 0.1 * expected.vectors.mean()


def test_windows_shorter_than_a_segment_are_refused():
    scales = extractors()
    kept = keep(scales, levels_of(scales, 3), 3 * GROUP_SECONDS)
    with pytest.raises(TagError, match="window_seconds: found 1 s"):
        kept.window_vectors(1.0, 1.0)
    with pytest.raises(TagError, match="hop_seconds: found 0"):
        kept.window_vectors(3.0, 0.0)


def test_a_window_shorter_than_a_row_takes_the_row():
    scale = extractors()[0]
    kept = keep([scale], levels_of([scale], 4), 4 * GROUP_SECONDS)
    windows = kept.window_vectors(0.5, 0.5)
    np.testing.assert_array_equal(windows.vectors[0], kept.scales[0].rows[0].astype(np.float32))


def test_what_float16_cannot_hold_is_the_largest_it_can():
    scale = extractors()[2]
    kept = keep([scale], [np.full((1, sum(scale.level_widths)), 1e6, dtype=np.float32)], 2.0)
    assert np.isfinite(kept.scales[0].rows).all()
    assert kept.size_bytes == kept.scales[0].rows.nbytes == 2 * scale.columns


def test_features_read_from_a_file_give_the_same_vectors(tmp_path):
    scales = extractors("mean+deviation")
    stored = keep(scales, levels_of(scales, 20), 20 * GROUP_SECONDS)
    stored.write(tmp_path / "features.npz")
    again = read_features(tmp_path / "features.npz", scales)
    assert again.duration_seconds == stored.duration_seconds
    np.testing.assert_array_equal(again.track_vector(), stored.track_vector())
    np.testing.assert_array_equal(again.stretch_vector(3.0, 9.0), stored.stretch_vector(3.0, 9.0))
