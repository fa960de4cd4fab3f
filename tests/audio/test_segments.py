"""Cutting into segments, held against a slow reference that sees the whole stream at once."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.audio.segments import SegmentRule, Segments
from earmark.errors import WaveformError

Rows = npt.NDArray[np.float32]


def numbered(rows: int, columns: int = 1) -> Rows:
    """Rows of which no two values are alike."""
    return np.arange(rows * columns, dtype=np.float32).reshape(rows, columns)


def slowly(rows: Rows, rule: SegmentRule) -> tuple[Rows, bool]:
    """The segments and whether the sound was short, from the whole stream, one row at a time."""
    segments, start = [], 0
    while start + rule.length <= len(rows):
        segments.append([rows[start + row] for row in range(rule.length)])
        start += rule.hop
    if segments:
        return np.array(segments), False
    filled = list(rows)
    while len(filled) < rule.length:
        filled.append(filled[len(filled) - len(rows)])
    return np.array([filled]), True


def streamed(rows: Rows, rule: SegmentRule, sizes: list[int]) -> tuple[Rows, bool]:
    stream = Segments(rule, rows.shape[1])
    parts, start, turn = [], 0, 0
    while start < len(rows):
        size = sizes[turn % len(sizes)]
        parts.append(stream.push(rows[start : start + size]))
        start, turn = start + size, turn + 1
        assert not stream.short
    parts.append(stream.finish())
    for part in parts:
        assert part.dtype == np.float32
        assert part.flags.c_contiguous
        assert part.shape[1:] == (rule.length, rows.shape[1])
    assert len(parts[-1]) == int(stream.short)
    return np.concatenate(parts), stream.short


@settings(deadline=None, max_examples=300)
@given(
    length=st.integers(1, 30),
    hop=st.integers(1, 40),
    columns=st.integers(1, 3),
    rows=st.integers(1, 200),
    sizes=st.lists(st.integers(0, 100), min_size=1, max_size=8).filter(any),
)
def test_any_push_sizes_equal_the_slow_reference(
    length: int, hop: int, columns: int, rows: int, sizes: list[int]
) -> None:
    rule, stream = SegmentRule(length, hop), numbered(rows, columns)
    expected, short = slowly(stream, rule)
    segments, found_short = streamed(stream, rule, sizes)
    np.testing.assert_array_equal(segments, expected)
    assert found_short == short
    assert rule.count(rows) == len(expected)


@pytest.mark.parametrize(("length", "count"), [(18, 69), (27, 46), (54, 23), (108, 11), (216, 5)])
def test_a_clip_of_1250_frames_gives_the_papers_counts(length: int, count: int) -> None:
    rule = SegmentRule(length, length)
    assert rule.count(1250) == count
    segments, short = streamed(numbered(1250, 128), rule, [256])
    assert segments.shape == (count, length, 128)
    assert not short
    np.testing.assert_array_equal(segments.reshape(-1, 128), numbered(1250, 128)[: count * length])


@pytest.mark.parametrize("hop", [59_049, 20_000, 70_000])
def test_raw_samples_are_cut_alike(hop: int) -> None:
    rule, samples = SegmentRule(59_049, hop), numbered(29 * 22_050)
    segments, short = streamed(samples, rule, [4_096])
    assert segments.shape == (rule.count(len(samples)), 59_049, 1)
    assert not short
    for index, segment in enumerate(segments):
        np.testing.assert_array_equal(segment, samples[index * hop : index * hop + 59_049])


@pytest.mark.parametrize("hop", [5, 54, 100])
def test_a_jingle_is_repeated_until_a_segment_is_full(hop: int) -> None:
    jingle = numbered(13, 128)  # 0.3 s
    segments, short = streamed(jingle, SegmentRule(54, hop), [5])
    assert short
    np.testing.assert_array_equal(segments, np.concatenate([jingle] * 5)[:54][np.newaxis])


def test_a_sound_of_exactly_one_segment_is_not_short() -> None:
    segments, short = streamed(numbered(54, 2), SegmentRule(54, 54), [7])
    assert not short
    np.testing.assert_array_equal(segments, numbered(54, 2)[np.newaxis])


def test_nothing_is_copied_where_a_reshape_suffices() -> None:
    stream, rows = Segments(SegmentRule(18, 18), 4), numbered(100, 4)
    assert np.shares_memory(stream.push(rows), rows)


def test_what_was_held_survives_a_reused_buffer() -> None:
    stream, buffer = Segments(SegmentRule(10, 10), 1), numbered(7)
    assert len(stream.push(buffer)) == 0
    buffer += 7.0
    np.testing.assert_array_equal(stream.push(buffer), numbered(10)[np.newaxis])


def test_scales_do_not_have_to_align() -> None:
    rows = numbered(1250, 2)
    for length in (18, 27, 54, 108, 216):
        segments, _ = streamed(rows, SegmentRule(length, length), [100, 3])
        np.testing.assert_array_equal(segments, slowly(rows, SegmentRule(length, length))[0])


def test_centres_are_the_middles_of_the_segments() -> None:
    rule = SegmentRule(18, 9)
    assert [rule.centre(index) for index in range(3)] == [8.5, 17.5, 26.5]
    assert SegmentRule(1, 4).centre(2) == 8.0


REFUSED = {
    "a list": ([[0.0, 1.0]], "list"),
    "one axis": (np.zeros(5, dtype=np.float32), "newaxis"),
    "other columns": (np.zeros((5, 3), dtype=np.float32), r"\(5, 3\)"),
    "float64": (np.zeros((5, 2)), "float64"),
    "NaN": (np.full((5, 2), np.nan, dtype=np.float32), "NaN"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_are_no_rows_is_refused_and_changes_nothing(name: str) -> None:
    wrong, pattern = REFUSED[name]
    stream = Segments(SegmentRule(4, 4), 2)
    first = stream.push(numbered(6, 2))
    with pytest.raises(WaveformError, match=pattern):
        stream.push(wrong)  # type: ignore[arg-type]
    second = stream.push(numbered(8, 2)[6:])
    np.testing.assert_array_equal(np.concatenate([first, second]), numbered(8, 2).reshape(2, 4, 2))


def test_a_stream_without_rows_is_refused() -> None:
    stream = Segments(SegmentRule(4, 4), 2)
    stream.push(numbered(0, 2))
    with pytest.raises(WaveformError, match="no rows"):
        stream.finish()
    with pytest.raises(WaveformError, match="0 rows"):
        SegmentRule(4, 4).count(0)


def test_a_finished_stream_takes_no_more() -> None:
    stream = Segments(SegmentRule(4, 4), 2)
    stream.push(numbered(6, 2))
    stream.finish()
    with pytest.raises(WaveformError, match="finished"):
        stream.push(numbered(6, 2))
    with pytest.raises(WaveformError, match="finished"):
        stream.finish()


@pytest.mark.parametrize("wrong", [0, -1, 2.0, True])
def test_rules_and_columns_that_cut_nothing_are_refused(wrong: int) -> None:
    with pytest.raises(WaveformError, match="length"):
        SegmentRule(wrong, 4)
    with pytest.raises(WaveformError, match="hop"):
        SegmentRule(4, wrong)
    if wrong < 1:
        with pytest.raises(WaveformError, match="columns"):
            Segments(SegmentRule(4, 4), wrong)
