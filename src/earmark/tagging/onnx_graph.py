"""An ONNX graph, put together and written out.

ONNX files are protocol buffers, of which a handful of messages with a few fields each are needed here. They are written
by hand: ONNX Runtime reads them as they are, and the package `onnx` would add itself and ml_dtypes to an installation
for the sake of these hundred lines. Numbers of fields are those of onnx.proto3, which never change.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

OPERATORS_VERSION, FORMAT_VERSION = 17, 8
"""Operators as of ONNX 1.12 (2022) and its file format, which every ONNX Runtime that we allow reads."""
MICROSOFT = "com.microsoft"

_TENSOR_TYPES = {np.dtype(np.float32): 1, np.dtype(np.uint8): 2, np.dtype(np.int8): 3, np.dtype(np.int64): 7}
_INTEGER, _INTEGERS = 2, 7
_VARINT, _LENGTH = 0, 2


@dataclass(frozen=True)
class Value:
    """Something that flows through the graph, by its name."""

    name: str


class Graph:
    """Operators put one after the other; each has one output."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[bytes] = []
        self._constants: list[bytes] = []
        self._inputs: list[bytes] = []
        self._outputs: list[bytes] = []
        self._count = 0

    def input(self, name: str, shape: Sequence[int]) -> Value:
        """What is fed in: (any number, *shape) float32."""
        self._inputs.append(_tensor_of_any_length(name, shape))
        return Value(name)

    def output(self, name: str, value: Value, shape: Sequence[int]) -> None:
        """What comes out under a name: (any number, *shape) float32."""
        self._nodes.append(_node("Identity", [value.name], name))
        self._outputs.append(_tensor_of_any_length(name, shape))

    def constant(self, values: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> Value:
        """A tensor that stays: weights, and shapes."""
        array = np.ascontiguousarray(values, dtype=dtype).reshape(np.shape(values))
        made = self._new()
        self._constants.append(_tensor(made.name, array))
        return made

    def add(self, operator: str, *inputs: Value, domain: str = "", **attributes: int | Sequence[int]) -> Value:
        """One operator on some values, with its attributes: whole numbers, or several of them."""
        made = self._new()
        self._nodes.append(_node(operator, [value.name for value in inputs], made.name, domain, attributes))
        return made

    def to_bytes(self) -> bytes:
        """The whole as ONNX Runtime loads it."""
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
    """A whole number in groups of seven bits, the lowest first; negative ones as 64 bits."""
    value &= (1 << 64) - 1
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def _joined(parts: Iterable[bytes]) -> bytes:
    return b"".join(parts)
