"""Where numbers come from: commit, machine, versions."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import torch


def commit() -> str:
    """The commit of the checkout that runs, with a mark where files were changed; "unknown" outside a checkout."""
    folder = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=10", "--exclude=*"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def machine() -> str:
    """The machine in words: processor, cores that torch uses, GPU."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{platform.machine()}, {torch.get_num_threads()} threads, {gpu}"


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    packages = ("numpy", "torch", "lightning", "scikit-learn", "soundfile", "soxr", "av")
    return {"python": platform.python_version(), **{package: version(package) for package in packages}}
