"""All benchmarks in one command, into one JSON, compared with the last one that is stored.

    python benchmarks/run.py [--quick] [--only NAME ...] [--set NAME="OPTIONS" ...] [--results FOLDER]

Each runs in a process of its own, one after the other, and prints its tables; an interrupted run stores nothing.
--quick takes some minutes: few rounds, short sounds. --set gives one benchmark options of its own, such as
--set "end_to_end=--musicnn-python .venv-peers/musicnn/bin/python --song song.ogg". The other benchmarks here want real
tracks or a model and are run by themselves: evidence.py, evidence_overlap.py, int8.py.
"""

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from record import RESULTS, comparison, last_stored, record, store

FOLDER = Path(__file__).parent
QUICK = {
    "front_end": "--seconds 30 --rounds 5",
    "tagging": "--rounds 2",
    "end_to_end": "--lengths 30 240 --forms mp3 --rounds 3 --processes 1",
    "convolutions": "--rounds 2",
    "training": "--seconds 1 --rounds 1",
    "sample_level": "--seconds 2 --rounds 1",
    "library": "--files 6 --seconds 30 --rounds 1 --tracks 5000",
}
"""The benchmarks that need nothing, in their order, with what makes each short."""


def figures_of(name: str, options: list[str]) -> object:
    """Run a benchmark: what it keeps."""
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder) / "figures.json"
        print(f"\n## {name} {' '.join(options)}\n", flush=True)
        subprocess.run([sys.executable, str(FOLDER / f"{name}.py"), *options, "--json", str(kept)], check=True)
        figures: object = json.loads(kept.read_text(encoding="utf-8"))
    if isinstance(figures, dict) and isinstance(figures.get("benchmarks"), dict):
        return figures["benchmarks"][name]  # it is a record itself
    return figures


def main() -> None:
    """Run, compare, store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="some minutes instead of an hour")
    parser.add_argument("--only", nargs="+", choices=QUICK, default=list(QUICK), metavar="NAME")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=OPTIONS", help="options of one benchmark")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where records are stored")
    options = parser.parse_args()
    own = dict(each.split("=", 1) for each in options.set)
    unknown = sorted(own.keys() - QUICK.keys())
    if unknown:
        parser.error(f"--set: there is no benchmark {unknown[0]!r}; choose from {', '.join(QUICK)}")
    figures: dict[str, object] = {}
    for name in options.only:
        arguments = shlex.split(QUICK[name] if options.quick else "") + shlex.split(own.get(name, ""))
        figures[name] = figures_of(name, arguments)
    print("\n## Against what is stored\n")
    for name, each in figures.items():
        print("\n".join(comparison(name, each, last_stored(name, options.results))))
    print(f"\nstored in {store(record(figures), options.results)}")


if __name__ == "__main__":
    main()
