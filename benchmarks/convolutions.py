"""Why the local CNNs are written as 2-D convolutions of width 1: the same training step in three forms.

    python benchmarks/convolutions.py [--batch 512] [--rounds 5]

The 27-frame network's three convolution blocks, forward and backward, as Conv1d, as Conv2d on rows (channels last), and
as one matrix product over unrolled rows. Each form runs once a round, one after the other; ratios are within a round.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

SHAPES = ((128, 128), (128, 128), (128, 256))
FRAMES, POOL = 27, 3


def as_conv1d(batch: int) -> Callable[[], Tensor]:
    """(segments, channels, time), as most code writes it."""
    layers: list[nn.Module] = []
    for inputs, outputs in SHAPES:
        layers += [nn.Conv1d(inputs, outputs, 3, padding=1), nn.BatchNorm1d(outputs), nn.ReLU(), nn.MaxPool1d(POOL)]
    network = nn.Sequential(*layers)
    segments = torch.rand(batch, 128, FRAMES)
    return lambda: network(segments).sum()


def as_conv2d(batch: int) -> Callable[[], Tensor]:
    """(segments, channels, time, 1), whose memory is rows of channels."""
    layers: list[nn.Module] = []
    for inputs, outputs in SHAPES:
        layers += [
            nn.Conv2d(inputs, outputs, (3, 1), padding=(1, 0)),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.MaxPool2d((POOL, 1)),
        ]
    network = nn.Sequential(*layers).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    rows = torch.rand(batch, FRAMES, 128)
    return lambda: network(rows.transpose(1, 2).unsqueeze(-1)).sum()


def as_product(batch: int) -> Callable[[], Tensor]:
    """One matrix product over rows with their neighbours beside them."""
    dense = [nn.Linear(3 * inputs, outputs) for inputs, outputs in SHAPES]
    norms = [nn.BatchNorm1d(outputs) for _, outputs in SHAPES]
    rows = torch.rand(batch, FRAMES, 128)

    def run() -> Tensor:
        values = rows
        for layer, norm in zip(dense, norms, strict=True):
            count, length, channels = values.shape
            padded = functional.pad(values, (0, 0, 1, 1))
            unrolled = torch.cat([padded[:, shift : shift + length] for shift in range(3)], dim=-1)
            active = norm(layer(unrolled.reshape(count * length, 3 * channels))).relu()
            values = active.reshape(count, length // POOL, POOL, -1).amax(dim=2)
        return values.sum()

    return run


def seconds_of(run: Callable[[], Tensor]) -> float:
    """Mean seconds of a forward and a backward pass."""
    started = time.perf_counter()
    for _ in range(5):
        run().backward()  # type: ignore[no-untyped-call]
    return (time.perf_counter() - started) / 5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="keep the figures here")
    options = parser.parse_args()
    forms = {"Conv1d": as_conv1d, "Conv2d": as_conv2d, "matrix product": as_product}
    runs = {name: make(options.batch) for name, make in forms.items()}
    for run in runs.values():
        seconds_of(run)
    measured: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(options.rounds):
        for name, run in runs.items():
            measured[name].append(seconds_of(run))
    print(f"{torch.get_num_threads()} threads, batch {options.batch}, torch {torch.__version__}")
    print("| form | milliseconds a step | times as fast as Conv1d, median (lowest to highest) |\n|---|---|---|")
    for name, values in measured.items():
        ratios = [base / value for base, value in zip(measured["Conv1d"], values, strict=True)]
        print(
            f"| {name} | {statistics.median(values) * 1000:.1f} "
            f"| {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |"
        )
    if options.json is not None:
        document = {"seconds_a_step": measured, "batch": options.batch, "threads": torch.get_num_threads()}
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
