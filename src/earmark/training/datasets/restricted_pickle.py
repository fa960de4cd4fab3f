"""Read pickles of others without running code from them.

A pickle is a program that can call any function that it names. Here it may name only what builds plain containers,
strings, numbers, and substitutes for NumPy arrays, whose bytes are read with a checked type. NumPy's own unpickling is
never called.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earmark.errors import DatasetError

_FAULTS = (
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    ImportError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
    OverflowError,
    MemoryError,
    RecursionError,
)
"""The exceptions that the unpickler raises for a damaged pickle."""


def read_pickle(path: Path) -> Any:
    """Read a pickle of lists, tuples, dicts, sets, strings, numbers, None, and `PickledArray`.

    Text written by Python 2 is read as Latin-1.

    Raises:
        DatasetError: the file cannot be read, is not a complete pickle, or names anything else.
    """
    try:
        with path.open("rb") as file:
            return _RestrictedUnpickler(file, encoding="latin1").load()
    except OSError as error:
        raise DatasetError(f"Cannot read {path}: {error.strerror}.") from error
    except _FAULTS as error:
        raise DatasetError(
            f"{path} is no pickle of plain data: {error or type(error).__name__}. "
            "It is damaged, or not the file that it should be; nothing in it was run."
        ) from error


class PickledArray:
    """A NumPy array of numbers or fixed-length text in a pickle; `values` is the array."""

    def __init__(self) -> None:
        self.values: npt.NDArray[Any] = np.empty(0)

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, column_major, raw = state
        if not isinstance(kind, _PickledType) or not isinstance(raw, bytes | str):
            raise pickle.UnpicklingError("it holds an array of objects")
        data = raw.encode("latin1") if isinstance(raw, str) else raw
        flat = np.frombuffer(data, dtype=kind.dtype)
        self.values = flat.reshape(shape, order="F" if column_major else "C")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.array(self.values, dtype=dtype, copy=copy is not False)


class _PickledType:
    """The type of array elements: booleans, integers, floating-point numbers, or text of a fixed length."""

    def __init__(self, code: str, *_flags: object) -> None:
        self.dtype = np.dtype(code) if isinstance(code, str) else np.dtype(object)
        if self.dtype.kind not in "biufSU" or self.dtype.subdtype is not None:
            raise pickle.UnpicklingError(f"it holds an array of the type {code!r}")

    def __setstate__(self, state: Any) -> None:
        _, order, inner, names, fields = state[:5]
        if inner is not None or names is not None or fields is not None or order not in ("<", ">", "|", "="):
            raise pickle.UnpicklingError("it holds an array of records")
        self.dtype = self.dtype.newbyteorder(order)


def _array_class() -> None:
    """Stand for numpy.ndarray, which pickles name but do not call."""


def _array(*_arguments: object) -> PickledArray:
    return PickledArray()


def _scalar(kind: _PickledType, raw: bytes | str) -> Any:
    data = raw.encode("latin1") if isinstance(raw, str) else raw
    return np.frombuffer(data, dtype=kind.dtype)[0].item()


def _encoded(text: str, encoding: str) -> bytes:
    """Return the bytes that Python 3 wrote as text for Python 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding!r}")
    return text.encode("latin1")


_NAMES: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _array_class,
    ("numpy", "dtype"): _PickledType,
    ("_codecs", "encode"): _encoded,
    **{(module, "_reconstruct"): _array for module in ("numpy.core.multiarray", "numpy._core.multiarray")},
    **{(module, "scalar"): _scalar for module in ("numpy.core.multiarray", "numpy._core.multiarray")},
    **{(module, kind.__name__): kind for module in ("builtins", "__builtin__") for kind in (set, frozenset)},
}


class _RestrictedUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        if (module, name) not in _NAMES:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is refused")
        return _NAMES[module, name]
