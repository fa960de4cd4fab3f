from pathlib import Path

import pytest
from tagging.builders import write_random_bundle
from typer.testing import CliRunner

from earmark.cli.main import app
from earmark.tagging.bundle import bundle as bundled


def test_bundled_models_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_random_bundle(tmp_path / "small", tags=3)
    write_random_bundle(tmp_path / "large", tags=7)
    monkeypatch.setattr(bundled, "_folder", lambda: tmp_path)
    result = CliRunner().invoke(app, ["models"])
    assert result.exit_code == 0
    assert result.stdout == "large\t7 tags\tscales 18+27+54\tCC0-1.0\nsmall\t3 tags\tscales 18+27+54\tCC0-1.0\n"
    assert result.stderr == ""


def test_where_none_is_bundled_it_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled, "_folder", lambda: tmp_path)
    result = CliRunner().invoke(app, ["models"])
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "No model is bundled yet. Train one with: earmark train" in result.stderr
