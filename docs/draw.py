"""Draw the pictures that explain levels and scales: `python docs/draw.py` (extra: train).

All of them show what the bundled model does with one track that earmark renders; nothing in them is drawn by hand but
boxes and arrows.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from earmark.audio.decode import decode
from earmark.audio.logmel import LogMelSettings, log_mel, mel_from_hz
from earmark.plots import style
from earmark.tagging.bundle.bundle import Bundle, models, read_bundled
from earmark.tagging.bundle.card import Extractor
from earmark.training.datasets.rendered import load

FIGURES = Path(__file__).resolve().parent / "figures"
SEED, TRACK = 3, 7
SECONDS = 5.0
START_SECONDS = 2.0
FRAME_SECONDS = 512 / 22_050
HIGHEST_HZ = 11_025.0
GAP_SECONDS = 0.025
"""Between segments as they are drawn; in the sound there is none."""
SCALE = "27"

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Example:
    """A model and a stretch of a track: `frames` (frames, mel_bands)."""

    bundle: Bundle
    frames: Array

    @property
    def footer(self) -> str:
        """What the figures were drawn from."""
        card = self.bundle.card
        return (
            f"A track that earmark renders (dataset rendered, seed {SEED}, track {TRACK}), {SECONDS:g} seconds of it; "
            f"model {card.name}, head {card.head.hash[:12]}. python docs/draw.py"
        )

    def extractor(self, name: str) -> Extractor:
        """The network of one scale."""
        return next(each for each in self.bundle.card.extractors if each.name == name)

    def levels(self, name: str, frames: Array) -> list[Array]:
        """What every level of a scale answers to a segment, before its pool: (rows, channels), at least 0."""
        extractor = self.extractor(name)
        rows: Array = (frames - np.float32(extractor.input_mean)) / np.float32(extractor.input_deviation)
        found = []
        for number, convolution in enumerate(extractor.convolutions, start=1):
            place = f"extractor.{name}.convolution.{number}"
            answers = answered(rows, self.bundle.weights[f"{place}.weight"], self.bundle.weights[f"{place}.bias"])
            found.append(answers)
            kept = len(answers) // convolution.pool_length * convolution.pool_length
            rows = answers[:kept].reshape(-1, convolution.pool_length, answers.shape[1]).max(axis=1)
        return found


def answered(rows: Array, weight: Array, bias: Array) -> Array:
    """A convolution and its ReLU: rows (rows, columns), weight (channels, columns, length) to (rows, channels)."""
    length = weight.shape[2]
    before = (length - 1) // 2
    padded = np.pad(rows, ((before, length - 1 - before), (0, 0)))
    windows = sliding_window_view(padded, length, axis=0)
    products: Array = np.einsum("tcl,ocl->to", windows, weight, optimize=True) + bias
    return np.maximum(products, 0)


def example() -> Example:
    """Render the track and read the model."""
    with tempfile.TemporaryDirectory() as folder:
        dataset = load(Path(folder) / "rendered", tracks=TRACK + 1, seed=SEED, seconds=10.0)
        with decode(dataset.tracks[TRACK].path) as sound:
            samples = np.concatenate(list(sound))
    first = round(START_SECONDS / FRAME_SECONDS)
    bundle = read_bundled(models()[0])
    settings = bundle.card.extractors[0].log_mel or LogMelSettings()
    frames = log_mel(samples, settings)[first : first + round(SECONDS / FRAME_SECONDS)]
    return Example(bundle, frames)


def draw_scales(shown: Example, path: Path) -> None:
    """The sound as a picture, and how each scale cuts it."""
    with style.house():
        figure = style.new_figure(style.PAGE_INCHES, 3.1, shown.footer)
        picture, cuts = figure.subplots(2, 1, height_ratios=(3, 1.3), sharex=True)
        _spectrogram(picture, shown.frames)
        picture.set_title("A sound as a picture: time from left to right, pitch from low to high, brighter is louder")
        marks = style.ordered_marks(len(shown.bundle.card.extractors))
        for row, (extractor, mark) in enumerate(zip(shown.bundle.card.extractors, marks, strict=True)):
            length = extractor.segment_length * FRAME_SECONDS
            for number in range(int(SECONDS // length)):
                cuts.barh(row, length - GAP_SECONDS, left=number * length, height=0.66, color=mark.colour)
        names = [
            f"{each.name} frames, {each.segment_length * FRAME_SECONDS:.2f} s" for each in shown.bundle.card.extractors
        ]
        cuts.set_yticks(range(len(names)), names)
        cuts.invert_yaxis()
        cuts.tick_params(axis="y", length=0)
        cuts.set_xlim(0, SECONDS)
        cuts.set_xlabel("seconds")
        cuts.set_title("Three scales: the same sound in segments of three lengths")
        style.save_figure(figure, path)


def draw_filter(shown: Example, path: Path) -> None:
    """One stencil of the first level, and what it answers along the sound."""
    weight = shown.bundle.weights[f"extractor.{SCALE}.convolution.1.weight"]
    extractor = shown.extractor(SCALE)
    rows = (shown.frames - np.float32(extractor.input_mean)) / np.float32(extractor.input_deviation)
    answers = answered(rows, weight, shown.bundle.weights[f"extractor.{SCALE}.convolution.1.bias"])
    peaks = np.quantile(answers, 0.98, axis=0) - np.quantile(answers, 0.5, axis=0)
    steady = np.abs(weight.sum(axis=(1, 2)))
    onset = int(np.argmax(peaks * (weight[:, :, 2] - weight[:, :, 0]).clip(0).sum(axis=1)))
    tone = int(np.argmax(answers.std(axis=0) * (steady > np.median(steady)) * (np.arange(answers.shape[1]) != onset)))
    with style.house():
        figure = style.new_figure(style.PAGE_INCHES, 3.6, shown.footer)
        grid = figure.add_gridspec(3, 2, width_ratios=(1, 9), height_ratios=(2.2, 1, 1))
        picture = figure.add_subplot(grid[0, 1])
        _spectrogram(picture, shown.frames)
        picture.set_title("The sound")
        picture.tick_params(labelbottom=False)
        for row, channel in enumerate((onset, tone), start=1):
            stencil = figure.add_subplot(grid[row, 0])
            most = float(np.abs(weight[channel]).max())
            stencil.imshow(weight[channel], aspect="auto", origin="lower", cmap="RdBu_r", vmin=-most, vmax=most)
            stencil.set_xticks([])
            stencil.set_yticks([])
            stencil.set_title("one stencil" if row == 1 else "another")
            curve = figure.add_subplot(grid[row, 1], sharex=picture)
            seconds = np.arange(len(answers)) * FRAME_SECONDS
            curve.fill_between(seconds, answers[:, channel], color=style.BLUE, linewidth=0)
            curve.set_ylim(0)
            curve.set_yticks([])
            curve.set_xlim(0, SECONDS)
            curve.set_title("its answer along the sound")
            if row == 1:
                curve.tick_params(labelbottom=False)
            else:
                curve.set_xlabel("seconds")
        style.save_figure(figure, path)


def draw_levels(shown: Example, path: Path) -> None:
    """One segment on its way through the levels of its network, to the numbers that are kept of it."""
    extractor = shown.extractor(SCALE)
    segments = [
        shown.frames[start : start + extractor.segment_length]
        for start in range(0, len(shown.frames) - extractor.segment_length + 1, extractor.segment_hop)
    ]
    segment = max(segments, key=lambda each: float(each.std()))
    levels = shown.levels(SCALE, segment)
    with style.house():
        figure = style.new_figure(style.PAGE_INCHES, 3.3, shown.footer)
        axes = figure.subplots(1, 2 * len(levels) + 1, width_ratios=(3, *([3, 0.7] * len(levels))))
        _spectrogram(axes[0], segment, labels=False)
        axes[0].set_title(f"a segment\n{len(segment)} frames")
        axes[0].set_ylabel("pitch, 128 bands")
        for number, answers in enumerate(levels, start=1):
            order = np.argsort(-answers.max(axis=0), kind="stable")[:64]
            most = float(answers.max())
            heat, kept = axes[2 * number - 1], axes[2 * number]
            heat.imshow(answers[:, order].T, aspect="auto", cmap="cividis", vmin=0, vmax=most, interpolation="nearest")
            heat.set_title(f"level {number}\n{answers.shape[1]} stencils, {len(answers)} steps")
            kept.imshow(answers[:, order].max(axis=0)[:, np.newaxis], aspect="auto", cmap="cividis", vmin=0, vmax=most)
            kept.set_title("most")
            for each in (heat, kept):
                each.set_xticks([])
                each.set_yticks([])
        axes[1].set_ylabel("the 64 stencils that answer most")
        for each in (axes[0], *axes[1::2]):
            each.set_xlabel(f"{len(segment) * FRAME_SECONDS:.2f} s")
        style.save_figure(figure, path)


def draw_vector(shown: Example, path: Path) -> None:
    """What the highest level of each scale keeps of every segment, and the mean of that: parts of the vector."""
    extractors = shown.bundle.card.extractors
    with style.house():
        figure = style.new_figure(style.PAGE_INCHES, 3.8, shown.footer)
        grid = figure.subplots(len(extractors), 2, width_ratios=(7, 1))
        for extractor, (heat, mean) in zip(extractors, grid, strict=True):
            length = extractor.segment_length
            starts = range(0, len(shown.frames) - length + 1, extractor.segment_hop)
            kept = np.array([shown.levels(extractor.name, shown.frames[at : at + length])[-1].max(0) for at in starts])
            order = np.argsort(-kept.mean(axis=0), kind="stable")[:32]
            most = float(np.quantile(kept, 0.999))
            extent = (0.0, len(kept) * length * FRAME_SECONDS, 0.0, 1.0)
            look = {"aspect": "auto", "cmap": "cividis", "vmin": 0, "vmax": most, "interpolation": "nearest"}
            heat.imshow(kept[:, order].T, extent=extent, **look)
            mean.imshow(kept[:, order].mean(axis=0)[:, np.newaxis], **look)
            heat.set_xlim(0, SECONDS)
            for number in range(1, len(kept)):
                heat.axvline(number * length * FRAME_SECONDS, color="white", linewidth=1)
            heat.set_ylabel(f"{extractor.name} frames,\nlevel {len(extractor.convolutions)}")
            for each in (heat, mean):
                each.set_xticks([])
                each.set_yticks([])
        grid[0][0].set_title("what is kept of every segment: the most that each stencil answered (32 of 256 shown)")
        grid[0][1].set_title("the mean")
        grid[-1][0].set_xticks(range(int(SECONDS) + 1))
        grid[-1][0].set_xlabel("seconds")
        style.save_figure(figure, path)


def _spectrogram(axes: Any, frames: Array, *, labels: bool = True) -> None:
    extent = (0.0, len(frames) * FRAME_SECONDS, 0.0, float(frames.shape[1]))
    axes.imshow(frames.T, aspect="auto", origin="lower", cmap="magma", extent=extent, interpolation="nearest")
    if labels:
        shown_hz = (200, 1000, 4000)
        bands = mel_from_hz(shown_hz) / float(mel_from_hz(HIGHEST_HZ)) * (frames.shape[1] + 1) - 0.5
        axes.set_yticks(bands.tolist(), [f"{hz} Hz" for hz in shown_hz])
    else:
        axes.set_xticks([])
        axes.set_yticks([])


def main() -> None:
    """Draw all of them into docs/figures."""
    shown = example()
    for name, draw in (
        ("explained-1-scales", draw_scales),
        ("explained-2-stencils", draw_filter),
        ("explained-3-levels", draw_levels),
        ("explained-4-vector", draw_vector),
    ):
        path = FIGURES / f"{name}.png"
        draw(shown, path)
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
