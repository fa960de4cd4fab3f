"""File to tags: earmark, its decoder alone, musicnn, essentia, and librosa with torch, measured in turn.

    python benchmarks/end_to_end.py [--lengths 30 240 3600] [--forms mp3 flac ogg m4a wav] [--rounds 5]
        [--hour-rounds 1] [--tools NAME ...] [--processes 1 2] [--model MODEL] [--song FILE] [--no-cold]
        [--musicnn-python PYTHON] [--essentia-python PYTHON] [--work FOLDER] [--json FILE]

About 3 minutes: --lengths 30 240 --forms mp3 --rounds 3 --processes 1

Every tool is loaded once, on one thread ("+ahead" on two), in a process of its own, and given files one after the
other. In every round each tool does a file before any does it again, so that a busy machine slows all of them; ratios
are within a round, given as median with the lowest and the highest. "decode" is earmark's decoder and nothing more, at
the file's own rate and channels. "musicnn" has its model loaded once and gets windows by the 16; "musicnn top_tags" is
what its README shows, which loads the model for every file and gives it windows one by one; "essentia" runs musicnn's
network, frozen, behind its own decoder and front end. All forms are measured at 4 minutes (or the first length asked
for), the other lengths as the first form. With 2 processes each has the file at the same time.

Cold: a whole process on 30 seconds, and its largest memory at every length, as the system counts it.

Without --model the bundled one, or where none is, one of the letter's size with random weights: what a network costs
does not depend on what it learnt. int8 ranges are measured on the music itself where the model has none.
A tool that is not installed is left out, and said to be.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from record import comparison, last_stored, record
from songs import FORMS, music, write_song
from tagging import MEASURE, write_model

import earmark
from earmark.errors import BundleError, MissingExtraError, TagError
from earmark.tagging.bundle.bundle import read_bundle, write_bundle
from earmark.tagging.engines.int8 import measure_ranges, write_ranges

PEERS = Path(__file__).parent / "peers"
NAME = "end_to_end"
TOOLS = (
    "decode",
    "numpy",
    "numpy+ahead",
    "onnx",
    "onnx+ahead",
    "int8",
    "int8+ahead",
    "librosa+torch",
    "musicnn",
    "musicnn top_tags",
    "essentia",
)
BASES = ("musicnn", "musicnn top_tags", "librosa+torch", "decode")
FORMS_LENGTH, COLD_SECONDS, HOUR_SECONDS = 240, 30, 3600

Figures = dict[str, dict[str, dict[str, list[float]]]]


@dataclass(frozen=True)
class Tool:
    """One tool: the command that serves it, and the one that a person would start on one file."""

    name: str
    serving: tuple[str, ...]
    cold: tuple[str, ...]


class Served:
    """A tool that is loaded and waits for files."""

    def __init__(self, tool: Tool) -> None:
        self._process = subprocess.Popen(
            tool.serving, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        if self._line() != "ready":
            raise SystemExit(f"{tool.name} does not start: {' '.join(tool.serving)}")

    def ask(self, file: Path) -> None:
        """Give it a file."""
        if self._process.stdin is None:
            raise SystemExit("a tool has no input")
        self._process.stdin.write(f"{file}\n")
        self._process.stdin.flush()

    def answer(self) -> float:
        """Wait until it is done; the seconds that it took."""
        return float(self._line())

    def close(self) -> None:
        """End it."""
        self._process.communicate()

    def _line(self) -> str:
        return "" if self._process.stdout is None else self._process.stdout.readline().strip()


def tools_of(options: argparse.Namespace, model: Path) -> list[Tool]:
    """The tools that are wanted and can be had."""
    found: list[Tool] = []
    for name in options.tools:
        pythons = {"musicnn": options.musicnn_python, "essentia": options.essentia_python}
        python = str(pythons.get(name.split()[0], sys.executable))
        if shutil.which(python) is None:
            print(f"{name} is left out: there is no {python}; `make bench-peers` makes it")
            continue
        script, arguments = "earmark_tags.py", [str(model), name]
        if name == "musicnn":
            script, arguments = "musicnn_tags.py", []
        elif name == "musicnn top_tags":
            script, arguments = "musicnn_top_tags.py", []
        elif name == "essentia":
            script, arguments = "essentia_tags.py", [str(options.essentia_graph)]
        elif name == "librosa+torch":
            script, arguments = "librosa_torch.py", [str(model)]
        engine, _, ahead = name.partition("+")
        if engine in ("onnx", "int8"):
            try:
                earmark.load(model, "onnx" if engine == "onnx" else "int8")
            except (MissingExtraError, BundleError) as error:
                print(f"{name} is left out: {error}")
                continue
        serving = (python, "-W", "ignore", str(PEERS / script), *arguments)
        cold = serving
        if engine in ("numpy", "onnx", "int8"):
            cold = (python, "-m", "earmark", "tag", "--model", str(model), "--engine", engine)
            cold = (*cold, "--read-ahead") if ahead else cold
        found.append(Tool(name, serving, cold))
    return found


def cells(lengths: Sequence[int], forms: Sequence[str]) -> list[tuple[int, str]]:
    """The lengths and forms that are measured: every length as the first form, every form at one length."""
    of_forms = FORMS_LENGTH if FORMS_LENGTH in lengths else lengths[0]
    found = [(seconds, forms[0]) for seconds in lengths]
    return found + [(of_forms, form) for form in forms[1:]]


def measure(options: argparse.Namespace, tools: Sequence[Tool]) -> Figures:
    """Seconds of audio a second: by length and form, by processes, by tool, one a round."""
    figures: Figures = {}
    with ExitStack() as running:
        served: dict[str, list[Served]] = {tool.name: [] for tool in tools}
        for tool in tools:
            for _ in range(max(options.processes)):
                served[tool.name].append(Served(tool))
                running.callback(served[tool.name][-1].close)
        for each in served.values():  # a first file: what is loaded only when it is needed
            for one in each:
                one.ask(song_file(options, COLD_SECONDS, options.forms[0]))
                one.answer()
        for seconds, form in cells(options.lengths, options.forms):
            file = song_file(options, seconds, form)
            speeds: dict[str, dict[str, list[float]]] = {
                processes(count): {tool.name: [] for tool in tools} for count in options.processes
            }
            for _ in range(options.hour_rounds if seconds >= HOUR_SECONDS else options.rounds):
                for name, each in served.items():
                    for count in options.processes:
                        started = time.perf_counter()
                        for one in each[:count]:
                            one.ask(file)
                        for one in each[:count]:
                            one.answer()
                        speed = count * seconds / (time.perf_counter() - started)
                        speeds[processes(count)][name].append(speed)
            figures[f"{seconds} s {form}"] = speeds
            print_speeds(f"{seconds} s {form}", speeds)
    return figures


def song_file(options: argparse.Namespace, seconds: int, form: str) -> Path:
    """The file of a length and form."""
    return Path(options.work) / f"{seconds}.{form}"


def processes(count: int) -> str:
    """The name of a count of processes."""
    return "1 process" if count == 1 else f"{count} processes"


def over_one(speeds: dict[str, dict[str, list[float]]]) -> dict[str, dict[str, list[float]]]:
    """How many times as fast several processes are as one, a round each."""
    one = speeds.get(processes(1), {})
    return {
        count: {
            name: [mine / theirs for mine, theirs in zip(values, one[name], strict=True)]
            for name, values in each.items()
        }
        for count, each in speeds.items()
        if one and each is not one
    }


def ratios(speeds: dict[str, list[float]]) -> dict[str, list[float]]:
    """How many times as fast as each base every tool is, a round each."""
    return {
        f"{name} / {base}": [mine / theirs for mine, theirs in zip(speeds[name], speeds[base], strict=True)]
        for base in BASES
        if base in speeds
        for name in speeds
        if name != base
    }


def spread(values: Sequence[float]) -> str:
    """Median with the lowest and the highest."""
    digits = 0 if statistics.median(values) >= 20 else 2
    low, middle, high = (f"{value:,.{digits}f}" for value in (min(values), statistics.median(values), max(values)))
    return f"{middle} ({low} to {high})"


def print_speeds(title: str, speeds: dict[str, dict[str, list[float]]]) -> None:
    """A table of one length and form."""
    bases = [base for base in BASES if any(base in each for each in speeds.values())]
    header = ["processes, tool", "seconds of audio a second", *(f"times {base}" for base in bases)]
    print(f"\n{title}\n\n| {' | '.join(header)} |\n|{'---|' * len(header)}")
    for count, each in speeds.items():
        times = ratios(each)
        for name, values in each.items():
            row = [f"{count}, {name}", spread(values)]
            row += [spread(times[f"{name} / {base}"]) if name != base else "1" for base in bases]
            print(f"| {' | '.join(row)} |", flush=True)
    for count, each in over_one(speeds).items():
        print(f"\n{count} over one: {', '.join(f'{name} {spread(values)}' for name, values in each.items())}")


def measure_cold(options: argparse.Namespace, tools: Sequence[Tool]) -> dict[str, dict[str, dict[str, list[float]]]]:
    """Whole processes: by length and tool, wall seconds and largest memory in megabytes; short ones every round."""
    figures: dict[str, dict[str, dict[str, list[float]]]] = {}
    print("\n| cold | seconds | largest memory, MB |\n|---|---|---|")
    for seconds in sorted({COLD_SECONDS, *options.lengths}):
        runs: dict[str, list[tuple[float, float]]] = {tool.name: [] for tool in tools}
        for _ in range(options.rounds if seconds == COLD_SECONDS else 1):
            for tool in tools:
                file = song_file(options, seconds, options.forms[0])
                command = [sys.executable, "-c", MEASURE, *tool.cold, str(file)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                taken, kilobytes = done.stdout.split()
                runs[tool.name].append((float(taken), float(kilobytes) / 1024))
        figures[f"{seconds} s"] = {
            name: {"seconds": [run[0] for run in each], "megabytes": [run[1] for run in each]}
            for name, each in runs.items()
        }
        for name, each in figures[f"{seconds} s"].items():
            print(f"| {seconds} s, {name} | {spread(each['seconds'])} | {statistics.median(each['megabytes']):.0f} |")
    return figures


def prepare(options: argparse.Namespace) -> Path:
    """Make the files, and a model unless one is named; returns its folder."""
    samples = music(options.song)
    wanted = {*cells(options.lengths, options.forms), (COLD_SECONDS, options.forms[0])}
    for seconds, form in sorted(wanted):
        write_song(song_file(options, seconds, form), samples, seconds)
    if options.model is not None:
        return Path(options.model)
    folder = Path(options.work) / "model"
    if earmark.models():
        bundle = earmark.load().bundle
        write_bundle(bundle, folder)
    else:
        write_model(folder)
        bundle = read_bundle(folder)
    if any(name.startswith("int8") for name in options.tools):
        try:
            write_ranges(measure_ranges(bundle, [song_file(options, COLD_SECONDS, options.forms[0])]), folder)
        except (MissingExtraError, TagError) as error:
            print(f"no int8 ranges: {error}")
    return folder


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", type=int, nargs="+", default=[30, 240, 3600], help="seconds")
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--hour-rounds", type=int, default=1, help="rounds of 60 minutes and more")
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=list(TOOLS))
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--model", type=Path, help="a model's folder; without it the bundled one")
    parser.add_argument("--song", type=Path, help="the music; without it chords that are made here")
    parser.add_argument("--musicnn-python", type=Path, default=Path(".venv-peers/musicnn/bin/python"))
    parser.add_argument("--essentia-python", type=Path, default=Path(".venv-peers/essentia/bin/python"))
    parser.add_argument("--essentia-graph", type=Path, default=Path("runs/peers/musicnn-mtat.pb"))
    parser.add_argument("--no-cold", action="store_true", help="leave out cold starts and memory")
    parser.add_argument("--work", type=Path, default=Path("runs/end-to-end"), help="where the files are kept")
    parser.add_argument("--json", type=Path, help="keep the figures here")
    options = parser.parse_args()
    model = prepare(options)
    tools = tools_of(options, model)
    speeds = measure(options, tools)
    figures: dict[str, object] = {
        "seconds_of_audio_a_second": speeds,
        "ratios": {cell: {count: ratios(each) for count, each in found.items()} for cell, found in speeds.items()},
        "over_one_process": {cell: over_one(found) for cell, found in speeds.items()},
        "model": earmark.load(model).card.name,
        "song": "made" if options.song is None else options.song.name,
    }
    if not options.no_cold:
        figures["cold"] = measure_cold(options, tools)
    print()
    print("\n".join(comparison(NAME, figures, last_stored(NAME))))
    if options.json is not None:
        options.json.write_text(json.dumps(record({NAME: figures}), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
