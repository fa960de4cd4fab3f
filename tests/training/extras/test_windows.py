import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs the extra train")

from earmark.audio.segments import SegmentRule
from earmark.training.data.batches import Share
from earmark.training.data.clips import Clips
from earmark.training.extras.windows import WindowBatches, _ScaleSegments
from earmark.training.networks.scales import log_mel_extractor
from earmark.training.recipe.sections import WindowSection
from earmark.training.steps.features import ScaleFeatures, clip_vectors

COUNTS = {18: (13, 5, 1), 54: (4, 2, 1)}
"""Segments of three clips."""


def make_features(frames: int, offset: float = 0.0, hop: int | None = None) -> ScaleFeatures:
    """Features of which every column is the number of its clip plus something small and random."""
    extractor = log_mel_extractor(frames, ("a", "b"))
    extractor = dataclasses.replace(extractor, segment_hop=hop or frames)
    counts = COUNTS[frames]
    width = sum(extractor.level_widths)
    clip = np.repeat(np.arange(len(counts)), counts)[:, None]
    noise = np.random.default_rng(frames).uniform(0, 0.5, (sum(counts), width))
    segments = (clip + offset + noise).astype(np.float16)
    first = np.concatenate([[0], np.cumsum(counts)])
    means = np.stack([segments[a:b].mean(axis=0, dtype=np.float64) for a, b in pairwise(first)])
    return ScaleFeatures(extractor, segments, first, means.astype(np.float32), np.zeros((3, 2), np.float32))


def naive_mean(features: ScaleFeatures, clip: int, start: float, stop: float, columns: np.ndarray) -> np.ndarray:
    """The mean over segments whose centre lies in the window; else the one nearest to the window's middle."""
    rule = SegmentRule(features.extractor.segment_length, features.extractor.segment_hop)
    rows = features.segments[features.first[clip] : features.first[clip + 1]][:, columns].astype(np.float64)
    centres = [rule.centre(index) * features.extractor.row_seconds for index in range(len(rows))]
    inside = [index for index, centre in enumerate(centres) if start <= centre < stop]
    nearest = min(range(len(rows)), key=lambda index: abs(centres[index] - (start + stop) / 2))
    return rows[inside or [nearest]].mean(axis=0)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([(18, None), (54, None), (18, 7), (54, 20)]),
    st.sampled_from([(), (1,), (2, 3)]),
    st.integers(0, 2),
    st.floats(0, 6),
    st.floats(0.01, 6),
)
def test_a_window_is_the_mean_of_the_segments_centred_in_it(
    scale: tuple[int, int | None], levels: tuple[int, ...], clip: int, start: float, seconds: float
) -> None:
    features = make_features(scale[0], hop=scale[1])
    (found,) = _ScaleSegments(features, levels).means(np.array([clip]), np.array([start]), np.array([start + seconds]))
    assert found.dtype == np.float32
    expected = naive_mean(features, clip, start, start + seconds, features.columns(levels))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def batches(windows: WindowSection, batch: int = 2, **values: object) -> WindowBatches:
    features = [make_features(18), make_features(54)]
    chosen = np.array([2, 0, 1])
    targets = np.arange(3, dtype=np.float32)[:, None]
    clips = Clips.with_constant_targets(("a", "b", "c"), np.zeros(3, np.int64), np.zeros(3, np.int64), targets)
    return WindowBatches([features], (), chosen, clips, windows, batch, **values)  # type: ignore[arg-type]


def test_windows_as_long_as_the_clip_are_the_clip() -> None:
    long = WindowSection(shortest_seconds=1000, longest_seconds=1000)
    expected = clip_vectors([make_features(18), make_features(54)], ())
    vectors, targets = next(batches(long, 3).epoch(0))
    np.testing.assert_allclose(vectors.numpy(), expected[targets[:, 0].int().numpy()], rtol=1e-6)


def test_every_clip_once_with_its_own_targets() -> None:
    source = batches(WindowSection(shortest_seconds=0.5, longest_seconds=3.0), 3)
    assert len(source) == 1
    different = set()
    for epoch in range(5):
        ((vectors, targets),) = source.epoch(epoch)
        assert vectors.shape == (3, 512 + 768)
        assert sorted(targets[:, 0].tolist()) == [0, 1, 2]
        assert torch.equal(vectors.floor(), targets.expand_as(vectors)), "vectors of another clip"
        different.add(float(vectors[targets[:, 0] == 0].sum()))
    assert len(different) > 1, "the windows never move"


def test_windows_follow_from_seed_and_epoch() -> None:
    windows = WindowSection(shortest_seconds=0.5, longest_seconds=3.0)
    one, same = list(batches(windows, seed=3).epoch(1)), list(batches(windows, seed=3).epoch(1))
    assert all(torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in zip(one, same, strict=True))
    other = list(batches(windows, seed=4).epoch(1))
    assert not all(torch.equal(a[0], b[0]) for a, b in zip(one, other, strict=True))


def test_two_processes_take_the_windows_that_one_would() -> None:
    windows = WindowSection(shortest_seconds=0.5, longest_seconds=3.0)
    whole = next(batches(windows, 2).epoch(0))
    parts = [next(batches(windows, 2, share=Share(rank, 2)).epoch(0)) for rank in range(2)]
    for at in range(2):
        assert torch.equal(whole[at], torch.cat([part[at] for part in parts]))


def test_every_window_has_one_loudness() -> None:
    windows = WindowSection(shortest_seconds=0.5, longest_seconds=3.0, windows_per_clip=40)
    loudnesses = [[make_features(18, offset), make_features(54, offset)] for offset in (0.0, 100.0)]
    targets = np.arange(3, dtype=np.float32)[:, None]
    clips = Clips.with_constant_targets(("a", "b", "c"), np.zeros(3, np.int64), np.zeros(3, np.int64), targets)
    source = WindowBatches(loudnesses, (), np.arange(3), clips, windows, 120)
    ((vectors, found),) = source.epoch(0)
    assert len(source) == 1 and len(vectors) == 120
    loud = vectors.mean(dim=1) > 50
    assert 40 < int(loud.sum()) < 80
    assert torch.equal((vectors - 100 * loud[:, None]).floor(), found.expand_as(vectors)), (
        "loudnesses or clips mixed up"
    )
