"""`earmark doctor`: is everything here that earmark needs, and what is to be done where it is not?"""

import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import typer

from earmark import __version__
from earmark.cli.output import json_text, show
from earmark.errors import EarmarkError

State = Literal["ok", "note", "wrong"]

EXTRAS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "train": (
        ("torch", "torch"),
        ("lightning", "lightning"),
        ("filelock", "filelock"),
        ("scikit-learn", "sklearn"),
        ("pydantic", "pydantic"),
        ("matplotlib", "matplotlib"),
    ),
    "plot": (("matplotlib", "matplotlib"),),
    "teach": (("scikit-learn", "sklearn"),),
    "onnx": (("onnxruntime", "onnxruntime"),),
    "serve": (
        ("fastapi", "fastapi"),
        ("uvicorn", "uvicorn"),
        ("pydantic", "pydantic"),
        ("python-multipart", "python_multipart"),
        ("prometheus-client", "prometheus_client"),
    ),
    "cluster": (("ray", "ray"),),
    "export": (("pyarrow", "pyarrow"),),
    "live": (("sounddevice", "sounddevice"),),
}
"""The packages of each extra, as pip and as Python name them."""
LEAST_FREE_BYTES = 500_000_000
GIGABYTE = 1e9


@dataclass(frozen=True)
class Finding:
    """One thing looked at: its state, what was found, and what to do where it is not well."""

    what: str
    state: State
    found: str
    do: str = ""


def doctor(
    model: Annotated[
        str | None, typer.Option(help="Also check this model; without it the bundled ones.", show_default=False)
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--library", help="The library's file; without it yours in your data folder.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Check decoders, extras, models, cores, the library and free space; exit status 1 when something is wrong."""
    findings = list(_findings(model, file))
    if as_json:
        show(json_text([vars(finding) for finding in findings], indent=1))
    else:
        for finding in findings:
            typer.echo(f"{finding.state:5}  {finding.what:9}  {finding.found}")
            if finding.do:
                typer.echo(f"{'':5}  {'':9}  -> {finding.do}")
    if any(finding.state == "wrong" for finding in findings):
        raise typer.Exit(1)


def _findings(model: str | None, file: Path | None) -> Iterator[Finding]:
    from earmark.library.place import default_library

    place = default_library() if file is None else file.expanduser()
    system = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    yield Finding("earmark", "ok", f"{__version__}, {system}")
    yield from _decoders()
    yield from _models(model)
    yield _cores()
    yield _library(place, named=file is not None)
    yield _space(place)
    yield from _extras()


def _decoders() -> Iterator[Finding]:
    from earmark.audio.decoders import check_decoders

    again = 'install it again: pip install --force-reinstall --no-cache-dir "earmark"'
    for check in check_decoders():
        if check.fault:
            yield Finding("decoder", "wrong", f"{check.name}: {check.fault}", again)
        else:
            yield Finding("decoder", "ok", check.name)


def _models(named: str | None) -> Iterator[Finding]:
    from earmark.tagging.bundle import bundle as bundled
    from earmark.tagging.tagger import load

    names = bundled.models() if named is None else [named]
    if not names:
        yield Finding(
            "model",
            "wrong",
            "none comes with this version",
            "train one with `earmark train RECIPE` and name its folder with --model",
        )
    for name in names:
        try:
            card = load(name).card
        except EarmarkError as error:
            yield Finding("model", "wrong", f"{name}: {error}", "install earmark again, or name another model")
            continue
        calibrated = "calibrated" if card.calibration else "not calibrated: its probabilities promise nothing"
        yield Finding("model", "ok", f"{name}: {len(card.tags)} tags, {calibrated}, {card.licence}")


def _cores() -> Finding:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    found = f"{usable} of {os.cpu_count() or 1} may be used"
    threads = os.environ.get("OPENBLAS_NUM_THREADS", "1")
    if threads != "1":
        do = "unset OPENBLAS_NUM_THREADS: more threads a process make earmark slower, more processes (--jobs) faster"
        return Finding("cores", "note", f"{found}; OPENBLAS_NUM_THREADS is {threads}", do)
    return Finding("cores", "ok", found)


def _library(place: Path, *, named: bool) -> Finding:
    from earmark.library.library import Library

    if not place.exists():
        do = "make one with `earmark library add FOLDER`"
        return Finding("library", "wrong" if named else "note", f"none at {place}", do)
    try:
        with Library(place) as opened:
            healthy = opened.store.row("PRAGMA quick_check")
            failed, tracks = len(opened.failures()), len(opened)
            left_out = opened.left_out() if tracks else 0
    except EarmarkError as error:
        return Finding("library", "wrong", str(error), "bring back a copy, or name another with --library")
    if healthy != ("ok",):
        found = f"{place}: {healthy[0] if healthy else 'no answer'}"
        return Finding("library", "wrong", found, "bring back a copy of it, or add the music to a new one")
    size = f"{place.stat().st_size / 1e6:.1f} MB"
    found = f"{place}: {tracks} recordings, {size}"
    if left_out:
        do = "add their folders again with the model that is to be searched"
        return Finding("library", "note", f"{found}; {left_out} were heard by another model", do)
    if failed:
        return Finding("library", "note", f"{found}; {failed} files failed", "`earmark library failures` says why")
    return Finding("library", "ok", found)


def _space(place: Path) -> Finding:
    folder = next(parent for parent in (place, *place.absolute().parents) if parent.is_dir())
    free = shutil.disk_usage(folder).free
    # The file of vectors beside a library, and SQLite's own, take as much again.
    needed = max(LEAST_FREE_BYTES, place.stat().st_size if place.exists() else 0)
    found = f"{free / GIGABYTE:.1f} GB free at {folder}"
    if free < needed:
        do = f"make room: {needed / GIGABYTE:.1f} GB are needed, or put the library elsewhere with --library"
        return Finding("space", "wrong", found, do)
    return Finding("space", "ok", found)


def _extras() -> Iterator[Finding]:
    for extra, packages in EXTRAS.items():
        missing = [package for package, module in packages if module not in sys.modules and find_spec(module) is None]
        if missing:
            found = f"{extra}: not installed ({', '.join(missing)})"
            yield Finding("extra", "note", found, f'where it is wanted: pip install "earmark[{extra}]"')
        else:
            there = ", ".join(f"{package} {_version(package)}" for package, _ in packages)
            yield Finding("extra", "ok", f"{extra}: {there}")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "of unknown version"
