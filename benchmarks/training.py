"""How many segments a minute a local CNN trains on, what bounds it, and how long the Million Song Dataset would take.

    python benchmarks/training.py [--batch 512] [--seconds 5] [--rounds 3] [--device cpu] [--json FILE]

Three rates a scale, in the same rounds: *store*, from shuffled indices through the memory map to float32 on the device,
without a network; *network*, the training step on frames made on the device, without a store; *training*, both, as
`earmark train` does it. A store of random frames is written to a temporary folder. On a GPU the frames of *network* lie
in its memory, gathered there. The peak is that of one large float32 matrix product by the same torch with the same
threads; a segment costs three times its forward pass.

The last column is one epoch of the Million Song Dataset, 201 680 clips, at the rate of *training*: reckoned, not run.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from earmark.audio.segments import SegmentRule
from earmark.training.data.batches import SegmentBatches
from earmark.training.data.clips import Clips
from earmark.training.evaluation.provenance import commit, machine, versions
from earmark.training.networks.networks import LocalCNN
from earmark.training.networks.scales import convolutions_of, log_mel_extractor
from earmark.training.recipe.sections import StagedSchedule
from earmark.training.steps.fit import tag_loss
from earmark.training.steps.schedule import plan_of

CLIPS, CLIP_FRAMES, TAGS = 400, 1250, 50
MILLION_SONG_CLIPS = 201_680
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


class Bench:
    """One scale on one device: its store, its network, its step."""

    def __init__(self, frames: int, store: Path, batch: int, device: torch.device) -> None:
        self.batch, self.device = batch, device
        rows = np.memmap(store, np.float16, "r", shape=(CLIPS * CLIP_FRAMES, 128))
        targets = (np.random.default_rng(0).uniform(size=(CLIPS, TAGS)) < 0.1).astype(np.float32)
        clips = Clips.with_constant_targets(
            tuple(str(clip) for clip in range(CLIPS)),
            np.arange(CLIPS, dtype=np.int64) * CLIP_FRAMES,
            np.full(CLIPS, CLIP_FRAMES, np.int64),
            targets,
        )
        everything = np.arange(CLIPS, dtype=np.int64)
        rule = SegmentRule(frames, frames)
        self._source = forever(SegmentBatches(rows, clips, everything, rule, batch, shuffle=True))
        self._network = LocalCNN(log_mel_extractor(frames, tuple(str(tag) for tag in range(TAGS)), 0.23, 0.26))
        self._network.to(device)
        self._optimiser = plan_of(StagedSchedule()).optimiser(self._network.parameters())
        self._loss = tag_loss("multi-label")
        self._resident = torch.rand(20_000, 128, device=device).half()
        self._targets = torch.zeros(batch, TAGS, device=device)
        self._frames = frames

    def store(self) -> None:
        """A batch through the store, and nothing else."""
        inputs, _ = next(self._source)
        inputs.to(self.device)

    def network(self) -> None:
        """A step on frames that lie on the device."""
        starts = torch.randint(0, len(self._resident) - self._frames, (self.batch, 1), device=self.device)
        rows = self._resident[starts + torch.arange(self._frames, device=self.device)].float()
        self._step(rows, self._targets)

    def training(self) -> None:
        """A batch through the store, and a step on it."""
        inputs, targets = next(self._source)
        self._step(inputs.to(self.device), targets.to(self.device))

    def _step(self, inputs: Tensor, targets: Tensor) -> None:
        value = self._loss(self._network(inputs), targets)
        self._optimiser.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        self._optimiser.step()


def segments_a_minute(step: Callable[[], None], batch: int, seconds: float, device: torch.device) -> float:
    """Repeat a step for some seconds and count."""
    for _ in range(3):
        step()
    _finish(device)
    started, steps = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        step()
        steps += 1
    _finish(device)
    return steps * batch / (time.perf_counter() - started) * 60


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def peak_flops(device: torch.device) -> float:
    """Floating-point operations a second of one large matrix product."""
    left, right = (torch.rand(PRODUCT_SIZE, PRODUCT_SIZE, device=device) for _ in range(2))
    best = 0.0
    for _ in range(12):
        started = time.perf_counter()
        torch.matmul(left, right)
        _finish(device)
        best = max(best, 2 * PRODUCT_SIZE**3 / (time.perf_counter() - started))
    return best


def main() -> None:
    """Measure every scale in turn, some rounds, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=512, help="segments a batch")
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds a rate, scale and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scales", type=int, nargs="+", default=[18, 27, 54])
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--json", type=Path, help="keep the figures here")
    options = parser.parse_args()
    device = torch.device(options.device)
    rates: dict[int, dict[str, list[float]]] = {
        frames: {"store": [], "network": [], "training": []} for frames in options.scales
    }
    peaks: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "frames.f16"
        generator = np.random.default_rng(0)
        (generator.uniform(size=(CLIPS * CLIP_FRAMES, 128)) * 0.8).astype(np.float16).tofile(store)
        benches = {frames: Bench(frames, store, options.batch, device) for frames in options.scales}
        for _ in range(options.rounds):
            peaks.append(peak_flops(device))
            for frames, bench in benches.items():
                for name, measured in rates[frames].items():
                    rate = segments_a_minute(getattr(bench, name), options.batch, options.seconds, device)
                    measured.append(rate)
    peak = statistics.median(peaks)
    print(f"commit {commit()}, {machine()}, device {device}, torch {versions()['torch']}")
    print(f"matrix-product peak: {peak / 1e9:.0f} GFLOP/s; batch {options.batch}, {options.rounds} rounds; medians\n")
    print("| frames | store | network | training (lowest to highest) | share of the peak | a Million Song epoch |")
    print("|---|---|---|---|---|---|")
    document: dict[str, object] = {"commit": commit(), "machine": machine(), "versions": versions(), "peak": peaks}
    for frames, measured_rates in rates.items():
        middle = {name: statistics.median(values) for name, values in measured_rates.items()}
        training = measured_rates["training"]
        share = middle["training"] / 60 * multiply_adds(frames) * 2 * 3 / peak
        segments = MILLION_SONG_CLIPS * SegmentRule(frames, frames).count(CLIP_FRAMES)
        print(
            f"| {frames} | {middle['store']:,.0f} | {middle['network']:,.0f} "
            f"| {middle['training']:,.0f} ({min(training):,.0f} to {max(training):,.0f}) | {share:.0%} "
            f"| {segments / middle['training']:.0f} minutes for {segments / 1e6:.1f} million segments |"
        )
        document[str(frames)] = {"segments_a_minute": measured_rates, "share_of_peak": share}
    if options.json is not None:
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
