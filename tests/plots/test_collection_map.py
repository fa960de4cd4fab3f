from pathlib import Path

import numpy as np
import pytest

from earmark.errors import PictureError

pytest.importorskip("matplotlib", reason="needs the extra plot")

from earmark.plots import draw_collection_map


def test_a_map_is_drawn_with_many_tags_and_with_no_tracks(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    points = generator.uniform(-1, 1, (500, 2)).astype(np.float32)
    labels = tuple(f"tag ${number}$" for number in range(20))
    for name, count in (("many.png", 500), ("one.svg", 1), ("none.png", 0)):
        draw_collection_map(points[:count], generator.integers(0, 20, count), labels, 0.25, tmp_path / name)
        assert (tmp_path / name).stat().st_size > 2_000


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    points, tag = np.zeros((1, 2), np.float32), np.zeros(1, np.int64)
    with pytest.raises(PictureError, match="its name has to end in"):
        draw_collection_map(points, tag, ("a",), 0.5, tmp_path / "map.exe")
    with pytest.raises(PictureError, match="its folder is not there"):
        draw_collection_map(points, tag, ("a",), 0.5, tmp_path / "absent" / "map.png")
