import sys
from pathlib import Path

import pytest

from earmark.library.place import default_library


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {}, "home/.local/share/earmark/music.earmark"),
        ("linux", {"XDG_DATA_HOME": "data"}, "data/earmark/music.earmark"),
        ("darwin", {}, "home/Library/Application Support/earmark/music.earmark"),
        ("win32", {"LOCALAPPDATA": "local"}, "local/earmark/music.earmark"),
        ("win32", {}, "home/AppData/Local/earmark/music.earmark"),
    ],
)
def test_every_system_has_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str, variables: dict[str, str], expected: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    for name in ("XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    assert default_library() == tmp_path / expected
    assert list(tmp_path.iterdir()) == [], "nothing is made"
