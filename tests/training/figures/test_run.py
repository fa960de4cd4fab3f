import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from earmark.cli.main import app
from earmark.errors import MissingExtraError, PictureError, TrainingError
from earmark.training.figures import draw_run
from training.figures.builders import make_document, write_run

NAMES = [
    "figure-1-architecture",
    "figure-2-local-and-global",
    "figure-3-levels",
    "figure-4-scale-combinations",
    "figure-5-gains",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "made-up", make_document((18, 27)))


def _nothing(line: str) -> None:
    del line


def test_all_figures_as_png_and_svg(folder: Path, tmp_path: Path) -> None:
    said: list[str] = []
    written = draw_run(folder, tmp_path / "figures", say=said.append)
    assert said == []
    assert [path.name for path in written] == [f"{name}.{ending}" for name in NAMES for ending in ("png", "svg")]
    for path in written:
        start = path.read_bytes()[:500]
        assert start.startswith(b"\x89PNG\r\n") or b"<svg" in start or b"<?xml" in start
        assert path.stat().st_size > 5_000


def test_the_same_run_is_the_same_file(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", make_document((18,), ("level-subsets",)))
    one, other = (draw_run(folder, tmp_path / place, ("svg", "pdf"), say=_nothing) for place in ("one", "other"))
    for first, second in zip(one, other, strict=True):
        assert first.read_bytes() == second.read_bytes()


def test_what_was_not_measured_is_said_with_what_to_add(tmp_path: Path) -> None:
    said: list[str] = []
    folder = write_run(tmp_path / "run", make_document((18, 27), ("local",)))
    written = draw_run(folder, formats=("svg",), say=said.append)
    assert [path.relative_to(folder) for path in written] == [Path("figures", "figure-1-architecture.svg")]
    assert [line.split(" ")[0] for line in said] == NAMES[1:]
    for line, key in zip(said, ("multi-level", "level-subsets", "scale-subsets", "single-levels"), strict=True):
        assert "not drawn" in line and f'"{key}"' in line and "evaluation.compare" in line


def test_places_that_cannot_be_written(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError, match="cannot be made"):
        draw_run(folder, tmp_path / "file" / "figures", say=print)
    (tmp_path / "figures" / "figure-1-architecture.svg").mkdir(parents=True)
    with pytest.raises(PictureError, match="name another place"):
        draw_run(folder, tmp_path / "figures", ("svg",), say=print)


def test_without_matplotlib_the_line_that_installs_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r'pip install "earmark\[plot\]"'):
        draw_run(folder, tmp_path, say=print)


def test_importing_loads_neither_matplotlib_nor_torch_and_drawing_no_torch(folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from earmark.training.figures import draw_run; before = 'matplotlib' in sys.modules;"
        f"draw_run(pathlib.Path({str(folder)!r}), pathlib.Path({str(tmp_path)!r}), ('svg',), say=print);"
        "print(before, 'matplotlib' in sys.modules, 'torch' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "False", "False"]


def test_the_command(folder: Path, tmp_path: Path) -> None:
    options = ["figures", str(folder), "--output", str(tmp_path), "--format", "svg", "--level-scale", "18"]
    done = CliRunner().invoke(app, options)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [str(tmp_path / f"{name}.svg") for name in NAMES]
    done = CliRunner().invoke(app, ["figures", str(tmp_path / "absent")])
    assert isinstance(done.exception, TrainingError)
