"""How many segments a minute a local CNN trains on, from the frame store, and how near that is to the processor's peak.

    python benchmarks/training.py [--batch 512] [--seconds 10] [--rounds 3] [--json FILE]

A store of random frames is written to a temporary folder and read back through the memory map, as in training: what is
timed is everything from shuffled indices to the optimiser's step. The peak is that of one large float32 matrix product
by the same torch with the same threads, measured in the same rounds. A segment costs three times its forward pass.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from earmark.audio.segments import SegmentRule
from earmark.training.batches import SegmentBatches
from earmark.training.clips import Clips
from earmark.training.fit import tag_loss
from earmark.training.networks import LocalCNN
from earmark.training.provenance import commit, machine, versions
from earmark.training.recipe import StagedSchedule
from earmark.training.scales import convolutions_of, log_mel_extractor
from earmark.training.schedule import plan_of

CLIPS, CLIP_FRAMES, TAGS = 400, 1250, 50
PRODUCT_SIZE = 2048


def multiply_adds(frames: int) -> int:
    """Multiply-adds of one segment's forward pass."""
    length, inputs, total = frames, 128, 0
    for shape in convolutions_of(frames):
        total += length * shape.filter_length * inputs * shape.channels
        length, inputs = length // shape.pool_length, shape.channels
    return total + inputs * 256 + 256 * TAGS


def forever(batches: SegmentBatches) -> Iterator[tuple[Tensor, Tensor]]:
    """Epoch after epoch."""
    number = 0
    while True:
        yield from batches.epoch(number)
        number += 1


def segments_a_minute(frames: int, store: Path, batch: int, seconds: float) -> float:
    """Train for some seconds and count."""
    rows = np.memmap(store, np.float16, "r", shape=(CLIPS * CLIP_FRAMES, 128))
    targets = (np.random.default_rng(0).uniform(size=(CLIPS, TAGS)) < 0.1).astype(np.float32)
    clips = Clips(
        tuple(str(clip) for clip in range(CLIPS)),
        np.arange(CLIPS, dtype=np.int64) * CLIP_FRAMES,
        np.full(CLIPS, CLIP_FRAMES, np.int64),
        targets,
    )
    everything = np.arange(CLIPS, dtype=np.int64)
    source = forever(SegmentBatches(rows, clips, everything, SegmentRule(frames, frames), batch, shuffle=True))
    network = LocalCNN(log_mel_extractor(frames, tuple(str(tag) for tag in range(TAGS)), 0.23, 0.26))
    optimiser = plan_of(StagedSchedule()).optimiser(network.parameters())
    loss = tag_loss("multi-label")

    def step() -> None:
        inputs, wanted = next(source)
        value = loss(network(inputs), wanted)
        optimiser.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        optimiser.step()

    for _ in range(3):
        step()
    started, steps = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        step()
        steps += 1
    return steps * batch / (time.perf_counter() - started) * 60


def peak_flops() -> float:
    """Floating-point operations a second of one large matrix product."""
    left, right = torch.rand(PRODUCT_SIZE, PRODUCT_SIZE), torch.rand(PRODUCT_SIZE, PRODUCT_SIZE)
    best = 0.0
    for _ in range(12):
        started = time.perf_counter()
        torch.matmul(left, right)
        best = max(best, 2 * PRODUCT_SIZE**3 / (time.perf_counter() - started))
    return best


def main() -> None:
    """Measure every scale in turn, some rounds, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=512, help="segments a batch")
    parser.add_argument("--seconds", type=float, default=5.0, help="seconds of training a scale and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scales", type=int, nargs="+", default=[18, 27, 54])
    parser.add_argument("--json", type=Path, help="keep the figures here")
    options = parser.parse_args()
    rates: dict[int, list[float]] = {frames: [] for frames in options.scales}
    peaks: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "frames.f16"
        generator = np.random.default_rng(0)
        (generator.uniform(size=(CLIPS * CLIP_FRAMES, 128)) * 0.8).astype(np.float16).tofile(store)
        for _ in range(options.rounds):
            peaks.append(peak_flops())
            for frames in options.scales:
                rates[frames].append(segments_a_minute(frames, store, options.batch, options.seconds))
    peak = statistics.median(peaks)
    print(f"commit {commit()}, {machine()}, {versions()}")
    print(f"matrix-product peak: {peak / 1e9:.0f} GFLOP/s; batch {options.batch}, {options.rounds} rounds")
    print("| frames | segments a minute, median (lowest to highest) | share of the peak |\n|---|---|---|")
    document: dict[str, object] = {"commit": commit(), "machine": machine(), "versions": versions(), "peak": peaks}
    for frames, measured in rates.items():
        middle = statistics.median(measured)
        share = middle / 60 * multiply_adds(frames) * 2 * 3 / peak
        print(f"| {frames} | {middle:,.0f} ({min(measured):,.0f} to {max(measured):,.0f}) | {share:.0%} |")
        document[str(frames)] = {"segments_a_minute": measured, "share_of_peak": share}
    if options.json is not None:
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
