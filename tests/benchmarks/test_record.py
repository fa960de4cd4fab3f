"""What `benchmarks/run.py` stores, and what it says against what was stored before."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "record.py"


@pytest.fixture(scope="module")
def keeping() -> ModuleType:
    """benchmarks/record.py, which is no part of the package."""
    described = importlib.util.spec_from_file_location("benchmark_record", FILE)
    assert described is not None
    assert described.loader is not None
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return module


def test_a_record_says_where_it_was_taken(keeping: ModuleType, tmp_path: Path) -> None:
    document = keeping.record({"one": {"speed": [1.0, 3.0, 2.0]}})
    assert set(document) == {"created", "commit", "machine", "versions", "benchmarks"}
    assert "numpy" in document["versions"]
    file = keeping.store(document, tmp_path / "results")
    assert json.loads(file.read_text(encoding="utf-8")) == document


def test_the_last_record_with_a_benchmark_is_found(keeping: ModuleType, tmp_path: Path) -> None:
    assert keeping.last_stored("one", tmp_path) is None
    for day, figures in (("01", {"one": 1.0}), ("02", {"one": 2.0}), ("03", {"other": 3.0})):
        keeping.store(keeping.record(figures) | {"created": f"2026-01-{day}T00:00:00+00:00"}, tmp_path)
    assert keeping.last_stored("one", tmp_path)["benchmarks"] == {"one": 2.0}


def test_middles_have_their_places(keeping: ModuleType) -> None:
    figures = {"speed": {"a": [1.0, 5.0, 3.0], "b": 2}, "name": "random", "none": [], "flag": True}
    assert dict(keeping.middles(figures)) == {"speed / a": 3.0, "speed / b": 2.0}


def test_changes_are_told_and_noise_is_not(keeping: ModuleType) -> None:
    earlier = keeping.record({"one": {"a": [100.0], "b": [100.0], "gone": 1.0}})
    lines = keeping.comparison("one", {"a": [101.0], "b": [150.0], "new": 1.0}, earlier)
    assert lines[1:] == ["  b: 100, now 150 (+50%)", "  1 of 2 figures are within 3%"]
    assert keeping.comparison("one", {}, None) == ["one: nothing is stored to compare with"]
