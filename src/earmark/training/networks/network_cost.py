"""Counts what a local CNN costs, from its description: layers, parameters, multiply-adds, receptive lengths.

The parameters of a network at hand are counted too.
"""

from dataclasses import dataclass

from torch import nn

from earmark.tagging.bundle.card import Convolution, Extractor


@dataclass(frozen=True)
class LayerCost:
    """One hidden layer.

    Attributes:
        rows: the outputs that its convolution has of a segment, before its pool.
        receptive_rows: how many input rows (frames or samples) one of those outputs depends on, away from the edges.
        parameters: weights, biases, and the batch norms' scale and shift.
        multiply_adds: of one segment; those of pools, norms and sums are not counted.
    """

    convolution: Convolution
    rows: int
    receptive_rows: int
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class NetworkCost:
    """A whole network: its hidden layers, and the parameters and multiply-adds with the dense layers."""

    layers: tuple[LayerCost, ...]
    parameters: int
    multiply_adds: int


def network_cost(extractor: Extractor) -> NetworkCost:
    """Count a network's trained parameters, and the multiply-adds of one segment."""
    layers: list[LayerCost] = []
    length, columns = extractor.segment_length, extractor.input_columns
    receptive, step = 1, 1
    for shape in extractor.convolutions:
        rows = length // shape.stride
        receptive += (shape.filter_length - 1) * step * max(1, shape.residual_convolutions)
        step *= shape.stride
        parameters, multiply_adds = _block_cost(shape, rows, columns)
        layers.append(LayerCost(shape, rows, receptive, parameters, multiply_adds))
        receptive += (shape.pool_length - 1) * step
        step *= shape.pool_length
        length, columns = rows // shape.pool_length, shape.channels
    inputs, tags, hidden = columns * length, len(extractor.output_tags), extractor.hidden_units
    dense = hidden * inputs + tags * (hidden or inputs)
    biases = hidden * 3 + tags  # a hidden layer has a batch norm too
    return NetworkCost(
        tuple(layers),
        sum(layer.parameters for layer in layers) + dense + biases,
        sum(layer.multiply_adds for layer in layers) + dense,
    )


def parameter_count(network: nn.Module) -> int:
    """Count trainable parameters: weights, biases, batch norms' scale and shift."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def _block_cost(shape: Convolution, rows: int, columns: int) -> tuple[int, int]:
    """Count the parameters and multiply-adds of one block."""
    channels = shape.channels
    convolutions = [shape.filter_length * columns * channels]
    if shape.residual_convolutions == 2:
        convolutions.append(shape.filter_length * channels * channels)
    if shape.residual_convolutions and columns != channels:
        convolutions.append(columns * channels)
    scaling = 2 * channels * shape.squeeze_units
    biases = shape.squeeze_units + channels if shape.squeeze_units else 0
    parameters = sum(convolutions) + 3 * channels * len(convolutions) + scaling + biases
    return parameters, rows * sum(convolutions) + scaling
