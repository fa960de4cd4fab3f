"""The page of the end-to-end benchmark, from the last record of it that `benchmarks/run.py` stored."""

import json
import statistics
from collections.abc import Mapping
from pathlib import Path

from generation.markdown import page, table

RECORDS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"
TOOLS = {
    "decode": "decoding alone",
    "numpy": "earmark, numpy",
    "numpy+ahead": "earmark, numpy, `--read-ahead`",
    "onnx": "earmark, `onnx`",
    "int8": "earmark, `int8`",
    "librosa+torch": "librosa + torch, the same network",
    "musicnn": "musicnn, loaded once",
    "musicnn top_tags": "musicnn, `top_tags`",
    "essentia": "essentia with musicnn's network",
}
"""How the page names each tool of the record."""
REFERENCES = ("musicnn", "musicnn top_tags", "librosa+torch", "decode")
"""The tools that the others are compared with."""


def end_to_end_page() -> str:
    """The tables of the end-to-end benchmark as a page."""
    file, record = last_record("end_to_end")
    figures = record["benchmarks"]["end_to_end"]
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    parts = []
    for cell, counts in figures["seconds_of_audio_a_second"].items():
        seconds, form = cell.split(" s ")
        parts.append(f"## {form.upper()}, {seconds} s")
        for count, speeds in counts.items():
            parts.append(f"{count.capitalize()}:")
            parts.append(speed_table(speeds, figures["ratios"][cell][count]))
        parts.append("Speed of two processes, divided by that of one:")
        gains = figures["over_one_process"][cell]["2 processes"]
        rows = [(TOOLS[tool], spread(each)) for tool, each in gains.items()]
        parts.append(table(("tool", "times one process"), rows))
    parts.append("## A cold process")
    for length, costs in figures["cold"].items():
        rows = [
            (TOOLS[tool], spread(each["seconds"]), f"{statistics.median(each['megabytes']):.0f}")
            for tool, each in costs.items()
        ]
        parts.append(table((f"MP3 of {length}", "seconds from start to tags", "largest memory, MB"), rows))
    return page(
        "From a file to tags: all figures",
        f"Commit {record['commit']}, {record['machine']}, {record['created']}; model {figures['model']}. Printed by "
        f"`benchmarks/end_to_end.py`, kept in `benchmarks/results/{file.name}`. Versions: {versions}.",
        "Speeds are seconds of audio a second. Every figure is the median of the rounds, with the lowest and the "
        "highest in brackets; ratios are taken within a round. Every tool is told to use one thread.",
        *parts,
    )


def speed_table(speeds: Mapping[str, list[float]], ratios: Mapping[str, list[float]]) -> str:
    """The speeds of all tools, and how many times as fast each is as the tools of comparison."""
    references = [tool for tool in REFERENCES if tool in speeds]
    rows = []
    for tool, each in speeds.items():
        times = [spread(ratios[f"{tool} / {other}"]) if tool != other else "1" for other in references]
        rows.append((TOOLS[tool], spread(each), *times))
    return table(("tool", "seconds of audio a second", *(f"times {TOOLS[other]}" for other in references)), rows)


def spread(values: list[float]) -> str:
    """A median with the lowest and the highest value."""
    middle = statistics.median(values)
    digits = 0 if middle >= 20 else 2
    return f"{middle:,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def last_record(name: str) -> tuple[Path, dict]:
    """The latest stored record that holds a benchmark, with its file."""
    for file in sorted(RECORDS.glob("*.json"), reverse=True):
        record = json.loads(file.read_text(encoding="utf-8"))
        if name in record["benchmarks"]:
            return file, record
    message = f"benchmarks/results holds no record of {name}"
    raise LookupError(message)
