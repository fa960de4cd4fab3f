from collections.abc import Iterator
from typing import cast

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra train")

import torch

from earmark.audio.segments import SegmentRule
from earmark.training.material.batches import Share
from earmark.training.material.clips import Clips
from earmark.training.material.waveform_batches import WaveformBatches
from earmark.training.material.waveforms import Waveforms
from training.builders import make_clips

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


def test_an_epoch_follows_from_seed_and_number() -> None:
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
