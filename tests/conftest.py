"""Fixtures that every test may use."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real music beside the checkout, or a skip with the reason."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not (folder / "emotify" / "tracks.csv").exists():
        pytest.skip("needs the real music in ../shared/data, which is not here")
    return folder
