"""The spectra of the sounds that each filter of a sample-level network answers most to.

This is the papers' analysis ([SMC]): gradient ascent changes a short noise until a filter answers it as strongly as it
can. Filters are put in the order of the frequency at which the spectrum of the result is highest. The first layer's
filters have two or three taps, so that their spectrum is known without that.
"""

import copy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from earmark.tagging.bundle.card import Extractor, Weights
from earmark.training.networks.blocks import (
    BatchNorm2d,
    ChannelScaling,
    ConvolutionBlock,
    ResidualBlock,
    SameConvolution,
)
from earmark.training.networks.local_cnn import LocalCNN

SHORTEST_NOISE = 700
"""The least length of the noise: the next one that strides and pools tile is 729 samples, as in the paper, or 1024."""
ASCENT_STEPS = 16
STEP = 0.35
"""The length of a step, as a share of the noise's own level."""
SMOOTH_BINS = 9
"""Choice: power is averaged over so many bins, 270 Hz, since what is left of the noise has single peaks."""
LEVEL = 0.1
"""Choice: the noise keeps this root mean square, about that of music; in the paper it may grow."""


@dataclass(frozen=True)
class FilterSpectra:
    """The filters of one layer, in order of their centre frequencies.

    Attributes:
        silent: how many more filters the layer has, which answer nothing at all to the noise.
        magnitudes: (filters, bins) float32, each filter's highest 1.
        centres_hz: (filters,) where each is highest, ascending.
        frequencies_hz: (bins,) float64.
    """

    level: int
    silent: int
    magnitudes: npt.NDArray[np.float32]
    centres_hz: npt.NDArray[np.float64]
    frequencies_hz: npt.NDArray[np.float64]


def filter_spectra(extractor: Extractor, weights: Weights, seed: int = 0) -> tuple[FilterSpectra, ...]:
    """Compute the spectra of every layer that a short noise reaches: six layers of 3s, ten of 2s."""
    network = network_of(extractor, weights)
    samples, layers = _noise_length(extractor)
    deeper = (
        _ordered(level, *_answered_most(network, level, samples, seed), extractor.rate_hz)
        for level in range(2, layers + 1)
    )
    return (first_layer_spectra(extractor, weights), *deeper)


def first_layer_spectra(extractor: Extractor, weights: Weights, bins: int = 365) -> FilterSpectra:
    """Compute the spectra of the first layer's taps themselves."""
    taps = np.asarray(weights[f"extractor.{extractor.name}.convolution.1.weight"][:, 0], np.float64)
    spectra = np.abs(np.fft.rfft(taps, 2 * (bins - 1), axis=1))
    return _ordered(1, spectra, np.ones(len(spectra), np.bool_), extractor.rate_hz)


def network_of(extractor: Extractor, weights: Weights) -> LocalCNN:
    """Load a bundle's network into torch again, in evaluation; its batch norms, folded away, do nothing."""
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
    """Return the length of the noise, and how many layers then have at least one output of it."""
    length = 1
    for layer, shape in enumerate(extractor.convolutions, start=1):
        length *= shape.stride * shape.pool_length
        if length >= SHORTEST_NOISE:
            return length, layer
    return length, len(extractor.convolutions)


def _answered_most(
    network: LocalCNN, level: int, samples: int, seed: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Compute the spectra (filters, bins) of the sounds that each filter answers most to, and which answer."""
    filters = network.extractor.convolutions[level - 1].channels
    # The pool is left out, since it would let a filter be silent at other places.
    last = copy.deepcopy(network.blocks[level - 1])
    last.pool = torch.nn.Identity()
    blocks = [*network.blocks[: level - 1], last]
    noise = torch.randn(1, samples, 1, generator=torch.Generator().manual_seed(seed)).repeat(filters, 1, 1)
    sound = (LEVEL * noise / noise.square().mean().sqrt()).requires_grad_()
    for _ in range(ASCENT_STEPS):
        rows = sound.transpose(1, 2).unsqueeze(-1)
        for block in blocks:
            rows = block(rows)
        # Each item of the batch belongs to one filter; its answer is a mean over time.
        answers = rows[:, :, :, 0].mean(dim=2).diagonal()
        (gradient,) = torch.autograd.grad(answers.sum(), sound)
        with torch.no_grad():
            # A filter that does not answer to the noise has no gradient: it keeps the noise, and counts as silent.
            direction = gradient / gradient.square().mean(dim=1, keepdim=True).sqrt().clamp(min=1e-12)
            sound += STEP * LEVEL * direction
            sound *= LEVEL / sound.square().mean(dim=1, keepdim=True).sqrt()
    heard = sound.detach()[:, :, 0].double().numpy() * np.hanning(samples)
    power = np.square(np.abs(np.fft.rfft(heard, axis=1)))
    kernel = np.ones(SMOOTH_BINS)
    counts = np.convolve(np.ones(power.shape[1]), kernel, mode="same")
    smooth = np.stack([np.convolve(row, kernel, mode="same") / counts for row in power])
    return np.sqrt(smooth), answers.detach().numpy() > 0


def _ordered(
    level: int, magnitudes: npt.NDArray[np.float64], answering: npt.NDArray[np.bool_], rate_hz: int
) -> FilterSpectra:
    silent = len(answering) - int(answering.sum())
    magnitudes = magnitudes[answering]
    frequencies = np.linspace(0.0, rate_hz / 2, magnitudes.shape[1])
    centres = frequencies[magnitudes.argmax(axis=1)]
    order = np.argsort(centres, kind="stable")
    scaled = magnitudes / np.maximum(magnitudes.max(axis=1, keepdims=True), 1e-30)
    return FilterSpectra(level, silent, scaled[order].astype(np.float32), centres[order], frequencies)
