from collections.abc import Iterator
from itertools import chain
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch", reason="needs the extra train")

import torch

from earmark.audio.segments import SegmentRule
from earmark.training.data.batches import (
    SegmentBatches,
    Share,
    VectorBatches,
    WaveformBatches,
    shuffled_batches,
    updates_an_epoch,
    windows_of_rows,
)
from earmark.training.data.clips import Clips
from earmark.training.data.waveforms import Waveforms
from training.builders import counted_frames, make_clips

ROWS = st.lists(st.integers(1, 40), min_size=1, max_size=6)


def segments_of(clips: Clips, chosen: list[int], rule: SegmentRule) -> list[tuple[int, int]]:
    """Clip and first row of every segment, the slow way."""
    found = []
    for clip in chosen:
        first, rows = int(clips.first_row[clip]), int(clips.rows[clip])
        found += [(clip, row) for row in range(first, first + rows - rule.length + 1, rule.hop)]
    return found


def seen(batches: SegmentBatches, length: int, epoch: int = 0) -> list[list[tuple[int, int]]]:
    """Clip and first row of every segment of every batch; each has to be whole rows one after another."""
    result = []
    for inputs, targets in batches.epoch(epoch):
        assert inputs.dtype == targets.dtype == torch.float32
        assert inputs.shape == (len(targets), length, 4)
        assert torch.equal(inputs, inputs[:, :1, :1] + torch.arange(length)[None, :, None].expand_as(inputs))
        assert torch.equal(targets[:, 0], targets[:, 1])
        result.append([(int(target), int(row)) for target, row in zip(targets[:, 0], inputs[:, 0, 0], strict=True)])
    assert len(result) == len(batches)
    return result


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(1, 12), st.integers(1, 15), st.integers(2, 9), st.data())
def test_every_segment_of_the_chosen_clips_and_no_other(
    rows: list[int], length: int, hop: int, size: int, data: st.DataObject
) -> None:
    clips, rule = make_clips(rows), SegmentRule(length, hop)
    chosen = sorted(data.draw(st.sets(st.integers(0, len(rows) - 1), min_size=1)))
    expected = segments_of(clips, chosen, rule)
    frames = counted_frames(clips)

    def batches(shuffle: bool) -> SegmentBatches:
        return SegmentBatches(frames, clips, np.array(chosen), rule, size, shuffle=shuffle, seed=1)

    assert list(chain(*seen(batches(False), length))) == expected
    shuffled = seen(batches(True), length)
    flat = list(chain(*shuffled))
    assert set(flat) <= set(expected)
    assert len(set(flat)) == len(flat), "no segment twice"
    # What does not fill a batch is left out, and a single segment is no batch at all.
    dropped = len(expected) % size if len(expected) >= size else len(expected) if len(expected) == 1 else 0
    assert len(flat) == len(expected) - dropped
    assert all(len(batch) == min(size, len(expected)) for batch in shuffled)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 60), st.integers(1, 20), st.integers(2, 4))
def test_shares_are_disjoint_and_make_the_whole(items: int, size: int, processes: int) -> None:
    shares = [
        [Share(rank, processes).of(batch) for batch in shuffled_batches(items, size, np.random.default_rng(3))]
        for rank in range(processes)
    ]
    whole = list(shuffled_batches(items, size, np.random.default_rng(3)))
    assert len(whole) == updates_an_epoch(items, size)
    for index, batch in enumerate(whole):
        parts = [share[index] for share in shares]
        assert len({len(part) for part in parts}) == 1
        even = len(batch) - len(batch) % processes
        assert sorted(np.concatenate(parts)) == sorted(batch[:even])


def big(**values: object) -> SegmentBatches:
    clips = make_clips([40, 40, 40])
    options = {"shuffle": True, "seed": 4, **values}
    return SegmentBatches(counted_frames(clips), clips, np.arange(3), SegmentRule(4, 4), 8, **options)  # type: ignore[arg-type]


def test_an_epoch_follows_from_seed_and_number() -> None:
    assert seen(big(), 4, 2) == seen(big(), 4, 2)
    assert seen(big(), 4, 2) != seen(big(), 4, 3)
    assert seen(big(), 4, 2) != seen(big(seed=5), 4, 2)


def test_two_processes_train_on_what_one_would() -> None:
    whole = list(big().epoch(1))
    first, second = (list(big(share=Share(rank, 2)).epoch(1)) for rank in range(2))
    for (inputs, targets), one, two in zip(whole, first, second, strict=True):
        assert torch.equal(inputs[0::2], one[0])
        assert torch.equal(inputs[1::2], two[0])
        assert torch.equal(targets[1::2], two[1])


def test_validation_is_not_shared() -> None:
    plain = list(big(shuffle=False).epoch(0))
    other = list(big(shuffle=False, share=Share(1, 2)).epoch(7))
    assert all(torch.equal(one[0], two[0]) for one, two in zip(plain, other, strict=True))


def test_a_window_of_rows_is_a_view_that_cannot_be_written() -> None:
    frames = np.arange(24, dtype=np.float16).reshape(6, 4)
    windows = windows_of_rows(frames, 2)
    assert windows.shape == (5, 8)
    np.testing.assert_array_equal(windows[3], frames[3:5].reshape(-1))
    assert np.shares_memory(windows, frames)
    assert not windows.flags.writeable
    assert windows_of_rows(frames, 7).shape == (0, 28)


def test_vectors_come_once_with_their_targets() -> None:
    vectors = torch.arange(23.0)[:, None].expand(23, 3)
    targets = torch.arange(23.0)[:, None] + torch.tensor([[0.0, 100.0]])
    batches = VectorBatches(vectors, targets, 5, shuffle=True, seed=2)
    epoch = list(batches.epoch(3))
    assert len(epoch) == len(batches) == 4
    for inputs, wanted in epoch:
        assert torch.equal(inputs[:, 0], wanted[:, 0])
        assert torch.equal(inputs[:, 0] + 100, wanted[:, 1])
    numbers = torch.cat([inputs[:, 0] for inputs, _ in epoch]).tolist()
    assert len(set(numbers)) == 20
    again = torch.cat([inputs[:, 0] for inputs, _ in batches.epoch(3)]).tolist()
    assert again == numbers
    in_order = VectorBatches(vectors, targets, 5, shuffle=False)
    assert len(in_order) == len(list(in_order.epoch(0))) == 5
    assert torch.equal(torch.cat([inputs for inputs, _ in in_order.epoch(0)]), vectors)
    assert torch.equal(torch.cat([wanted for _, wanted in in_order.epoch(0)]), targets)


LENGTH = 100
CLIPS = 30


class Counted:
    """Clips of which every sample is 1000 times the clip's number plus the segment's; it records what is asked for."""

    rate_hz = 22_050

    def __init__(self, samples: list[int]) -> None:
        self.samples = np.array(samples, np.int64)
        self.asked: list[int] = []
        self.ended = False
        self.breaks_at = 1 << 30

    def stream(self, chosen: list[int]) -> Iterator[np.ndarray]:
        try:
            yield from self._stream(chosen)
        finally:
            self.ended = True

    def _stream(self, chosen: list[int]) -> Iterator[np.ndarray]:
        for clip in chosen:
            self.asked.append(clip)
            if len(self.asked) > self.breaks_at:
                raise OSError("broken")
            yield (1000 * clip + np.arange(self.samples[clip]) // LENGTH).astype(np.int16)


def batches_of(
    samples: list[int], batch: int = 8, *, shuffle: bool = True, pool_samples: int = 1 << 28, **options: object
) -> tuple[WaveformBatches, Counted, Clips]:
    sound, clips = Counted(samples), make_clips([1] * len(samples))
    made = WaveformBatches(
        cast(Waveforms, sound),
        clips,
        np.arange(len(samples), dtype=np.int64),
        SegmentRule(LENGTH, LENGTH),
        batch,
        shuffle=shuffle,
        pool_samples=pool_samples,
        **options,  # type: ignore[arg-type]
    )
    return made, sound, clips


def identities(batches: WaveformBatches, number: int = 0) -> list[list[tuple[int, int]]]:
    """Clip and segment of every item of an epoch, batch by batch; targets are checked on the way."""
    found = []
    for rows, targets in batches.epoch(number):
        assert rows.shape[1:] == (LENGTH, 1) and rows.dtype == torch.float32
        values = (rows[:, :, 0] * 32_768).round().long()
        assert bool((values == values[:, :1]).all())
        found.append([(int(value) // 1000, int(value) % 1000) for value in values[:, 0]])
        assert targets.tolist() == [[float(clip), float(clip)] for clip, _ in found[-1]]
    return found


def test_an_epoch_has_every_segment_once_in_random_order() -> None:
    batches, _, _ = batches_of([350] * CLIPS)
    assert len(batches) == CLIPS * 3 // 8
    found = [item for batch in identities(batches) for item in batch]
    assert len(set(found)) == len(found) == len(batches) * 8
    assert found != sorted(found)
    assert {segment for _, segment in found} == {0, 1, 2}


def test_an_epoch_of_raw_segments_follows_from_seed_and_number() -> None:
    one, other = batches_of([350] * CLIPS, seed=4)[0], batches_of([350] * CLIPS, seed=4)[0]
    assert identities(one, 3) == identities(other, 3)
    assert identities(one, 3) != identities(one, 4)
    assert identities(one, 3) != identities(batches_of([350] * CLIPS, seed=5)[0], 3)


def test_pools_bound_what_is_held_and_keep_the_order_of_decoding() -> None:
    batches, sound, _ = batches_of([350] * CLIPS, pool_samples=5 * 350)
    for index, _ in enumerate(batches._epoch(0)):
        # No clip is asked for before the segments of all pools before it are nearly used up.
        assert len(sound.asked) <= 5 * (1 + -(-(index + 1) * 8 // 15))
    assert sorted(sound.asked) == list(range(CLIPS))
    assert sound.asked != sorted(sound.asked)


def test_in_order_nothing_is_left_out() -> None:
    batches, sound, _ = batches_of([350, 100, 99, 240], 4, shuffle=False)
    assert len(batches) == 2
    assert identities(batches) == [[(0, 0), (0, 1), (0, 2), (1, 0)], [(3, 0), (3, 1)]]
    assert sound.asked == [0, 1, 3], "a clip shorter than a segment has none"


def test_gains_are_random_and_only_in_training() -> None:
    batches, _, _ = batches_of([100] * 16, 16, gain_deviation=0.5)
    rows, targets = next(batches.epoch(0))
    gain = (rows[:, 0, 0] * 32.768 / targets[:, 0].clamp(min=1))[targets[:, 0] > 0]
    assert float(gain.log().std()) == pytest.approx(0.5, abs=0.2)
    still, _, _ = batches_of([100] * 16, 16, shuffle=False, gain_deviation=0.5)
    rows, targets = next(still.epoch(0))
    torch.testing.assert_close(rows[:, 0, 0] * 32.768, targets[:, 0])


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_each_batch(processes: int) -> None:
    alone, _, _ = batches_of([350] * CLIPS, 9, gain_deviation=0.3, seed=2)
    shares = [
        batches_of([350] * CLIPS, 9, gain_deviation=0.3, seed=2, share=Share(rank, processes))[0]
        for rank in range(processes)
    ]
    epochs = [list(share.epoch(1)) for share in shares]
    for index, (rows, targets) in enumerate(alone.epoch(1)):
        even = len(rows) - len(rows) % processes
        for rank, epoch in enumerate(epochs):
            torch.testing.assert_close(epoch[index][0], rows[rank:even:processes])
            torch.testing.assert_close(epoch[index][1], targets[rank:even:processes])


def test_targets_are_those_of_the_moment_in_a_segments_middle() -> None:
    import dataclasses

    _, sound, clips = batches_of([300, 300], 6, shuffle=False)
    changing = dataclasses.replace(
        clips,
        table=np.arange(12, dtype=np.float32).reshape(6, 2),
        first_entry=np.array([0, 3]),
        entries=np.array([3, 3]),
        entry_seconds=np.full(2, LENGTH / sound.rate_hz),
    )
    made = WaveformBatches(
        cast(Waveforms, sound), changing, np.array([0, 1]), SegmentRule(LENGTH, LENGTH), 6, shuffle=False
    )
    _, targets = next(made.epoch(0))
    assert targets[:, 0].tolist() == [0, 2, 4, 6, 8, 10]


def test_an_abandoned_epoch_ends_its_thread_and_its_stream() -> None:
    batches, sound, _ = batches_of([350] * CLIPS, pool_samples=1)
    epoch = batches.epoch(0)
    next(epoch)
    epoch.close()  # type: ignore[attr-defined]
    asked = len(sound.asked)
    assert asked < CLIPS
    assert sound.ended
    assert len(sound.asked) == asked


def test_what_breaks_in_the_thread_is_told_where_the_batch_is_wanted() -> None:
    batches, sound, _ = batches_of([350] * CLIPS, pool_samples=1)
    sound.breaks_at = 25
    with pytest.raises(OSError, match="broken"):
        for index, _ in enumerate(batches.epoch(0)):
            assert index < 10
    assert index > 3
