"""Describes where numbers come from: machine and versions."""

import platform
from importlib.metadata import version

import torch


def machine() -> str:
    """Describe the machine: processor, cores that torch uses, GPU."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return f"{platform.machine()}, {torch.get_num_threads()} threads, {gpu}"


def versions() -> dict[str, str]:
    """Return the versions of the packages that the numbers depend on."""
    packages = ("numpy", "torch", "lightning", "scikit-learn", "soundfile", "soxr", "av")
    return {"python": platform.python_version(), **{package: version(package) for package in packages}}
