import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import earmark
from earmark.training.evaluation.provenance import PLACE

SOURCE = Path(earmark.__file__).parent
CODE = "from earmark.training.evaluation.provenance import commit; print(commit())"

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs the program git")


def git(folder: Path, *arguments: str) -> str:
    named = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    done = subprocess.run(["git", *named, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def place(packages: Path) -> Path:
    """The few files of earmark that tell the commit, below a folder of packages."""
    wanted = (Path("earmark"), Path("earmark/training"), Path("earmark/training/evaluation"))
    for folder in wanted:
        (packages / folder).mkdir(parents=True)
        (packages / folder / "__init__.py").write_text("")
    shutil.copy(SOURCE / PLACE.relative_to("src/earmark"), packages / PLACE.relative_to("src"))
    return packages


def told(packages: Path, **further: str) -> str:
    """What earmark in a folder of packages says of its commit."""
    environment = os.environ | {"PYTHONPATH": str(packages)} | further
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def repository(folder: Path) -> Path:
    """A repository with one commit that has nothing to do with earmark."""
    folder.mkdir(exist_ok=True)
    git(folder, "init", "-q")
    (folder / "theirs.txt").write_text("theirs")
    git(folder, "add", "theirs.txt")
    git(folder, "commit", "-q", "-m", "Theirs")
    return folder


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        (".venv/lib/python3/site-packages", False),
        (".venv/lib/python3/site-packages", True),
        ("third_party/earmark/src", True),
        ("src", False),
    ],
)
def test_in_the_repository_of_another_project_there_is_no_commit(tmp_path: Path, where: str, kept: bool) -> None:
    theirs = repository(tmp_path / "theirs")
    packages = place(theirs / where)
    if kept:
        git(theirs, "add", "--force", ".")
        git(theirs, "commit", "-q", "-m", "With earmark")
    assert told(packages) == "unknown"


def test_in_its_own_repository_it_is_the_commit(tmp_path: Path) -> None:
    packages = place(tmp_path / "own" / "src")
    own = packages.parent
    git(own, "init", "-q")
    git(own, "add", ".")
    git(own, "commit", "-q", "-m", "Ours")
    head = git(own, "rev-parse", "HEAD")[:10]
    assert told(packages) == head
    theirs = repository(tmp_path / "theirs")
    assert told(packages, GIT_DIR=str(theirs / ".git")) == head, "as where git runs it, in a hook of another repository"
    with (packages / PLACE.relative_to("src")).open("a") as file:
        file.write("# changed\n")
    assert told(packages) == f"{head}-dirty"


def test_outside_of_any_repository_and_without_git(tmp_path: Path) -> None:
    packages = place(tmp_path / "packages")
    assert told(packages, GIT_CEILING_DIRECTORIES=str(tmp_path)) == "unknown"
    assert told(packages, PATH=str(tmp_path)) == "unknown"


def test_this_checkout_knows_its_commit() -> None:
    if not (SOURCE.parents[1] / ".git").exists():
        pytest.skip("earmark is not run from a checkout")
    assert re.fullmatch(r"[0-9a-f]{10,}(-dirty)?", told(SOURCE.parent))
