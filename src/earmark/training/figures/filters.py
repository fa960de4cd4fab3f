"""Draw the filters of sample-level networks by frequency, as the papers do ([SMC]).

Gradient ascent changes a short noise until the response of a filter is as large as possible. The spectrum of the
resulting sound characterises the filter, and the frequency of its maximum orders the filters of a layer. The filters of
the first layer have two or three taps, so their spectra are computed from the taps.
"""

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from earmark.errors import TrainingError
from earmark.plots import style
from earmark.tagging.bundle.bundle import read_bundle
from earmark.tagging.bundle.card import Extractor, Weights
from earmark.training.figures.measured import MeasuredRun
from earmark.training.networks.blocks import (
    BatchNorm2d,
    ChannelScaling,
    ConvolutionBlock,
    ResidualBlock,
    SameConvolution,
)
from earmark.training.networks.networks import LocalCNN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage


_LAYERS_SHOWN = 6
_COLUMNS = 3
_FLOOR_DECIBELS = -40.0


def draw_filters(run: MeasuredRun, scale: int) -> "Figure":
    """Draw the spectra of the filters of a raw scale, a panel for each layer.

    The network is that of the model that `earmark train` wrote for the run.

    Raises:
        TrainingError: the run has no model, or a model without that scale.
        BundleError: the model is damaged.
    """
    folder = run.folder / "model"
    if not folder.is_dir():
        raise TrainingError(
            f"the run has no model in {folder}, whose filters could be drawn. Train it: earmark train, with the recipe "
            f"of {run.recipe.name}."
        )
    bundle = read_bundle(folder)
    extractors = [extractor for extractor in bundle.card.extractors if extractor.name == str(scale)]
    if not extractors:
        names = ", ".join(extractor.name for extractor in bundle.card.extractors)
        raise TrainingError(f"the model in {folder} has the scales {names}, not {scale}. Train the recipe again.")
    spectra = filter_spectra(extractors[0], bundle.weights)[:_LAYERS_SHOWN]
    layers = [layer for layer in spectra if len(layer.magnitudes)]
    lines = -(-len(layers) // _COLUMNS)
    figure = style.new_figure(
        style.PAGE_INCHES,
        0.25 + 1.75 * lines,
        "L1: spectra of the taps. Other layers: smoothed spectra of a noise after gradient ascent on the response of a "
        "filter; filters without a response are left out. Each column is a filter, ordered by the frequency of its "
        "maximum (line); decibels below the maximum."
        f"\n{run.footer}",
    )
    panels = figure.subplots(lines, _COLUMNS, squeeze=False).ravel()
    for panel, layer in zip(panels, layers, strict=False):
        image = _draw_layer(panel, layer)
    for panel in panels[len(layers) :]:
        panel.set_axis_off()
    bar = figure.colorbar(image, ax=list(panels), fraction=0.02, pad=0.01)
    bar.set_label("decibels")
    bar.outline.set_visible(False)
    figure.suptitle(
        f"Filters by centre frequency, {scale} samples",
        x=0.01,
        ha="left",
        fontsize=style.TEXT_POINTS,
        fontweight="bold",
    )
    return figure


def _draw_layer(axes: "Axes", layer: "FilterSpectra") -> "AxesImage":
    """Draw the spectra of one layer as an image: filters from left to right, frequency from bottom to top."""
    decibels = 20.0 * np.log10(np.maximum(layer.magnitudes, 10.0 ** (_FLOOR_DECIBELS / 20.0)))
    count = len(layer.magnitudes)
    image = axes.imshow(
        decibels.T,
        origin="lower",
        aspect="auto",
        cmap="cividis",
        vmin=_FLOOR_DECIBELS,
        vmax=0.0,
        interpolation="nearest",
        extent=(0.5, count + 0.5, 0.0, layer.frequencies_hz[-1] / 1000.0),
    )
    axes.plot(np.arange(1, count + 1), layer.centres_hz / 1000.0, color=style.VERMILION, linewidth=0.8)
    axes.set_title(f"L{layer.level}" + (f", {layer.silent} of {count + layer.silent} silent" if layer.silent else ""))
    axes.set_xlabel("filter")
    axes.set_ylabel("kHz")
    return image


SHORTEST_NOISE = 700
"""The shortest noise in samples; the next length that strides and pools divide is 729, as in the paper, or 1024."""
ASCENT_STEPS = 16
STEP = 0.35
"""The length of an ascent step, as a share of the level of the noise."""
SMOOTH_BINS = 9
"""Choice: power is averaged over 9 bins (270 Hz), because the remaining noise has narrow peaks."""
LEVEL = 0.1
"""Choice: the sound keeps this root mean square, about that of music; in the paper it may grow."""


@dataclass(frozen=True)
class FilterSpectra:
    """The spectra of the filters of one layer, ordered by centre frequency.

    Attributes:
        level: the number of the layer, from 1.
        silent: the number of further filters whose response to the noise is zero.
        magnitudes: (filters, bins) float32, scaled so that the maximum of each filter is 1.
        centres_hz: (filters,) float64, the frequency of each maximum, ascending.
        frequencies_hz: (bins,) float64, the frequency of each bin.
    """

    level: int
    silent: int
    magnitudes: npt.NDArray[np.float32]
    centres_hz: npt.NDArray[np.float64]
    frequencies_hz: npt.NDArray[np.float64]


def filter_spectra(extractor: Extractor, weights: Weights, seed: int = 0) -> tuple[FilterSpectra, ...]:
    """Compute the spectra of the first layers: as many as a noise of `SHORTEST_NOISE` samples can pass through."""
    network = network_of(extractor, weights)
    samples, layers = _noise_length(extractor)
    deeper = (
        _ordered(level, *_spectra_of_largest_responses(network, level, samples, seed), extractor.rate_hz)
        for level in range(2, layers + 1)
    )
    return (first_layer_spectra(extractor, weights), *deeper)


def first_layer_spectra(extractor: Extractor, weights: Weights, bins: int = 365) -> FilterSpectra:
    """Compute the spectra of the taps of the first layer."""
    taps = np.asarray(weights[f"extractor.{extractor.name}.convolution.1.weight"][:, 0], np.float64)
    spectra = np.abs(np.fft.rfft(taps, 2 * (bins - 1), axis=1))
    return _ordered(1, spectra, np.ones(len(spectra), np.bool_), extractor.rate_hz)


def network_of(extractor: Extractor, weights: Weights) -> LocalCNN:
    """Load the network of a bundle into torch, in evaluation mode; its batch norms are the identity."""
    network = LocalCNN(extractor, 0.0).eval()
    prefix = f"extractor.{extractor.name}"
    with torch.no_grad():
        for number, block in enumerate(network.blocks, start=1):
            if isinstance(block, ConvolutionBlock | ResidualBlock):
                _fill(block, weights, f"{prefix}.convolution.{number}")
        if extractor.output_tags and not extractor.hidden_units:
            network.output.weight.copy_(_tensor(weights, f"{prefix}.output.weight"))
            network.output.bias.copy_(_tensor(weights, f"{prefix}.output.bias"))
    return network


def _fill(block: ConvolutionBlock | ResidualBlock, weights: Weights, name: str) -> None:
    pairs: list[tuple[str, SameConvolution, BatchNorm2d]] = [(name, block.convolution, block.norm)]
    if isinstance(block, ResidualBlock):
        for part, module in (("second", block.second), ("shortcut", block.shortcut)):
            if module is not None:
                pairs.append((f"{name}.{part}", module.convolution, module.norm))
    for place, convolution, norm in pairs:
        convolution.weight.copy_(_tensor(weights, f"{place}.weight").unsqueeze(-1))
        if convolution.bias is not None:
            convolution.bias.copy_(_tensor(weights, f"{place}.bias"))
        norm.eps = 0.0
    if isinstance(block.scaling, ChannelScaling):
        for part, layer in (("squeeze", block.scaling.squeeze), ("excite", block.scaling.excite)):
            layer.weight.copy_(_tensor(weights, f"{name}.{part}.weight"))
            layer.bias.copy_(_tensor(weights, f"{name}.{part}.bias"))


def _tensor(weights: Weights, name: str) -> torch.Tensor:
    return torch.from_numpy(np.array(weights[name]))


def _noise_length(extractor: Extractor) -> tuple[int, int]:
    """Return the length of the noise in samples, and the number of layers that have at least one output for it."""
    length = 1
    for layer, shape in enumerate(extractor.convolutions, start=1):
        length *= shape.stride * shape.pool_length
        if length >= SHORTEST_NOISE:
            return length, layer
    return length, len(extractor.convolutions)


def _spectra_of_largest_responses(
    network: LocalCNN, level: int, samples: int, seed: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return the spectra of the sounds with the largest responses, (filters, bins), and which filters respond."""
    filters = network.extractor.convolutions[level - 1].channels
    # The pool is left out, because it would hide where a filter does not respond.
    last = copy.deepcopy(network.blocks[level - 1])
    last.pool = torch.nn.Identity()
    blocks = [*network.blocks[: level - 1], last]
    noise = torch.randn(1, samples, 1, generator=torch.Generator().manual_seed(seed)).repeat(filters, 1, 1)
    sound = (LEVEL * noise / noise.square().mean().sqrt()).requires_grad_()
    for _ in range(ASCENT_STEPS):
        rows = sound.transpose(1, 2).unsqueeze(-1)
        for block in blocks:
            rows = block(rows)
        # Each item of the batch belongs to one filter, whose response is a mean over time.
        responses = rows[:, :, :, 0].mean(dim=2).diagonal()
        (gradient,) = torch.autograd.grad(responses.sum(), sound)
        with torch.no_grad():
            # A filter without a response to the noise has no gradient, so it keeps the noise and counts as silent.
            direction = gradient / gradient.square().mean(dim=1, keepdim=True).sqrt().clamp(min=1e-12)
            sound += STEP * LEVEL * direction
            sound *= LEVEL / sound.square().mean(dim=1, keepdim=True).sqrt()
    windowed = sound.detach()[:, :, 0].double().numpy() * np.hanning(samples)
    power = np.square(np.abs(np.fft.rfft(windowed, axis=1)))
    kernel = np.ones(SMOOTH_BINS)
    counts = np.convolve(np.ones(power.shape[1]), kernel, mode="same")
    smooth = np.stack([np.convolve(row, kernel, mode="same") / counts for row in power])
    return np.sqrt(smooth), responses.detach().numpy() > 0


def _ordered(
    level: int, magnitudes: npt.NDArray[np.float64], responding: npt.NDArray[np.bool_], rate_hz: int
) -> FilterSpectra:
    silent = len(responding) - int(responding.sum())
    magnitudes = magnitudes[responding]
    frequencies = np.linspace(0.0, rate_hz / 2, magnitudes.shape[1])
    centres = frequencies[magnitudes.argmax(axis=1)]
    order = np.argsort(centres, kind="stable")
    scaled = magnitudes / np.maximum(magnitudes.max(axis=1, keepdims=True), 1e-30)
    return FilterSpectra(level, silent, scaled[order].astype(np.float32), centres[order], frequencies)
