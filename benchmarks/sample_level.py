"""What the sample-level family costs: tagging on one core in numpy, training steps, and decoding beside them.

    python benchmarks/sample_level.py [--samples 59049] [--multiplier 1.0] [--top 256] [--block basic] [--batch 23]
                                      [--device cpu] [--precision 32-true] [--processes 2] [--rounds 3] [--json FILE]

*tagging*: one segment at a time through the numpy network, as `earmark tag` does, with OpenBLAS on one thread, against
the peak of one large matrix product. *network*: the training step on segments that lie on the device. *decoding*: raw
segments from compressed files (MP3s of 30 s, written by this program) to batches on the device, none kept in memory,
without a network. *training*: both, as `earmark train` does it. Weights and sound are random: what a network costs does
not depend on what it learnt.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's; torch has threads of its own

import av
import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor

from earmark.audio.segments import SegmentRule
from earmark.tagging.bundle.card import Extractor
from earmark.tagging.engines.network import LocalNetwork
from earmark.training.data.batches import WaveformBatches
from earmark.training.data.clips import Clips
from earmark.training.data.waveforms import Waveforms
from earmark.training.evaluation.provenance import commit, machine, versions
from earmark.training.networks.export import local_arrays
from earmark.training.networks.networks import LocalCNN
from earmark.training.networks.scales import RATE_HZ, BlockKind, SampleLevelShape, network_cost, raw_extractor
from earmark.training.steps.fit import tag_loss

FILES, CLIPS, CLIP_FRAMES, TAGS = 4, 128, 1250, 50
PRODUCT_SIZE = 2048


def write_mp3(path: Path, seed: int) -> None:
    """Write 30 s of noise as an MP3 of 128 kbit/s at 44 100 Hz, so that it is decoded and resampled."""
    noise = np.random.default_rng(seed).normal(0, 0.1, (1, 30 * 44_100)).astype(np.float32)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mp3", rate=44_100)
        stream.bit_rate = 128_000
        frame = av.AudioFrame.from_ndarray(noise, format="fltp", layout="mono")
        frame.sample_rate = 44_100
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


def forever(batches: WaveformBatches) -> Iterator[tuple[Tensor, Tensor]]:
    """Epoch after epoch."""
    number = 0
    while True:
        yield from batches.epoch(number)
        number += 1


def rate(step: Callable[[], None], items: int, seconds: float, device: torch.device) -> float:
    """Repeat a step for some seconds: items a second."""
    for _ in range(2):
        step()
    started, steps = time.perf_counter(), 0
    while steps == 0 or time.perf_counter() - started < seconds:
        step()
        steps += 1
        if device.type == "cuda":
            torch.cuda.synchronize()
    return steps * items / (time.perf_counter() - started)


def best_seconds(run: Callable[[], object], times: int = 8) -> float:
    """The shortest of some runs."""
    measured = []
    for _ in range(times):
        started = time.perf_counter()
        run()
        measured.append(time.perf_counter() - started)
    return min(measured)


def tagging(network: LocalCNN, rounds: int) -> tuple[float, float]:
    """Seconds of sound a second, and the share of the core's matrix-product peak, in numpy on one thread."""
    extractor = network.extractor
    exported = LocalNetwork(extractor, local_arrays(network.eval()))
    space = exported.workspace()
    shape = (exported.batch_segments, extractor.segment_length, 1)
    segments = np.random.default_rng(0).normal(0, 0.1, shape).astype(np.float32)
    left = np.random.default_rng(1).random((PRODUCT_SIZE, PRODUCT_SIZE), dtype=np.float32)
    out = np.empty_like(left)
    peak = 2 * PRODUCT_SIZE**3 / best_seconds(lambda: np.matmul(left, left, out=out))
    seconds = best_seconds(lambda: exported(segments, space), 8 * rounds) / len(segments)
    return extractor.segment_length / RATE_HZ / seconds, 2 * network_cost(extractor).multiply_adds / seconds / peak


def waveform_batches(folder: Path, extractor: Extractor, batch: int, processes: int) -> WaveformBatches:
    """Batches of segments of files that are decoded anew every epoch."""
    files = [folder / f"{number}.mp3" for number in range(FILES)]
    for number, path in enumerate(files):
        write_mp3(path, number)
    paths = [files[clip % FILES] for clip in range(CLIPS)]
    clips = Clips.with_constant_targets(
        tuple(str(clip) for clip in range(CLIPS)),
        np.zeros(CLIPS, np.int64),
        np.full(CLIPS, CLIP_FRAMES, np.int64),
        np.zeros((CLIPS, TAGS), np.float32),
    )
    rule = SegmentRule(extractor.segment_length, extractor.segment_hop)
    sound = Waveforms(paths, clips.rows, clips.start_seconds, processes, 0)
    return WaveformBatches(sound, clips, np.arange(CLIPS, dtype=np.int64), rule, batch, shuffle=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=59_049)
    parser.add_argument("--multiplier", type=float, default=1.0)
    parser.add_argument("--top", type=int, default=256)
    parser.add_argument("--block", choices=get_args(BlockKind), default="basic")
    parser.add_argument("--batch", type=int, default=23)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--precision", default="32-true", help="32-true or bf16-mixed")
    parser.add_argument("--processes", type=int, default=2, help="processes that decode")
    parser.add_argument("--seconds", type=float, default=10.0, help="seconds a rate and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="keep the figures here")
    options = parser.parse_args()
    shape = SampleLevelShape(options.top, options.multiplier, options.block)
    extractor = raw_extractor(options.samples, tuple(str(tag) for tag in range(TAGS)), shape)
    network = LocalCNN(extractor)
    sound_rate, share = tagging(network, options.rounds)
    fabric = Fabric(accelerator=options.device, devices=1, precision=options.precision)
    wrapped, optimiser = fabric.setup(network.train(), torch.optim.SGD(network.parameters(), lr=0.01))
    loss = tag_loss("multi-label")
    resident = fabric.to_device(0.1 * torch.randn(options.batch, options.samples, 1))
    targets = fabric.to_device(torch.zeros(options.batch, TAGS))

    def step(segments: Tensor) -> None:
        value = loss(wrapped(segments), targets[: len(segments)])
        optimiser.zero_grad()
        fabric.backward(value)
        optimiser.step()

    def receive(segments: Tensor) -> None:
        fabric.to_device(segments)

    rates: dict[str, list[float]] = {"network": [], "decoding": [], "training": []}
    with tempfile.TemporaryDirectory() as folder:
        source = forever(waveform_batches(Path(folder), extractor, options.batch, options.processes))
        steps: dict[str, Callable[[], None]] = {
            "network": lambda: step(resident),
            "decoding": lambda: receive(next(source)[0]),
            "training": lambda: step(fabric.to_device(next(source)[0])),
        }
        for _ in range(options.rounds):
            for name, measured in rates.items():
                measured.append(rate(steps[name], options.batch, options.seconds, fabric.device))
    middle = {name: statistics.median(values) for name, values in rates.items()}
    print(f"commit {commit()}, {machine()}, device {fabric.device}, torch {versions()['torch']}, {options.precision}")
    print(
        f"{options.samples} samples, channels times {options.multiplier}, {options.top} at the top, {options.block}\n"
    )
    print(f"tagging, numpy, one thread: {sound_rate:.0f} seconds of sound a second, {share:.0%} of the peak")
    for name, value in middle.items():
        spread = f"{min(rates[name]):,.1f} to {max(rates[name]):,.1f}"
        print(f"{name}: {value:,.1f} segments a second ({spread}), batches of {options.batch}")
    if options.json is not None:
        document: dict[str, object] = {"commit": commit(), "machine": machine(), "versions": versions(), "rates": rates}
        document |= {"tagging_sound_seconds_a_second": sound_rate, "tagging_share_of_peak": share}
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
