"""Pickles of other people's making: plain data comes through, everything else is refused unrun."""

import collections
import datetime
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earmark.errors import DatasetError
from earmark.training.datasets.restricted_pickle import PickledArray, read_pickle


def _read(folder: Path, data: bytes) -> Any:
    (folder / "x.pkl").write_bytes(data)
    return read_pickle(folder / "x.pkl")


@pytest.mark.parametrize("protocol", range(6))
def test_plain_data_comes_through(tmp_path: Path, protocol: int) -> None:
    content = {"a": [1, 2.5, None, True, (b"\xe9", "é")], 3: {"x", "y"}, "z": frozenset({1})}
    assert _read(tmp_path, pickle.dumps(content, protocol=protocol)) == content


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("kind", ["<f8", ">f4", "i4", "?", "u1", "S5", "<U3"])
def test_arrays_come_through(tmp_path: Path, protocol: int, kind: str) -> None:
    for array in (np.ones((3, 1), kind), np.asfortranarray(np.arange(6).reshape(2, 3).astype(kind))):
        read = _read(tmp_path, pickle.dumps({"v": array}, protocol=protocol))["v"]
        assert isinstance(read, PickledArray) and read.values.dtype == array.dtype
        np.testing.assert_array_equal(np.asarray(read), array)
    assert _read(tmp_path, pickle.dumps(np.float64(2.5), protocol=protocol)) == 2.5


def test_text_of_python_2_comes_through(tmp_path: Path) -> None:
    # What Python 2 wrote for ["TRA", u"\xe9"] and for numpy.ones((2, 1), "f4"), at its protocol 2.
    assert _read(tmp_path, b"\x80\x02]q\x01(U\x03TRAq\x02X\x02\x00\x00\x00\xc3\xa9q\x03e.") == ["TRA", "é"]
    array = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87Rq\x03"
        b"(K\x01K\x02K\x01\x86cnumpy\ndtype\nq\x04U\x02f4K\x00K\x01\x87Rq\x05(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff"
        b"\xff\xffK\x00tb\x89U\x08\x00\x00\x80?\x00\x00\x80?tb."
    )
    np.testing.assert_array_equal(_read(tmp_path, array), np.ones((2, 1), np.float32))


class _Runs:
    def __reduce__(self) -> Any:
        return os.mkdir, ("made",)


@pytest.mark.parametrize(
    "content",
    [
        _Runs(),
        datetime.date(2017, 1, 1),
        collections.OrderedDict(a=1),
        eval,
        np.array([{"a": 1}], dtype=object),
        np.zeros(2, dtype=[("a", "i4")]),
        np.array(["2017-01-01"], dtype="M8[D]"),
    ],
)
def test_anything_else_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: object) -> None:
    monkeypatch.chdir(tmp_path)
    for protocol in (0, 2, 5):
        with pytest.raises(DatasetError, match="no pickle of plain data"):
            _read(tmp_path, pickle.dumps([content], protocol=protocol))
    assert [path.name for path in tmp_path.iterdir()] == ["x.pkl"]


def test_an_array_whose_bytes_do_not_fit_is_refused(tmp_path: Path) -> None:
    data = pickle.dumps(np.ones(4), protocol=2).replace(b"K\x04\x85", b"K\x7f\x85")
    with pytest.raises(DatasetError, match="no pickle of plain data"):
        _read(tmp_path, data)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=40), st.integers(0, 200), st.integers(0, 255))
def test_damage_is_one_clear_error(tmp_path_factory: Any, noise: bytes, place: int, byte: int) -> None:
    folder = tmp_path_factory.mktemp("pickle")
    whole = bytearray(pickle.dumps({"a": np.ones(3), "b": ["x"]}, protocol=2))
    whole[place % len(whole)] = byte
    for data in (noise, bytes(whole)):
        try:
            _read(folder, data)
        except DatasetError as error:
            assert "x.pkl" in str(error)


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="Cannot read"):
        read_pickle(tmp_path / "x.pkl")
