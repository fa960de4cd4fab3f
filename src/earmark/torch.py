"""Provide a bundled model as a torch module that takes waveforms (extra `train`)."""

import dataclasses
import math

import numpy as np
import torch
from torch import Tensor, nn

from earmark.audio.logmel import LEAST, LEVEL, LogMelSettings, mel_filters
from earmark.errors import TagError
from earmark.tagging.bundle.bundle import Bundle, seal
from earmark.tagging.bundle.card import Extractor
from earmark.tagging.tagger import Tagger
from earmark.training.networks.blocks import ChannelScaling, ConvolutionBlock, DenseBlock, ResidualBlock
from earmark.training.networks.networks import GlobalClassifier, LocalCNN

BLOCK_FRAMES = 256
"""How many frames of the running level one matrix product computes."""


class TorchTagger(nn.Module):
    """A model as a torch module: from waveforms to logits, on any device, with gradients.

    Its numbers are those of the tagger to 1e-4. Batch norms are folded into the weights, as in the bundle, so that
    training and evaluation differ by dropout alone.
    """

    def __init__(self, tagger: Tagger, dropout: float = 0.0) -> None:
        """Copy the weights of a tagger.

        dropout: the share of units left out in training mode, 0 to 1.

        Raises TagError for a model whose levels are means over a segment.
        """
        super().__init__()
        self._bundle = tagger.bundle
        card = tagger.card
        for extractor in card.extractors:
            if extractor.segment_statistic != "max":
                raise TagError(
                    f"TorchTagger: found levels that are the {extractor.segment_statistic} over a segment in "
                    f"{extractor.name!r}, expected the maximum. Choose another model."
                )
        settings = dict.fromkeys(each.log_mel for each in card.extractors if each.log_mel is not None)
        self._front_end_of = {each: number for number, each in enumerate(settings)}
        self.front_ends = nn.ModuleList(LogMelFrames(each) for each in settings)
        self.networks = nn.ModuleList(LocalCNN(each, dropout) for each in card.extractors)
        self.classifier = GlobalClassifier(card.vector_width, len(card.tags), card.head.hidden_units, dropout)
        for module in list(self.modules()):
            if hasattr(module, "norm"):
                module.norm = nn.Identity()
        with torch.no_grad():
            for name, tensor in self._bundled().items():
                tensor.copy_(torch.tensor(self._bundle.weights[name]).reshape(tensor.shape))
        self.eval()

    @property
    def _local(self) -> list[LocalCNN]:
        return [network for network in self.networks if isinstance(network, LocalCNN)]

    @property
    def rate_hz(self) -> int:
        """The rate of the waveforms, in samples a second."""
        return self._bundle.card.rate_hz

    @property
    def labels(self) -> tuple[str, ...]:
        """The tags' labels, in the order of the logits."""
        return self._bundle.card.labels

    def embed(self, waveforms: Tensor) -> Tensor:
        """Return the track vectors of sounds of equal length.

        waveforms: (sounds, samples) floating point, mono, at `rate_hz`, nominally -1 to 1, at least 1 sample. Returns
        (sounds, columns). All segments are computed at once, so cut long sounds.

        Raises TagError for another shape.
        """
        if waveforms.ndim != 2 or not waveforms.shape[1]:
            raise TagError(
                f"TorchTagger: found waveforms of the shape {tuple(waveforms.shape)}, expected (sounds, samples)."
            )
        frames = [front_end(waveforms) for front_end in self.front_ends]
        parts = []
        for network in self._local:
            settings = network.extractor.log_mel
            rows = waveforms.unsqueeze(2) if settings is None else frames[self._front_end_of[settings]]
            parts.append(_track_vector(network, rows))
        return torch.cat(parts, dim=1)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Return the logits of sounds of equal length: (sounds, samples), as for `embed`, to (sounds, tags)."""
        logits: Tensor = self.classifier(self.embed(waveforms))
        return logits

    def bundle(self, name: str) -> Bundle:
        """Return the present weights as a model, for `Tagger` and `write_bundle`.

        name: the model's name. It has no calibration and no familiarity, because fine-tuning changes both.
        """
        kept = {name: array for name, array in self._bundle.weights.items() if not name.startswith("familiarity.")}
        for place, tensor in self._bundled().items():
            kept[place] = tensor.detach().cpu().numpy().astype(np.float32).reshape(kept[place].shape)
        return seal(dataclasses.replace(self._bundle.card, name=name, calibration=(), familiarity=None), kept)

    def _bundled(self) -> dict[str, Tensor]:
        """Return the parameters and buffers by their names in a bundle."""
        found: dict[str, Tensor] = {"head.mean": self.classifier.mean, "head.deviation": self.classifier.deviation}
        hidden = [block.dense for block in self.classifier.hidden if isinstance(block, DenseBlock)]
        layers: dict[str, nn.Conv2d | nn.Linear] = {
            f"head.layer.{number}": layer for number, layer in enumerate([*hidden, self.classifier.output], start=1)
        }
        for network in self._local:
            prefix = f"extractor.{network.extractor.name}"
            for number, block in enumerate(network.blocks, start=1):
                if isinstance(block, ConvolutionBlock | ResidualBlock):
                    layers |= _layers_of(block, f"{prefix}.convolution.{number}")
            if isinstance(network.hidden, DenseBlock):
                layers[f"{prefix}.hidden"] = network.hidden.dense
            layers[f"{prefix}.output"] = network.output
        for name, layer in layers.items():
            if f"{name}.weight" in self._bundle.weights and layer.bias is not None:  # A bundle may lack local outputs.
                found |= {f"{name}.weight": layer.weight, f"{name}.bias": layer.bias}
        return found


class LogMelFrames(nn.Module):
    """The log-mel front end on whole waveforms, as `earmark.audio.logmel` computes it on streams."""

    window: Tensor
    filters: Tensor
    decay: Tensor

    def __init__(self, settings: LogMelSettings) -> None:
        super().__init__()
        self.settings = settings
        self.register_buffer("window", torch.hann_window(settings.window_samples), persistent=False)
        filters = torch.from_numpy(mel_filters(settings).T * np.float32(settings.compression))
        self.register_buffer("filters", filters, persistent=False)
        self._kept = math.exp(-settings.hop_seconds / settings.level_seconds) if settings.level_seconds else 0.0
        powers = self._kept ** torch.arange(BLOCK_FRAMES + 1, dtype=torch.float64)
        places = torch.arange(BLOCK_FRAMES)
        later = (places[:, None] - places).clamp(min=0)
        decay = torch.tril(powers[later]) * (1.0 - self._kept)
        self.register_buffer("decay", torch.cat([decay, powers[1:, None]], dim=1).float(), persistent=False)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Return log-mel frames: (sounds, samples) to (sounds, frames, mel_bands)."""
        settings = self.settings
        spectrum = torch.stft(
            waveforms,
            settings.window_samples,
            settings.hop_samples,
            window=self.window,
            center=True,
            pad_mode="constant",
            return_complex=True,
        )
        magnitudes = spectrum.abs().transpose(1, 2) @ self.filters
        if settings.level_seconds:
            magnitudes = magnitudes * self._gains(magnitudes.mean(dim=2)).unsqueeze(2)
        return torch.log10(magnitudes + 1.0)

    def _gains(self, magnitudes: Tensor) -> Tensor:
        """Return the gains of `RunningLevel`: (sounds, frames) to the same shape."""
        pieces = []
        total = magnitudes.new_zeros(len(magnitudes), 1)
        for piece in torch.split(magnitudes, BLOCK_FRAMES, dim=1):
            frames = piece.shape[1]
            decay = torch.cat([self.decay[:frames, :frames], self.decay[:frames, -1:]], dim=1)
            sums = torch.cat([piece, total], dim=1) @ decay.T
            total = sums[:, -1:]
            pieces.append(sums)
        numbers = torch.arange(1, magnitudes.shape[1] + 1, device=magnitudes.device, dtype=torch.float32)
        weights = -torch.expm1(numbers * math.log(self._kept))
        gains: Tensor = LEVEL / (torch.cat(pieces, dim=1) / weights + LEAST)
        return gains


def _layers_of(block: ConvolutionBlock | ResidualBlock, name: str) -> dict[str, nn.Conv2d | nn.Linear]:
    """Return the layers of one block, by the names of `tagging/bundle/tensors.py`."""
    layers: dict[str, nn.Conv2d | nn.Linear] = {name: block.convolution}
    if isinstance(block, ResidualBlock):
        for part, module in (("second", block.second), ("shortcut", block.shortcut)):
            if module is not None:
                layers[f"{name}.{part}"] = module.convolution
    if isinstance(block.scaling, ChannelScaling):
        layers |= {f"{name}.squeeze": block.scaling.squeeze, f"{name}.excite": block.scaling.excite}
    return layers


def _track_vector(network: LocalCNN, rows: Tensor) -> Tensor:
    """Return one scale's columns of the track vectors: (sounds, rows, inputs) to (sounds, columns)."""
    extractor: Extractor = network.extractor
    length = extractor.segment_length
    if rows.shape[1] < length:
        rows = rows[:, torch.arange(length, device=rows.device) % rows.shape[1]]
    segments = rows.unfold(1, length, extractor.segment_hop).transpose(2, 3)
    activations = network.activations(segments.flatten(0, 1))
    parts = []
    for level in extractor.levels:
        values = activations[level - 1].amax(dim=-1).reshape(*segments.shape[:2], -1)
        if extractor.track_statistic == "max":
            parts.append(values.amax(dim=1))
            continue
        parts.append(values.mean(dim=1))
        if extractor.track_statistic == "mean+deviation":
            parts.append((values.var(dim=1, correction=0) + 1e-12).sqrt())
    return torch.cat(parts, dim=1)
