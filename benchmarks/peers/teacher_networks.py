"""The networks of nine published taggers in torch, in the names of their authors' weights.

All take a log-mel spectrogram, (windows, 1, bands, frames), and give the vector that the last layer reads, (windows,
units). Sizes and orders are those of the published weights.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights

FFT_SAMPLES, HOP_SAMPLES, BANDS = 512, 256, 96
BATCH_NORM_EPSILON = 1e-5
FRONT_END_NAMES = {"spec.mel_scale.fb": "filters", "spec.spectrogram.window": "window"}
FULL_POOLS = ((2, 4), (2, 4), (2, 4), (3, 5), (4, 4))
RECURRENT_POOLS = ((2, 2), (3, 3), (4, 4), (4, 4))


class Tagger(nn.Module):
    """A front end, a network, and the layer that scores tags."""

    def __init__(self, network: nn.Module, units: int, tags: int) -> None:
        super().__init__()
        self.front_end, self.network, self.scores = FrontEnd(), network, nn.Linear(units, tags)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take the authors' weights; RuntimeError where some are missing, of other shapes, or left over."""
        own = {}
        for name, tensor in folded(weights).items():
            front_end, scores = name.startswith("spec"), name.startswith(("dense.", "dense2."))
            part = "front_end" if front_end else "scores" if scores else "network"
            own[f"{part}.{FRONT_END_NAMES.get(name, name.partition('.')[2] if scores else name)}"] = tensor
        self.load_state_dict(own)

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """Score (windows, samples) in -1..1: (windows, tags) in 0..1, and the last hidden layer, (windows, units)."""
        hidden = self.network(self.front_end(samples))
        return self.scores(hidden).sigmoid(), hidden


def folded(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights with every batch norm that follows a convolution taken into it: a network that only hears needs none.

    Monotone activations may then follow the maximum, which leaves less to pass over.
    """
    rest = {name: tensor for name, tensor in weights.items() if not name.endswith("num_batches_tracked")}
    for name in [name.removesuffix(".conv.weight") for name in rest if name.endswith(".conv.weight")]:
        values = [rest.pop(f"{name}.bn.{part}") for part in ("running_mean", "running_var", "weight", "bias")]
        mean, variance, scale, shift = values
        convolution = rest[f"{name}.conv.weight"], rest[f"{name}.conv.bias"]
        fused = fuse_conv_bn_weights(*convolution, mean, variance, BATCH_NORM_EPSILON, scale, shift)
        rest[f"{name}.conv.weight"], rest[f"{name}.conv.bias"] = (each.detach() for each in fused)
    return rest


class FrontEnd(nn.Module):
    """Log-mel spectrogram in decibels, under one batch norm: (windows, samples) to (windows, 1, bands, frames)."""

    window: Tensor
    filters: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.zeros(FFT_SAMPLES))
        self.register_buffer("filters", torch.zeros(FFT_SAMPLES // 2 + 1, BANDS))
        self.spec_bn = nn.BatchNorm2d(1, eps=BATCH_NORM_EPSILON)

    def forward(self, samples: Tensor) -> Tensor:
        """Return the spectrogram."""
        spectrum = torch.stft(
            samples, FFT_SAMPLES, HOP_SAMPLES, window=self.window, pad_mode="reflect", return_complex=True
        )
        power = spectrum.real.square() + spectrum.imag.square()
        mel = (power.transpose(1, 2) @ self.filters).transpose(1, 2)
        normalised: Tensor = self.spec_bn(10 * mel.clamp(min=1e-10).log10().unsqueeze(1))
        return normalised


class Convolution(nn.Module):
    """A 3 x 3 convolution, a maximum over `pool` (bands, frames), an activation."""

    def __init__(self, channels: int, filters: int, pool: tuple[int, int], activation: nn.Module) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, filters, 3, padding=1)
        self.activation, self.pool = activation, pool

    def forward(self, rows: Tensor) -> Tensor:
        """Return (windows, filters, bands / pool, frames / pool)."""
        pooled: Tensor = self.activation(functional.max_pool2d(self.conv(rows), self.pool))
        return pooled


class FullyConvolutional(nn.Module):
    """Five convolutions that leave one place (FCN): 64 units."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        widths = (1, 64, 128, 128, 128, 64)
        for number, pool in enumerate(FULL_POOLS, start=1):
            self.add_module(f"layer{number}", Convolution(widths[number - 1], widths[number], pool, activation))

    def forward(self, rows: Tensor) -> Tensor:
        """Return (windows, units)."""
        for layer in self.children():
            rows = layer(rows)
        return rows.flatten(1)


class ConvolutionalRecurrent(nn.Module):
    """Four convolutions that leave one band, and two recurrent layers over time (CRNN): 32 units."""

    def __init__(self) -> None:
        super().__init__()
        widths = (1, 64, 128, 128, 128)
        for number, pool in enumerate(RECURRENT_POOLS, start=1):
            self.add_module(f"layer{number}", Convolution(widths[number - 1], widths[number], pool, nn.ReLU()))
        self.layer5 = nn.GRU(widths[-1], 32, 2, batch_first=True)

    def forward(self, rows: Tensor) -> Tensor:
        """Return (windows, units)."""
        *convolutions, recurrent = self.children()
        for layer in convolutions:
            rows = layer(rows)
        steps, _ = recurrent(rows.squeeze(2).transpose(1, 2))
        last: Tensor = steps[:, -1]
        return last


class Vertical(nn.Module):
    """Filters over most bands and seven frames, and their maximum over bands: (windows, filters, frames)."""

    def __init__(self, bands: int, filters: int = 204, frames: int = 7) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, filters, (bands, frames), padding=(0, frames // 2))

    def forward(self, rows: Tensor) -> Tensor:
        """Return the maximum over bands."""
        return functional.relu(self.conv(rows).amax(dim=2))


class Horizontal(nn.Module):
    """Long filters over time on the mean over bands: (windows, filters, frames)."""

    def __init__(self, frames: int, filters: int = 51) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, filters, frames, padding=frames // 2)

    def forward(self, rows: Tensor) -> Tensor:
        """Return the filtered mean."""
        return functional.relu(self.conv(rows.mean(dim=2)))


class Middle(nn.Module):
    """A convolution over seven frames of all channels, and ReLU: (windows, filters, frames)."""

    def __init__(self, channels: int, filters: int = 64, frames: int = 7) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, filters, frames, padding=frames // 2)

    def forward(self, rows: Tensor) -> Tensor:
        """Return the filtered rows."""
        return functional.relu(self.conv(rows))


class Musicnn(nn.Module):
    """Musically shaped filters, three layers with shortcuts, maximum and mean over time: 200 units."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Vertical(67), Vertical(38), Horizontal(129), Horizontal(65), Horizontal(33)])
        self.layer1, self.layer2, self.layer3 = Middle(561), Middle(64), Middle(64)
        self.dense1, self.bn = nn.Linear(1506, 200), nn.BatchNorm1d(200, eps=BATCH_NORM_EPSILON)

    def forward(self, rows: Tensor) -> Tensor:
        """Return (windows, units)."""
        front = torch.cat([layer(rows) for layer in self.layers], dim=1)
        first = self.layer1(front)
        second = self.layer2(first) + first
        third = self.layer3(second) + second
        everything = torch.cat([front, first, second, third], dim=1)
        pooled = torch.cat([everything.amax(dim=2), everything.mean(dim=2)], dim=1)
        return functional.relu(self.bn(self.dense1(pooled)))
