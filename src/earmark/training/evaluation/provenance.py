"""The origin of measured numbers: the commit of the code, the machine, and the versions of packages."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

PLACE = Path("src/earmark/training/evaluation/provenance.py")
"""The place of this file in earmark's own repository."""


def commit() -> str:
    """Return the commit of the checkout of earmark that runs, such as "3429df9a01"; outside a checkout "unknown".

    The commit ends in "-dirty" where tracked files were changed.
    """
    here = Path(__file__).resolve()
    try:
        # An installed earmark may lie in the repository of another project, whose commit says nothing about earmark.
        if here != Path(_git(here.parent, "rev-parse", "--show-toplevel")).resolve() / PLACE:
            return "unknown"
        _git(here.parent, "ls-files", "--error-unmatch", here.name)
        return _git(here.parent, "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(folder: Path, *arguments: str) -> str:
    """Run git in a folder and return its output.

    Raises:
        CalledProcessError: git fails.
        OSError: git is not installed.
    """
    # Git sets GIT_DIR and similar variables for its hooks; they would name another repository than the folder's.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(["git", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def machine() -> str:
    """Describe the machine: its processor, the threads that torch uses, and its GPU."""
    # Imported here, because `commit` is also read by programs that do not need torch.
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{platform.machine()}, {torch.get_num_threads()} threads, {gpu}"


def versions() -> dict[str, str]:
    """Return the version of Python and those of the packages that results depend on, by name."""
    packages = ("numpy", "torch", "lightning", "scikit-learn", "soundfile", "soxr", "av")
    return {"python": platform.python_version(), **{package: version(package) for package in packages}}
