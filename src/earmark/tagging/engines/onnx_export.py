"""A local network as an ONNX graph, in float32 or in 8-bit integers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earmark.errors import BundleError
from earmark.tagging.bundle.card import Convolution, Extractor, Weights
from earmark.tagging.bundle.check import layer_lengths
from earmark.tagging.engines.int8 import Range

OPERATORS_VERSION, FORMAT_VERSION = 17, 8
"""The operators of ONNX 1.12 (2022) and its file format, which every supported ONNX Runtime reads."""
MICROSOFT = "com.microsoft"

_TENSOR_TYPES = {np.dtype(np.float32): 1, np.dtype(np.uint8): 2, np.dtype(np.int8): 3, np.dtype(np.int64): 7}
_INTEGER, _INTEGERS = 2, 7
_VARINT, _LENGTH = 0, 2


@dataclass(frozen=True)
class Value:
    """A value in the graph, by its name."""

    name: str


class Graph:
    """A graph of operators, added one after the other; each has one output."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[bytes] = []
        self._constants: list[bytes] = []
        self._inputs: list[bytes] = []
        self._outputs: list[bytes] = []
        self._count = 0

    def input(self, name: str, shape: Sequence[int]) -> Value:
        """Add an input, (any number, *shape) float32, and return its value."""
        self._inputs.append(_tensor_of_any_length(name, shape))
        return Value(name)

    def output(self, name: str, value: Value, shape: Sequence[int]) -> None:
        """Make a value an output with a name: (any number, *shape) float32."""
        self._nodes.append(_node("Identity", [value.name], name))
        self._outputs.append(_tensor_of_any_length(name, shape))

    def constant(self, values: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> Value:
        """Add a constant tensor, such as weights or a shape, and return its value."""
        array = np.ascontiguousarray(values, dtype=dtype).reshape(np.shape(values))
        made = self._new()
        self._constants.append(_tensor(made.name, array))
        return made

    def add(self, operator: str, *inputs: Value, domain: str = "", **attributes: int | Sequence[int]) -> Value:
        """Add an operator on some values, with its integer attributes, and return its output."""
        made = self._new()
        self._nodes.append(_node(operator, [value.name for value in inputs], made.name, domain, attributes))
        return made

    def to_bytes(self) -> bytes:
        """Return the graph as the bytes of an ONNX file."""
        graph = [_bytes(1, node) for node in self._nodes]
        graph += [_text(2, self._name), *(_bytes(5, constant) for constant in self._constants)]
        graph += [_bytes(11, each) for each in self._inputs] + [_bytes(12, each) for each in self._outputs]
        operators = [("", OPERATORS_VERSION), (MICROSOFT, 1)]
        return _joined(
            [
                _number(1, FORMAT_VERSION),
                _text(2, "earmark"),
                _bytes(7, _joined(graph)),
                *(_bytes(8, _text(1, domain) + _number(2, version)) for domain, version in operators),
            ]
        )

    def _new(self) -> Value:
        self._count += 1
        return Value(f"v{self._count}")


def _node(
    operator: str,
    inputs: Sequence[str],
    output: str,
    domain: str = "",
    attributes: "dict[str, int | Sequence[int]] | None" = None,
) -> bytes:
    fields = [_text(1, name) for name in inputs] + [_text(2, output), _text(4, operator)]
    for name, value in (attributes or {}).items():
        if isinstance(value, int):
            kind, values = _INTEGER, [_number(3, value)]
        else:
            kind, values = _INTEGERS, [_number(8, each) for each in value]
        fields.append(_bytes(5, _joined([_text(1, name), *values, _number(20, kind)])))
    return _joined([*fields, _text(7, domain)] if domain else fields)


def _tensor(name: str, array: npt.NDArray[np.generic]) -> bytes:
    little_endian = array.astype(array.dtype.newbyteorder("<"), copy=False)
    dimensions = [_number(1, size) for size in array.shape]
    return _joined(
        [*dimensions, _number(2, _TENSOR_TYPES[array.dtype]), _text(8, name), _bytes(9, little_endian.tobytes())]
    )


def _tensor_of_any_length(name: str, shape: Sequence[int]) -> bytes:
    dimensions = [_bytes(1, _text(2, "segments")), *(_bytes(1, _number(1, size)) for size in shape)]
    tensor = _number(1, _TENSOR_TYPES[np.dtype(np.float32)]) + _bytes(2, _joined(dimensions))
    return _text(1, name) + _bytes(2, _bytes(1, tensor))


def _number(field: int, value: int) -> bytes:
    return _variable(field << 3 | _VARINT) + _variable(value)


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode("utf-8"))


def _bytes(field: int, value: bytes) -> bytes:
    return _variable(field << 3 | _LENGTH) + _variable(len(value)) + value


def _variable(value: int) -> bytes:
    """Return an integer as a protobuf varint: groups of seven bits, the lowest first; negative ones as 64 bits."""
    value &= (1 << 64) - 1
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def _joined(parts: Iterable[bytes]) -> bytes:
    return b"".join(parts)


Array = npt.NDArray[np.float32]

INPUT, LEVELS, LOGITS, LOWEST, HIGHEST = "segments", "levels", "logits", "lowest", "highest"
LARGEST_WEIGHT, LARGEST_INPUT = 63, 255
_FLOAT = 1


def network_graph(
    extractor: Extractor, weights: Weights, ranges: Sequence[Range] | None = None, *, observed: bool = False
) -> bytes:
    """Return an extractor's network as ONNX, from `segments` (segments, length, columns) to `levels` and `logits`.

    `ranges`: build it in int8, with these ranges of its convolutions' inputs. `observed`: also output the ranges of the
    convolutions' inputs, as `lowest` and `highest`, (segments, convolutions). `logits` is missing where the bundle has
    no local output.

    Raises BundleError for int8 with blocks that it does not support.
    """
    return _Network(extractor, weights, ranges).graph(observed)


@dataclass(frozen=True)
class _Scale:
    """The quantisation from float32 to 8 bits: value = step · (integer - zero)."""

    step: float
    zero: int

    @classmethod
    def over(cls, span: Range) -> "_Scale":
        low, high = span
        step = (high - low) / LARGEST_INPUT
        return cls(step, round(-low / step))


class _Network:
    """The builder of one network's graph."""

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
        """Add one block, as `Block` in network.py, and return its output and its level over the segment."""
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
        """Return a residual block's outputs by places of a pool: convolutions, scaling, sum with the input, ReLU."""
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
        """Add a convolution without its bias; returns its outputs by places of a pool, (segments, pools, channels)
        each.
        """
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
        """Add a convolution in integers: one product, scaled back to float32 by channels after the pool."""
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
        """Return the rows under the filter at each place of every pool: (segments, pools, filter · columns)."""
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
        """Return every `step`th of some rows, from `first` on: as many as fit in `span` rows."""
        last = first + (span // step - 1) * step + 1
        return self._graph.add(
            "Slice", rows, self._whole([first]), self._whole([last]), self._whole([1]), self._whole([step])
        )

    def _interleaved(self, placed: list[Value], positions: int, channels: int) -> Value:
        """Return outputs by places of a pool in the order of time: (segments, positions, channels)."""
        if len(placed) == 1:
            return placed[0]
        side_by_side = self._graph.add("Concat", *placed, axis=2)
        return self._graph.add("Reshape", side_by_side, self._whole([0, positions, channels]))

    def _pooled(self, placed: list[Value]) -> Value:
        return placed[0] if len(placed) == 1 else self._graph.add("Max", *placed)

    def _mean(self, placed: list[Value]) -> Value:
        """Return the mean over all places of all pools: (segments, channels)."""
        total = placed[0] if len(placed) == 1 else self._graph.add("Sum", *placed)
        mean = self._graph.add("ReduceMean", total, axes=[1], keepdims=0)
        return mean if len(placed) == 1 else self._graph.add("Div", mean, self._graph.constant(float(len(placed))))

    def _rectified(self, value: Value, name: str) -> Value:
        return self._graph.add("Relu", self._graph.add("Add", value, self._tensor(f"{name}.bias")))

    def _factors(self, name: str, means: Value) -> Value:
        """Return the factor of every channel, 0 to 1, from its mean over the segment (SE)."""
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
        """Return a convolution's weight as (filter · columns, channels)."""
        weight = self._weights[f"{name}.weight"]  # (out, in, filter)
        return np.ascontiguousarray(weight.transpose(2, 1, 0).reshape(-1, len(weight)))

    def _tensor(self, name: str) -> Value:
        return self._graph.constant(self._weights[name])

    def _whole(self, values: Sequence[int]) -> Value:
        return self._graph.constant(values, np.int64)
