"""The pictures that explain levels and scales: drawn, and true to what the networks do."""

import re
from pathlib import Path

import numpy as np
import pytest

for package in ("pydantic", "matplotlib"):
    pytest.importorskip(package, reason="needs the extra train")

import draw

from earmark.tagging.engines.network import LocalNetwork

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shown() -> draw.Example:
    return draw.example()


def test_the_levels_that_are_drawn_are_those_of_the_network(shown: draw.Example) -> None:
    for extractor in shown.bundle.card.extractors:
        segment = shown.frames[: extractor.segment_length]
        network = LocalNetwork(extractor, shown.bundle.weights)
        kept = np.concatenate([each.max(axis=0) for each in shown.levels(extractor.name, segment)])
        np.testing.assert_allclose(kept, network(segment[np.newaxis]).levels[0], rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_every_picture_of_the_explanation_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shown: draw.Example
) -> None:
    monkeypatch.setattr(draw, "FIGURES", tmp_path)
    monkeypatch.setattr(draw, "example", lambda: shown)
    draw.main()
    drawn = {path.name for path in tmp_path.iterdir()}
    assert all(path.stat().st_size > 20_000 for path in tmp_path.iterdir())
    page = (ROOT / "docs" / "explanation" / "levels-and-scales.md").read_text(encoding="utf-8")
    assert set(re.findall(r"figures/(explained-[\w-]+\.png)", page)) == drawn
    assert {path.name for path in (ROOT / "docs" / "figures").glob("explained-*")} == drawn
