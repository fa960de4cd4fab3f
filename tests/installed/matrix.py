"""Install the wheel under every Python found, with the lowest and the newest versions, and use it: make test-matrix.

Each cell is an environment of its own that holds earmark, or earmark and one extra, and nothing else; smoke.py uses it.
Lowest are the oldest versions that pyproject.toml allows and that have a wheel for that Python. Exit status 1 when a
cell failed; a Python that this machine lacks, and an extra without wheels for one, are told and no failure.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).resolve().parents[2]
SMOKE = Path(__file__).with_name("smoke.py")
EXTRAS = ("serve", "teach", "onnx", "export", "plot")
NO_NETWORK = re.compile(r"error sending request|failed to fetch|dns error|timed out|connect error", re.IGNORECASE)

Versions = Literal["lowest", "newest"]
State = Literal["ok", "FAILED", "no wheels", "no index"]


@dataclass(frozen=True)
class Cell:
    """One environment: a Python such as 3.12, which versions, and "core" or an extra."""

    python: str
    versions: Versions
    part: str


@dataclass(frozen=True)
class Result:
    """What came of a cell: its state, what was said where it is not ok, and the versions that were installed."""

    state: State
    said: str
    installed: Mapping[str, str]
    seconds: float


class Project:
    """What pyproject.toml says of Pythons and dependencies."""

    def __init__(self) -> None:
        described: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        kinds = "\n".join(described["classifiers"])
        self.pythons: list[str] = re.findall(r"Python :: (3\.\d+)$", kinds, re.MULTILINE)
        self.core: list[str] = described["dependencies"]
        self.extras: dict[str, list[str]] = described["optional-dependencies"]

    def needed(self, part: str) -> list[str]:
        """The requirements of a part, those of the core included."""
        return self.core if part == "core" else [*self.core, *self.extras[part]]


def found_pythons(wanted: Sequence[str]) -> dict[str, Path]:
    """A working interpreter of each of the wanted versions, such as 3.12, as far as this machine has them."""
    found = {}
    for version in wanted:
        for program in _candidates(version):
            told = [program, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
            done = subprocess.run(told, capture_output=True, text=True)
            if done.returncode == 0 and done.stdout.strip() == version:
                found[version] = Path(program)
                break
    return found


def _candidates(version: str) -> Iterator[str]:
    yield from filter(None, [shutil.which(f"python{version}")])
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    yield from map(str, sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True))


class Workshop:
    """A folder in which the wheel is built once and every cell is installed and used."""

    def __init__(self, folder: Path, pythons: Mapping[str, Path], uv: str) -> None:
        self.folder = folder
        self.pythons = pythons
        self.uv = uv
        self.project = Project()
        self.wheel = Path()

    def build(self) -> None:
        """Build the wheel; raises CalledProcessError where that fails."""
        self._uv("build", "--wheel", "--out-dir", self.folder / "wheel", ROOT)
        [self.wheel] = (self.folder / "wheel").glob("*.whl")

    def run(self, cell: Cell) -> Result:
        """Install a cell and use it."""
        started = time.monotonic()
        place = self.folder / f"{cell.python}-{cell.versions}-{cell.part}"
        python = place / "bin" / "python"
        try:
            self._uv("venv", "--python", self.pythons[cell.python], place)
            wheel = str(self.wheel) if cell.part == "core" else f"earmark[{cell.part}] @ {self.wheel.as_uri()}"
            # Only what is named here takes its lowest version; what a dependency needs in turn takes its newest.
            resolution = "lowest-direct" if cell.versions == "lowest" else "highest"
            needed = self.project.needed(cell.part)
            options = ["--python", python, "--resolution", resolution, "--only-binary", ":all:"]
            self._uv("pip", "install", *options, wheel, *needed)
            frozen = self._uv("pip", "freeze", "--python", python)
        except subprocess.CalledProcessError as error:
            return Result(_why(error.stderr, cell.part), error.stderr, {}, time.monotonic() - started)
        installed = dict(re.findall(r"^([\w.-]+)==(\S+)$", frozen, re.MULTILINE))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environment |= {
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "PATH": f"{python.parent}{os.pathsep}{os.defpath}",
        }
        used = subprocess.run(
            [python, "-I", SMOKE, cell.part],
            cwd=place,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        shutil.rmtree(place)
        state: State = "ok" if used.returncode == 0 else "FAILED"
        return Result(state, used.stdout, installed, time.monotonic() - started)

    def _uv(self, *arguments: object) -> str:
        command = [self.uv, "--quiet", "--no-progress", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=self.folder).stdout


def _why(said: str, part: str) -> State:
    """Why something could not be installed."""
    if NO_NETWORK.search(said):
        return "no index"
    return "no wheels" if part != "core" and "No solution found" in said else "FAILED"


def table(project: Project, parts: Sequence[str], results: Mapping[Cell, Result]) -> Iterator[str]:
    """The lines that say how it went: a row a Python and versions, a column a part."""
    yield f"{'Python':8}{'versions':10}" + "".join(f"{part:11}" for part in parts).rstrip()
    rows = dict.fromkeys((cell.python, cell.versions) for cell in results)
    for python in project.pythons:
        mine = [row for row in rows if row[0] == python]
        if not mine:
            yield f"{python:8}not on this machine, or not asked for"
        for _, versions in mine:
            states = [results[Cell(python, versions, part)].state for part in parts]
            yield f"{python:8}{versions:10}" + "".join(f"{state:11}" for state in states).rstrip()
    names = [re.split(r"[<>=!~ ;\[]", requirement)[0] for requirement in project.core]
    for python, versions in rows:
        installed = results[Cell(python, versions, parts[0])].installed
        if installed:
            yield f"{python} {versions}: " + ", ".join(f"{name} {installed.get(name, '?')}" for name in names)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", help="only this one, such as 3.12; again for more")
    parser.add_argument("--versions", choices=("lowest", "newest"), action="append", help="only these")
    parser.add_argument("--part", choices=("core", *EXTRAS), action="append", help="only this one; again for more")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="cells at a time")
    parser.add_argument(
        "--uv", default=shutil.which("uv", path=Path(sys.executable).parent) or "uv", help="the program uv"
    )
    parser.add_argument(
        "--index-may-be-absent", action="store_true", help="exit status 0 where no package index can be reached"
    )
    options = parser.parse_args()
    project = Project()
    pythons = found_pythons(options.python or project.pythons)
    parts: Sequence[str] = options.part or ("core", *EXTRAS)
    cells = [
        Cell(python, versions, part)
        for python in pythons
        for versions in options.versions or ("lowest", "newest")
        for part in parts
    ]
    with tempfile.TemporaryDirectory() as folder:
        workshop = Workshop(Path(folder), pythons, options.uv)
        try:
            workshop.build()
        except subprocess.CalledProcessError as error:
            print(f"The wheel could not be built, and nothing was tried:\n{error.stderr}")
            return 0 if options.index_may_be_absent and NO_NETWORK.search(error.stderr) else 1
        results = {}
        with ThreadPoolExecutor(options.jobs) as pool:
            for cell, result in zip(cells, pool.map(workshop.run, cells), strict=True):
                results[cell] = result
                print(f"{cell.python} {cell.versions} {cell.part}: {result.state}, {result.seconds:.0f} s", flush=True)
                if result.state != "ok":
                    print(result.said, flush=True)
    print("\n".join(table(project, parts, results)))
    accepted = {"ok", "no wheels"} | ({"no index"} if options.index_may_be_absent else set())
    return 0 if all(result.state in accepted for result in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
