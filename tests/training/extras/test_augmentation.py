"""Augmentation: each kind against what the sound itself would have given, and none where it is off."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs the extra train")

from earmark.audio.logmel import log_mel
from earmark.audio.segments import SegmentRule
from earmark.training.data.batches import SegmentBatches, Share
from earmark.training.data.clips import Clips
from earmark.training.extras.augmentation import Augmentation, AugmentedBatches, Draws, WindowBatches, _ScaleSegments
from earmark.training.networks.scales import log_mel_extractor
from earmark.training.recipe.sections import AugmentationSection, WindowSection
from earmark.training.steps.features import ScaleFeatures, clip_vectors
from training.builders import counted_frames, make_clips

EVERYTHING = AugmentationSection(
    equalisation_decibels=3,
    mixing_share=0.5,
    noise_share=0.5,
    band_limit_share=0.5,
    pitch_semitones=1,
    tempo_deviation=0.1,
)


def sound(seed: int = 0, seconds: float = 1.0) -> np.ndarray:
    return (0.2 * np.random.default_rng(seed).standard_normal(int(seconds * 22_050))).astype(np.float32)


def tone(hz: float) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(22_050) / 22_050)).astype(np.float32)


def one_draw(augmentation: Augmentation, **values: object) -> Draws:
    """Draws of one segment with some of them set."""
    draws = Augmentation().draw(1, np.random.default_rng(0))
    set_values = {name: np.array([value], np.float32) for name, value in values.items()}
    del augmentation
    return Draws(**{**vars(draws), **set_values})  # type: ignore[arg-type]


def varied(section: AugmentationSection, samples: np.ndarray, others: np.ndarray | None = None, **values: object):
    augmentation = Augmentation(section, 0.5)
    rows = torch.from_numpy(log_mel(samples))[None]
    partner = None if others is None else torch.from_numpy(log_mel(others))[None]
    return augmentation.apply(rows, one_draw(augmentation, **values), partner)[0].numpy()


@pytest.mark.parametrize("gain", [0.25, 0.7, 3.0])
def test_gain_is_the_log_mel_of_the_scaled_sound(gain: float) -> None:
    found = varied(AugmentationSection(), sound(), gain=gain)
    np.testing.assert_allclose(found, log_mel((gain * sound()).astype(np.float32)), atol=1e-4, rtol=0)


def test_a_tone_moves_as_its_pitch_does() -> None:
    section = AugmentationSection(pitch_semitones=3)
    for hz in (440.0, 3000.0):
        moved = varied(section, tone(hz), pitch_semitones=3.0)[20].argmax()
        assert abs(int(moved) - int(log_mel(tone(hz * 2 ** (3 / 12)))[20].argmax())) <= 1
    np.testing.assert_allclose(varied(section, sound(), pitch_semitones=0.0), log_mel(sound()), atol=2e-5)


def test_a_band_limit_leaves_nothing_above_and_all_below() -> None:
    found, before = varied(AugmentationSection(band_limit_share=1), sound(), limit_hz=4000.0), log_mel(sound())
    silent = (found == 0).all(axis=0)
    cut = int(silent.argmax())
    assert silent[cut:].all() and 40 < cut < 110
    np.testing.assert_allclose(found[:, :cut], before[:, :cut], atol=1e-5)


def test_noise_is_as_loud_as_said() -> None:
    section = AugmentationSection(noise_share=1)
    before = 10 ** log_mel(sound()) - 1
    after = 10 ** varied(section, sound(), noise_decibels=-20.0) - 1
    assert (after - before).mean() / before.mean() == pytest.approx(0.1, rel=0.1)
    np.testing.assert_allclose(varied(section, sound(), noise_decibels=-np.inf), log_mel(sound()), atol=1e-5)


def test_two_sounds_are_mixed_by_magnitude_and_so_are_their_targets() -> None:
    section = AugmentationSection(mixing_share=1)
    found = 10 ** varied(section, tone(440), tone(2500), share=0.25) - 1
    one, two = (10 ** log_mel(tone(hz)) - 1 for hz in (440.0, 2500.0))
    np.testing.assert_allclose(found, 0.75 * one + 0.25 * two, rtol=1e-3, atol=1e-3)
    augmentation = Augmentation(section)
    targets, others = torch.tensor([[1.0, 0.0, float("nan")]]), torch.tensor([[0.0, float("nan"), 1.0]])
    mixed = augmentation.mixed(targets, one_draw(augmentation, share=0.25), others)
    assert mixed[0, 0] == 0.75 and mixed[0, 1:].isnan().all()
    alone = augmentation.mixed(targets, one_draw(augmentation, share=0.0), others)
    assert alone[0, :2].tolist() == [1.0, 0.0]


def test_equalisation_is_smooth_and_has_no_other_effect() -> None:
    section = AugmentationSection(equalisation_decibels=6)
    draws = Augmentation(section).draw(1, np.random.default_rng(3))
    rows = torch.from_numpy(log_mel(sound()))[None]
    found = Augmentation(section).apply(rows, draws, None)[0].numpy()
    decibels = 20 * np.log10((10**found - 1) / (10 ** log_mel(sound()) - 1))
    curve = decibels.mean(axis=0)
    np.testing.assert_allclose(decibels, np.broadcast_to(curve, decibels.shape), atol=0.02)
    assert 1 < np.abs(curve).max() < 40 and np.abs(np.diff(curve)).max() < 1.5


def batches(section: AugmentationSection, share: Share = Share()) -> AugmentedBatches:
    clips = make_clips([60, 60, 60], tags=2)
    clips.table[:] = clips.table / 4
    frames = np.random.default_rng(0).uniform(0.1, 2, (300, 128)).astype(np.float16)
    plain = SegmentBatches(frames, clips, np.arange(3), SegmentRule(6, 6), 10, shuffle=True, seed=2, share=share)
    return AugmentedBatches(plain, Augmentation(section, 0.3))


def test_what_an_item_gets_does_not_depend_on_the_processes_beside_the_noise() -> None:
    section = EVERYTHING.model_copy(update={"noise_share": 0.0})
    whole = list(batches(section).epoch(1))
    parts = [list(batches(section, Share(rank, 2)).epoch(1)) for rank in range(2)]
    for at, (inputs, targets) in enumerate(whole):
        for rank in range(2):
            assert torch.equal(inputs[rank::2], parts[rank][at][0])
            assert torch.equal(targets[rank::2], parts[rank][at][1])


def test_an_epoch_follows_from_its_number_and_differs_from_the_next() -> None:
    one, again, other = (list(batches(EVERYTHING).epoch(number)) for number in (1, 1, 2))
    assert all(torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in zip(one, again, strict=True))
    assert not torch.equal(one[0][0], other[0][0])
    assert all(torch.isfinite(inputs).all() and inputs.shape[1:] == (6, 128) for inputs, _ in one)


def test_tempo_alone_reads_between_the_rows() -> None:
    clips = make_clips([60], tags=1)
    frames = np.repeat(np.arange(70, dtype=np.float16)[:, None], 128, axis=1)
    section = AugmentationSection(tempo_deviation=0.2)
    plain = SegmentBatches(frames, clips, np.arange(1), SegmentRule(6, 6), 10, shuffle=True)
    ((inputs, _),) = AugmentedBatches(plain, Augmentation(section)).epoch(0)
    steps = inputs[:, 1:, 0] - inputs[:, :-1, 0]
    speed = steps.mean(dim=1, keepdim=True)
    assert torch.allclose(steps, speed.expand_as(steps), atol=1e-3)
    assert 0.8 < float(speed.min()) < 1 < float(speed.max()) < 1.21
    middles = inputs[:, :, 0].mean(dim=1)
    assert torch.allclose((middles - 3 - 2.5) % 6, torch.zeros(10), atol=1e-2)


def test_each_segment_has_one_gain() -> None:
    generator = np.random.default_rng(0)
    clips = make_clips([40, 40, 40], tags=1)
    frames = generator.uniform(0.1, 2, counted_frames(clips).shape).astype(np.float16)

    def epoch(deviation: float) -> torch.Tensor:
        plain = SegmentBatches(frames, clips, np.arange(3), SegmentRule(4, 4), 30, shuffle=True, seed=1)
        return next(AugmentedBatches(plain, Augmentation(gain_deviation=deviation)).epoch(0))[0]

    ratio = (10 ** epoch(0.4) - 1) / (10 ** epoch(0.0) - 1)
    assert torch.allclose(ratio, ratio[:, :1, :1].expand_as(ratio), rtol=1e-3)
    gains = ratio[:, 0, 0].log()
    assert 0.25 < float(gains.std()) < 0.6
    assert len(gains.unique()) == 30


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


def window_batches(windows: WindowSection, batch: int = 2, **values: object) -> WindowBatches:
    features = [make_features(18), make_features(54)]
    chosen = np.array([2, 0, 1])
    targets = np.arange(3, dtype=np.float32)[:, None]
    clips = Clips.with_constant_targets(("a", "b", "c"), np.zeros(3, np.int64), np.zeros(3, np.int64), targets)
    return WindowBatches([features], (), chosen, clips, windows, batch, **values)  # type: ignore[arg-type]


def test_windows_as_long_as_the_clip_are_the_clip() -> None:
    long = WindowSection(shortest_seconds=1000, longest_seconds=1000)
    expected = clip_vectors([make_features(18), make_features(54)], ())
    vectors, targets = next(window_batches(long, 3).epoch(0))
    np.testing.assert_allclose(vectors.numpy(), expected[targets[:, 0].int().numpy()], rtol=1e-6)


def test_every_clip_once_with_its_own_targets() -> None:
    source = window_batches(WindowSection(shortest_seconds=0.5, longest_seconds=3.0), 3)
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
    one, same = list(window_batches(windows, seed=3).epoch(1)), list(window_batches(windows, seed=3).epoch(1))
    assert all(torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in zip(one, same, strict=True))
    other = list(window_batches(windows, seed=4).epoch(1))
    assert not all(torch.equal(a[0], b[0]) for a, b in zip(one, other, strict=True))


def test_two_processes_take_the_windows_that_one_would() -> None:
    windows = WindowSection(shortest_seconds=0.5, longest_seconds=3.0)
    whole = next(window_batches(windows, 2).epoch(0))
    parts = [next(window_batches(windows, 2, share=Share(rank, 2)).epoch(0)) for rank in range(2)]
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
