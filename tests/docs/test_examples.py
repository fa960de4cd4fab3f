"""README's and the tutorial's examples, run as they stand, on made songs in a folder of their own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

for package in ("torch", "sklearn", "matplotlib"):
    pytest.importorskip(package, reason="needs the extra train")

from docs.fences import ROOT, Fence, fences, shell_lines
from docs.not_run import NOT_RUN, reason
from docs.world import make_world

TUTORIAL = [ROOT / "docs" / "tutorial" / f"{name}.md" for name in ("first-song", "collection", "own-words")]
RUN = {"readme": [ROOT / "README.md"], "tutorial": TUTORIAL, "python": [ROOT / "docs" / "how-to" / "python.md"]}
"""Pages whose examples are run, those of one name one after another in one folder."""
LIMIT_SECONDS = 600


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("world") / "home"
    place.mkdir()
    make_world(place)
    return place


@pytest.fixture
def home(world: Path, tmp_path: Path) -> Path:
    """A copy of the world, with commands `earmark` and `python` that are those of this checkout."""
    place = tmp_path / "home"
    shutil.copytree(world, place)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, options in (("earmark", " -m earmark"), ("python", "")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}"{options} "$@"\n')
        program.chmod(0o755)
    return place


def called(command: list[str], home: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("XDG_", "PYTEST_"))}
    environment |= {"HOME": str(home), "PATH": f"{home.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    environment |= {"OMP_NUM_THREADS": "1", "MPLCONFIGDIR": str(home / ".matplotlib")}
    return subprocess.run(
        command, cwd=home, env=environment, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
    )


def python_blocks(pages: list[Path]) -> Iterator[Fence]:
    return (fence for page in pages for fence in fences(page) if fence.language == "python")


@pytest.mark.slow
@pytest.mark.parametrize("name", RUN)
def test_examples_run_as_they_stand(name: str, home: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("needs a bash, which the examples are written for")
    for page in RUN[name]:
        earlier = ""
        for fence in fences(page):
            if fence.language == "sh":
                for line in shell_lines(fence):
                    if reason(line) is None:
                        done = called(["bash", "-c", line], home)
                        assert done.returncode == 0, f"{fence.place}: {line}\n{done.stdout}\n{done.stderr}"
            elif fence.language == "python":
                # A page's blocks are one program, told in parts.
                earlier += f"\n{fence.text}"
        if earlier:
            program = home / "example.py"
            program.write_text(earlier, encoding="utf-8")
            done = called([sys.executable, str(program)], home)
            assert done.returncode == 0, f"{page.relative_to(ROOT)}\n{done.stdout}\n{done.stderr}"


def test_what_is_not_run_is_there_and_has_a_reason() -> None:
    lines = [
        line
        for pages in RUN.values()
        for page in pages
        for fence in fences(page)
        if fence.language == "sh"
        for line in shell_lines(fence)
    ]
    assert len(lines) >= 30
    for start, why in NOT_RUN.items():
        assert why
        assert any(line.startswith(start) for line in lines), f"nothing begins with {start!r} any more"


@pytest.mark.parametrize("name", RUN)
def test_pages_that_are_run_have_examples(name: str) -> None:
    for page in RUN[name]:
        known = {fence.language for fence in fences(page)}
        assert known & {"sh", "python"}, page
        for fence in fences(page):
            commands = [line for line in shell_lines(fence) if line.startswith(("earmark ", "pip "))]
            assert fence.language == "sh" or not commands, f"{fence.place}: name its language, sh, to have it run"
