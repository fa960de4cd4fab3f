"""Export trained networks as the arrays of a bundle, with batch norms folded in, and compare them with torch."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from earmark.errors import TrainingError
from earmark.tagging.bundle.card import Head
from earmark.tagging.engines.network import Classifier, LocalNetwork
from earmark.training.networks.blocks import ChannelScaling, ConvolutionBlock, DenseBlock, ResidualBlock
from earmark.training.networks.networks import GlobalClassifier, LocalCNN

Arrays = dict[str, npt.NDArray[np.float32]]

TOLERANCE = 1e-5
"""The largest allowed difference between numpy and torch, relative to the largest value."""


def local_arrays(network: LocalCNN) -> Arrays:
    """Return the weights of a local CNN, with batch norms folded in, by their names in a bundle.

    Raises:
        TrainingError: the network has a block of an unknown type.
    """
    prefix = f"extractor.{network.extractor.name}"
    arrays: Arrays = {}
    for index, block in enumerate(network.blocks, start=1):
        if not isinstance(block, ConvolutionBlock | ResidualBlock):
            raise TrainingError(
                f"Found a block of type {type(block).__name__}; expected ConvolutionBlock or ResidualBlock."
            )
        arrays |= _block_arrays(block, f"{prefix}.convolution.{index}")
    if isinstance(network.hidden, DenseBlock):
        weight, bias = _fold(network.hidden.dense.weight, network.hidden.dense.bias, network.hidden.norm)
        arrays[f"{prefix}.hidden.weight"], arrays[f"{prefix}.hidden.bias"] = _array(weight), _array(bias)
    arrays[f"{prefix}.output.weight"] = _array(network.output.weight)
    arrays[f"{prefix}.output.bias"] = _array(network.output.bias)
    return arrays


def _block_arrays(block: ConvolutionBlock | ResidualBlock, name: str) -> Arrays:
    """Return the weights of one block, by the names of `tagging/bundle/tensors.py`."""
    convolutions = {name: (block.convolution, block.norm)}
    if isinstance(block, ResidualBlock):
        for part, module in (("second", block.second), ("shortcut", block.shortcut)):
            if module is not None:
                convolutions[f"{name}.{part}"] = (module.convolution, module.norm)
    arrays: Arrays = {}
    for place, (convolution, norm) in convolutions.items():
        weight, bias = _fold(convolution.weight.squeeze(-1), convolution.bias, norm)
        arrays[f"{place}.weight"], arrays[f"{place}.bias"] = _array(weight), _array(bias)
    if isinstance(block.scaling, ChannelScaling):
        for part, layer in (("squeeze", block.scaling.squeeze), ("excite", block.scaling.excite)):
            arrays[f"{name}.{part}.weight"], arrays[f"{name}.{part}.bias"] = _array(layer.weight), _array(layer.bias)
    return arrays


def classifier_arrays(network: GlobalClassifier) -> Arrays:
    """Return the weights of a global classifier, with batch norms folded in, by their names in a bundle."""
    arrays: Arrays = {"head.mean": _array(network.mean), "head.deviation": _array(network.deviation)}
    layers = [_fold(block.dense.weight, block.dense.bias, block.norm) for block in network.hidden]  # type: ignore[union-attr,arg-type]
    layers.append((network.output.weight, network.output.bias))
    for index, (weight, bias) in enumerate(layers, start=1):
        arrays[f"head.layer.{index}.weight"], arrays[f"head.layer.{index}.bias"] = _array(weight), _array(bias)
    return arrays


def check_local(network: LocalCNN, arrays: Arrays, segments: npt.NDArray[np.float32]) -> None:
    """Compare the exported network with torch on the first segments of (segments, length, inputs).

    Raises:
        TrainingError: logits or levels differ by more than `TOLERANCE`.
    """
    exported = LocalNetwork(network.extractor, arrays)
    segments = segments[: exported.batch_segments]
    network.eval()
    with torch.inference_mode():
        expected_logits = network(torch.from_numpy(segments)).numpy()
        levels = [level.amax(-1) for level in network.activations(torch.from_numpy(segments))]
    expected_levels = torch.cat([levels[level - 1] for level in network.extractor.levels], dim=1).numpy()
    activations = exported(segments)
    _compare("local scores", activations.logits, expected_logits)
    if network.extractor.segment_statistic == "max":
        _compare("levels", activations.levels, expected_levels)


def check_classifier(network: GlobalClassifier, head: Head, arrays: Arrays, vectors: npt.NDArray[np.float32]) -> None:
    """Compare the exported classifier with torch on vectors (clips, columns).

    Raises:
        TrainingError: logits differ by more than `TOLERANCE`.
    """
    network.eval()
    with torch.inference_mode():
        expected = network(torch.from_numpy(vectors)).numpy()
    _compare("global scores", Classifier(head, arrays)(vectors), expected)


def _compare(what: str, found: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]) -> None:
    difference = float(np.max(np.abs(found - expected), initial=0.0))
    scale = max(1.0, float(np.max(np.abs(expected), initial=0.0)))
    if not difference <= TOLERANCE * scale:
        raise TrainingError(
            f"The exported network's {what} differ from the trained one's by {difference:.2e}; expected at most "
            f"{TOLERANCE * scale:.2e}. The bundle was not written; please report this."
        )


def _fold(weight: Tensor, bias: Tensor | None, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Fold the batch norm after a layer into its weight and bias, in float64."""
    if norm.running_mean is None or norm.running_var is None or bias is None:
        raise TrainingError("Found a layer without bias or running statistics; expected both in a trained network.")
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    folded = weight.double() * scale.reshape(-1, *[1] * (weight.ndim - 1))
    return folded, (bias.double() - norm.running_mean.double()) * scale + norm.bias.double()


def _array(tensor: Tensor) -> npt.NDArray[np.float32]:
    # The array is a copy, because numpy would otherwise share the weights that torch continues to train.
    array: npt.NDArray[np.float32] = np.array(tensor.detach().cpu().float().numpy(), order="C")
    return array
