"""A local network as an ONNX graph, in float32 or with its convolutions in whole numbers of 8 bits.

A convolution is as many matrix products as its pool has places, each over the rows under the filter at that place of
every pool, and the maximum over them is the pool: what `convolve.py` does in numpy. (Measured beside it: one product
over all rows and then a pool is up to 10 % slower. ONNX's own Conv and MaxPool have channels first, and would turn
every row.)

In int8 the inputs of a convolution are 8 bits without sign, over a range that was measured on music; weights are 7 bits
with a sign, scaled by output channel. 7, as on processors without VNNI a pair of 8-bit products does not fit the 16
bits that it is summed in, and one machine's scores would not be another's. Sums are exact, and the pool is taken on
them; bias, ReLU, the levels and the dense layers are float32.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.errors import BundleError
from earmark.tagging.card import Convolution, Extractor, Weights
from earmark.tagging.card_check import layer_lengths
from earmark.tagging.int8 import Range
from earmark.tagging.onnx_graph import Graph, Value

Array = npt.NDArray[np.float32]

INPUT, LEVELS, LOGITS, LOWEST, HIGHEST = "segments", "levels", "logits", "lowest", "highest"
LARGEST_WEIGHT, LARGEST_INPUT = 63, 255
_FLOAT = 1


def network_graph(
    extractor: Extractor, weights: Weights, ranges: Sequence[Range] | None = None, *, observed: bool = False
) -> bytes:
    """The network of an extractor as ONNX, from `segments` (segments, length, columns) to `levels` and `logits`.

    `ranges`: in int8, with these of its convolutions' inputs. `observed`: also tells, as `lowest` and `highest`,
    (segments, convolutions), the ranges of the convolutions' inputs. `logits` is not there where the bundle has no
    local output. Raises BundleError for int8 with blocks that it does not know.
    """
    return _Network(extractor, weights, ranges).graph(observed)


@dataclass(frozen=True)
class _Scale:
    """How float32 becomes 8 bits: value = step · (whole number - zero)."""

    step: float
    zero: int

    @classmethod
    def over(cls, span: Range) -> "_Scale":
        low, high = span
        step = (high - low) / LARGEST_INPUT
        return cls(step, round(-low / step))


class _Network:
    """The graph of one network, while it is put together."""

    def __init__(self, extractor: Extractor, weights: Weights, ranges: Sequence[Range] | None) -> None:
        for convolution in extractor.convolutions if ranges is not None else ():
            if convolution.squeeze_units or convolution.residual_convolutions:
                raise BundleError(
                    f"The extractor {extractor.name!r} has blocks that scale their channels or add their input; "
                    'int8 is for plain ones. Choose the engine "onnx" or "numpy".'
                )
        self._extractor = extractor
        self._weights = weights
        self._ranges = ranges
        self._prefix = f"extractor.{extractor.name}"
        self._graph = Graph(extractor.name)

    def graph(self, observed: bool) -> bytes:
        extractor, graph = self._extractor, self._graph
        segments = graph.input(INPUT, (extractor.segment_length, extractor.input_columns))
        centred = graph.add("Sub", segments, graph.constant(extractor.input_mean))
        rows = graph.add("Div", centred, graph.constant(extractor.input_deviation))
        lengths, columns = layer_lengths(extractor), extractor.input_columns
        levels: list[Value] = []
        inputs: list[Value] = []
        for number, convolution in enumerate(extractor.convolutions, start=1):
            inputs.append(rows)
            rows, level = self._block(number, convolution, rows, lengths[number - 1], columns)
            if number in extractor.levels:
                levels.append(level)
            columns = convolution.channels
        graph.output(LEVELS, graph.add("Concat", *levels, axis=1), (sum(extractor.level_widths),))
        if extractor.output_tags:
            graph.output(LOGITS, self._local_logits(rows, lengths[-1] * columns), (len(extractor.output_tags),))
        if observed:
            for name, operator in ((LOWEST, "ReduceMin"), (HIGHEST, "ReduceMax")):
                found = [graph.add(operator, each, axes=[1, 2], keepdims=0) for each in inputs]
                columnwise = [graph.add("Unsqueeze", each, self._whole([1])) for each in found]
                graph.output(name, graph.add("Concat", *columnwise, axis=1), (len(inputs),))
        return graph.to_bytes()

    def _block(
        self, number: int, convolution: Convolution, rows: Value, length: int, columns: int
    ) -> tuple[Value, Value]:
        """One block as `blocks.py` has it: what leaves it, and its activations over the segment."""
        graph, name = self._graph, f"{self._prefix}.convolution.{number}"
        pools, statistic = convolution.pool_length, self._extractor.segment_statistic
        if self._ranges is not None:
            placed = self._whole_convolution(name, convolution, rows, length, _Scale.over(self._ranges[number - 1]))
        else:
            placed = self._convolution(name, rows, length, pools, convolution.stride)
        positions = length // convolution.stride
        if not convolution.residual_convolutions:
            if statistic == "max":
                out = self._rectified(self._pooled(placed), name)
            else:
                placed = [self._rectified(each, name) for each in placed]
                out = self._pooled(placed)
        else:
            placed = self._added(name, convolution, rows, placed, positions, columns)
            out = self._pooled(placed)
        level = None if statistic == "max" else self._mean(placed)
        if convolution.squeeze_units and not convolution.residual_convolutions:
            factors = self._factors(name, graph.add("ReduceMean", out, axes=[1], keepdims=0))
            out = graph.add("Mul", out, graph.add("Unsqueeze", factors, self._whole([1])))
            level = None if level is None else graph.add("Mul", level, factors)
        return out, graph.add("ReduceMax", out, axes=[1], keepdims=0) if level is None else level

    def _added(
        self,
        name: str,
        convolution: Convolution,
        rows: Value,
        placed: list[Value],
        positions: int,
        columns: int,
    ) -> list[Value]:
        """A residual block's outputs by places of a pool: its convolutions, scaled, and its input, through ReLU."""
        graph, pools = self._graph, convolution.pool_length
        if convolution.residual_convolutions == 2:
            between = self._interleaved(
                [self._rectified(each, name) for each in placed], positions, convolution.channels
            )
            name_of_last = f"{name}.second"
            placed = self._convolution(name_of_last, between, positions, pools, 1)
        else:
            name_of_last = name
        placed = [graph.add("Add", each, self._tensor(f"{name_of_last}.bias")) for each in placed]
        if convolution.squeeze_units:
            factors = graph.add("Unsqueeze", self._factors(name, self._mean(placed)), self._whole([1]))
            placed = [graph.add("Mul", each, factors) for each in placed]
        if columns != convolution.channels:
            weight = self._weights[f"{name}.shortcut.weight"][:, :, 0].T
            product = graph.add("MatMul", rows, graph.constant(weight))
            rows = graph.add("Add", product, self._tensor(f"{name}.shortcut.bias"))
        own = [self._slice(rows, place, positions, pools) for place in range(pools)]
        return [graph.add("Relu", graph.add("Add", each, mine)) for each, mine in zip(placed, own, strict=True)]

    def _convolution(self, name: str, rows: Value, length: int, pools: int, stride: int) -> list[Value]:
        """One convolution without its bias, by places of a pool: (segments, pools, channels) each."""
        weight = self._flat(name)
        taps = self._weights[f"{name}.weight"].shape[2]
        product = self._graph.constant(weight)
        return [
            self._graph.add("MatMul", under, product)
            for under in self._under_filter(rows, length, taps, pools, stride, None)
        ]

    def _whole_convolution(
        self, name: str, convolution: Convolution, rows: Value, length: int, scale: _Scale
    ) -> list[Value]:
        """The same in whole numbers: one product, made float32 again by its channels' scales after the pool."""
        graph, weight = self._graph, self._flat(name)
        steps = np.maximum(np.abs(weight).max(axis=0), np.finfo(np.float32).tiny) / LARGEST_WEIGHT
        whole = np.rint(weight / steps).astype(np.int8)
        zero = graph.constant(scale.zero, np.uint8)
        short = graph.add("QuantizeLinear", rows, graph.constant(scale.step), zero)
        taps, pools, stride = convolution.filter_length, convolution.pool_length, convolution.stride
        product, factors = graph.constant(whole, np.int8), graph.constant(steps * np.float32(scale.step))
        sums = [
            graph.add("MatMulInteger", under, product, zero)
            for under in self._under_filter(short, length, taps, pools, stride, zero)
        ]
        if self._extractor.segment_statistic == "max":
            sums = [self._pooled(sums)]
        return [graph.add("Mul", graph.add("Cast", each, to=_FLOAT), factors) for each in sums]

    def _under_filter(
        self, rows: Value, length: int, taps: int, pools: int, stride: int, zero: Value | None
    ) -> list[Value]:
        """The rows under the filter at each place of every pool, side by side: (segments, pools, filter · columns)."""
        graph = self._graph
        if stride == 1 and taps > 1:
            before = (taps - 1) // 2
            around = self._whole([0, before, 0, 0, taps - 1 - before, 0])
            rows = graph.add("Pad", rows, around, *(() if zero is None else (zero,)))
        under: list[Value] = []
        for place in range(pools):
            parts = [self._slice(rows, place * stride + tap, length, pools * stride) for tap in range(taps)]
            under.append(parts[0] if taps == 1 else graph.add("Concat", *parts, axis=2))
        return under

    def _slice(self, rows: Value, first: int, span: int, step: int) -> Value:
        """Every `step`th row of some, from `first` on: as many as fit in `span` rows."""
        last = first + (span // step - 1) * step + 1
        return self._graph.add(
            "Slice", rows, self._whole([first]), self._whole([last]), self._whole([1]), self._whole([step])
        )

    def _interleaved(self, placed: list[Value], positions: int, channels: int) -> Value:
        """Outputs by places of a pool, put back in the order of time: (segments, positions, channels)."""
        if len(placed) == 1:
            return placed[0]
        side_by_side = self._graph.add("Concat", *placed, axis=2)
        return self._graph.add("Reshape", side_by_side, self._whole([0, positions, channels]))

    def _pooled(self, placed: list[Value]) -> Value:
        return placed[0] if len(placed) == 1 else self._graph.add("Max", *placed)

    def _mean(self, placed: list[Value]) -> Value:
        """The mean over all places of all pools: (segments, channels)."""
        total = placed[0] if len(placed) == 1 else self._graph.add("Sum", *placed)
        mean = self._graph.add("ReduceMean", total, axes=[1], keepdims=0)
        return mean if len(placed) == 1 else self._graph.add("Div", mean, self._graph.constant(float(len(placed))))

    def _rectified(self, value: Value, name: str) -> Value:
        return self._graph.add("Relu", self._graph.add("Add", value, self._tensor(f"{name}.bias")))

    def _factors(self, name: str, means: Value) -> Value:
        """What every channel is multiplied with, 0 to 1, from its mean over the segment (SE)."""
        squeezed = self._graph.add("Relu", self._dense(f"{name}.squeeze", means))
        return self._graph.add("Sigmoid", self._dense(f"{name}.excite", squeezed))

    def _local_logits(self, rows: Value, columns: int) -> Value:
        turned = self._graph.add("Transpose", rows, perm=[0, 2, 1])
        vectors = self._graph.add("Reshape", turned, self._whole([0, columns]))
        if self._extractor.hidden_units:
            vectors = self._graph.add("Relu", self._dense(f"{self._prefix}.hidden", vectors))
        return self._dense(f"{self._prefix}.output", vectors)

    def _dense(self, name: str, vectors: Value) -> Value:
        weight = self._graph.constant(self._weights[f"{name}.weight"].T)
        return self._graph.add("Gemm", vectors, weight, self._tensor(f"{name}.bias"))

    def _flat(self, name: str) -> Array:
        """A convolution's weight as (filter · columns, channels)."""
        weight = self._weights[f"{name}.weight"]  # (out, in, filter)
        return np.ascontiguousarray(weight.transpose(2, 1, 0).reshape(-1, len(weight)))

    def _tensor(self, name: str) -> Value:
        return self._graph.constant(self._weights[name])

    def _whole(self, values: Sequence[int]) -> Value:
        return self._graph.constant(values, np.int64)
