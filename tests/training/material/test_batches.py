from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs the extra train")

from earmark.audio.segments import SegmentRule
from earmark.training.material.augmentation import Augmentation
from earmark.training.material.batches import (
    SegmentBatches,
    Share,
    VectorBatches,
    shuffled_batches,
    updates_an_epoch,
    windows_of_rows,
)
from earmark.training.material.clips import Clips
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
    gain = {"augmentation": Augmentation(gain_deviation=0.3)}
    whole = list(big(**gain).epoch(1))
    first, second = (list(big(**gain, share=Share(rank, 2)).epoch(1)) for rank in range(2))
    for (inputs, targets), one, two in zip(whole, first, second, strict=True):
        assert torch.equal(inputs[0::2], one[0])
        assert torch.equal(inputs[1::2], two[0])
        assert torch.equal(targets[1::2], two[1])


def test_validation_is_neither_shared_nor_louder() -> None:
    plain = list(big(shuffle=False).epoch(0))
    other = list(big(shuffle=False, share=Share(1, 2), augmentation=Augmentation(gain_deviation=0.5)).epoch(7))
    assert all(torch.equal(one[0], two[0]) for one, two in zip(plain, other, strict=True))


def test_each_segment_has_one_gain() -> None:
    generator = np.random.default_rng(0)
    clips = make_clips([40, 40, 40], tags=1)
    frames = generator.uniform(0.1, 2, counted_frames(clips).shape).astype(np.float16)

    def epoch(deviation: float) -> torch.Tensor:
        augmentation = Augmentation(gain_deviation=deviation)
        batches = SegmentBatches(
            frames, clips, np.arange(3), SegmentRule(4, 4), 30, shuffle=True, seed=1, augmentation=augmentation
        )
        return next(batches.epoch(0))[0]

    ratio = (10 ** epoch(0.4) - 1) / (10 ** epoch(0.0) - 1)
    assert torch.allclose(ratio, ratio[:, :1, :1].expand_as(ratio), rtol=1e-3)
    gains = ratio[:, 0, 0].log()
    assert 0.25 < float(gains.std()) < 0.6
    assert len(gains.unique()) == 30


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
