"""Drawing in tests: a made-up run as it is read, and figures that are measured after layout."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib", reason="needs the extra train")
pytest.importorskip("pydantic", reason="needs the extra train")

from earmark.plots import style
from earmark.training.figures.measured import MeasuredRun, read_run
from training.figures.builders import make_document, write_run


@pytest.fixture
def made_up(tmp_path: Path) -> Callable[..., MeasuredRun]:
    """Makes a run of the options of `make_document` and reads it."""

    def make(**options: Any) -> MeasuredRun:
        return read_run(write_run(tmp_path / "run", make_document(**options)))

    return make


@pytest.fixture
def house() -> Iterator[None]:
    """The house style around a test."""
    with style.house():
        yield
