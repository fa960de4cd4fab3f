"""Run `earmark doctor`, which checks what earmark needs and says how to repair what is wrong."""

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
    "watch": (("watchfiles", "watchfiles"),),
}
"""The packages of each extra, with the names that pip and Python use."""
LEAST_FREE_BYTES = 500_000_000
GIGABYTE = 1e9


@dataclass(frozen=True)
class CheckResult:
    """The result of one check.

    what: the thing checked. state: ok, note or wrong. found: a description. do: what to do, unless the state is ok.
    """

    what: str
    state: State
    found: str
    do: str = ""


def doctor(
    model: Annotated[
        str | None,
        typer.Option(help="Model to check, as a folder or name; default: the bundled models.", show_default=False),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--library", help="File of the library; default: the one in your data folder.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Check decoders, extras, models, processors, the library and free disk space.

    The exit status is 1 if something is wrong.
    """
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


def _findings(model: str | None, file: Path | None) -> Iterator[CheckResult]:
    from earmark.library.store import default_library

    place = default_library() if file is None else file.expanduser()
    system = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    yield CheckResult("earmark", "ok", f"{__version__}, {system}")
    yield from _decoders()
    yield from _models(model)
    yield _cores()
    yield _library(place, named=file is not None)
    yield _space(place)
    yield from _extras()


def _decoders() -> Iterator[CheckResult]:
    from earmark.audio.decoders import check_decoders

    again = 'install earmark again: pip install --force-reinstall --no-cache-dir "earmark"'
    for check in check_decoders():
        if check.fault:
            yield CheckResult("decoder", "wrong", f"{check.name}: {check.fault}", again)
        else:
            yield CheckResult("decoder", "ok", check.name)


def _models(named: str | None) -> Iterator[CheckResult]:
    from earmark.tagging.bundle import bundle as bundled
    from earmark.tagging.tagger import load

    names = bundled.models() if named is None else [named]
    if not names:
        yield CheckResult(
            "model",
            "wrong",
            "this installation includes none",
            "train one with `earmark train RECIPE` and pass its folder to --model",
        )
    for name in names:
        try:
            card = load(name).card
        except EarmarkError as error:
            yield CheckResult("model", "wrong", f"{name}: {error}", "install earmark again, or choose another model")
            continue
        calibrated = "calibrated" if card.calibration else "not calibrated, so its scores are not probabilities"
        yield CheckResult("model", "ok", f"{name}: {len(card.tags)} tags, {calibrated}, {card.licence}")


def _cores() -> CheckResult:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    found = f"{usable} of {os.cpu_count() or 1} are available"
    threads = os.environ.get("OPENBLAS_NUM_THREADS", "1")
    if threads != "1":
        do = "unset OPENBLAS_NUM_THREADS: more threads make earmark slower, more processes (--jobs) make it faster"
        return CheckResult("cores", "note", f"{found}; OPENBLAS_NUM_THREADS is {threads}", do)
    return CheckResult("cores", "ok", found)


def _library(place: Path, *, named: bool) -> CheckResult:
    from earmark.library.library import Library

    if not place.exists():
        do = "create one with `earmark library add FOLDER`"
        return CheckResult("library", "wrong" if named else "note", f"there is none at {place}", do)
    try:
        with Library(place) as opened:
            healthy = opened.store.row("PRAGMA quick_check")
            failed, tracks = len(opened.failures()), len(opened)
            left_out = opened.left_out() if tracks else 0
    except EarmarkError as error:
        return CheckResult("library", "wrong", str(error), "restore a copy of it, or choose another with --library")
    if healthy != ("ok",):
        found = f"{place}: {healthy[0] if healthy else 'no answer'}"
        return CheckResult("library", "wrong", found, "restore a copy of it, or add the music to a new library")
    size = f"{place.stat().st_size / 1e6:.1f} MB"
    found = f"{place}: {tracks} recordings, {size}"
    if left_out:
        do = "add their folders again with the model that searches should use"
        return CheckResult("library", "note", f"{found}; {left_out} were analysed with another model", do)
    if failed:
        return CheckResult("library", "note", f"{found}; {failed} files failed", "see `earmark library failures`")
    return CheckResult("library", "ok", found)


def _space(place: Path) -> CheckResult:
    folder = next(parent for parent in (place, *place.absolute().parents) if parent.is_dir())
    free = shutil.disk_usage(folder).free
    # The vector file and SQLite's temporary files together can be as large as the library.
    needed = max(LEAST_FREE_BYTES, place.stat().st_size if place.exists() else 0)
    found = f"{free / GIGABYTE:.1f} GB free at {folder}"
    if free < needed:
        do = f"free disk space ({needed / GIGABYTE:.1f} GB are needed), or choose another place with --library"
        return CheckResult("space", "wrong", found, do)
    return CheckResult("space", "ok", found)


def _extras() -> Iterator[CheckResult]:
    for extra, packages in EXTRAS.items():
        missing = [package for package, module in packages if module not in sys.modules and find_spec(module) is None]
        if missing:
            found = f"{extra}: not installed ({', '.join(missing)})"
            yield CheckResult("extra", "note", found, f'if you need it: pip install "earmark[{extra}]"')
        else:
            installed = ", ".join(f"{package} {_version(package)}" for package, _ in packages)
            yield CheckResult("extra", "ok", f"{extra}: {installed}")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "of unknown version"
