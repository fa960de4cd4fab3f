"""What a run of benchmarks leaves behind: one JSON with machine, versions and commit, compared with the one before."""

import importlib.metadata
import json
import os
import platform
import statistics
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from earmark.training.evaluation.provenance import commit

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("earmark", "numpy", "soundfile", "soxr", "av", "onnxruntime", "torch", "librosa", "scikit-learn", "usearch")
TOLD_FROM = 0.03
"""A smaller change of a middle is within what two runs of the same commit differ by."""


def record(figures: Mapping[str, object]) -> dict[str, object]:
    """Figures of benchmarks by their names, with where and from what they were taken."""
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "versions": versions(),
        "benchmarks": dict(figures),
    }


def store(document: Mapping[str, object], folder: Path = RESULTS) -> Path:
    """Write a record under its date and commit; returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    moment = str(document["created"])[:19].replace(":", "")
    file = folder / f"{moment}-{document['commit']}.json"
    file.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return file


def last_stored(name: str, folder: Path = RESULTS) -> Mapping[str, object] | None:
    """The latest record that holds a benchmark, or None."""
    for file in sorted(folder.glob("*.json"), reverse=True):
        document: Mapping[str, object] = json.loads(file.read_text(encoding="utf-8"))
        benchmarks = document.get("benchmarks")
        if isinstance(benchmarks, dict) and name in benchmarks:
            return document
    return None


def comparison(name: str, figures: object, earlier: Mapping[str, object] | None) -> list[str]:
    """Lines that say which figures of a benchmark have changed since an earlier record."""
    if earlier is None:
        return [f"{name}: nothing is stored to compare with"]
    benchmarks = earlier["benchmarks"]
    then = dict(middles(benchmarks[name])) if isinstance(benchmarks, dict) else {}
    lines = [f"{name}, against commit {earlier['commit']} on {earlier['machine']} ({earlier['created']}):"]
    both = [(place, value, then[place]) for place, value in middles(figures) if then.get(place)]
    for place, value, before in both:
        change = value / before - 1.0
        if abs(change) >= TOLD_FROM:
            lines.append(f"  {place}: {before:.4g}, now {value:.4g} ({change:+.0%})")
    same = len(both) - (len(lines) - 1)
    return [*lines, f"  {same} of {len(both)} figures are within {TOLD_FROM:.0%}"]


def middles(figures: object, place: str = "") -> Iterator[tuple[str, float]]:
    """Every number among figures, with its place; of several in a row their median."""
    if isinstance(figures, Mapping):
        for key, value in figures.items():
            yield from middles(value, f"{place} / {key}" if place else str(key))
    elif isinstance(figures, list) and figures and all(_is_number(value) for value in figures):
        yield place, float(statistics.median(figures))
    elif _is_number(figures):
        yield place, float(str(figures))


def machine() -> str:
    """The processor, its cores, and the system, as far as they are told."""
    processor = platform.processor() or platform.machine()
    described = Path("/proc/cpuinfo")
    if described.exists():
        names = [line.partition(":")[2].strip() for line in described.read_text().splitlines() if "model name" in line]
        processor = names[0] if names else processor
    return f"{processor}, {os.cpu_count()} cores, {platform.system()}"


def versions() -> dict[str, str]:
    """Versions of what the figures depend on, as far as it is installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
