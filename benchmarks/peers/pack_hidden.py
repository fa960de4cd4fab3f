"""Gather teachers' hidden layers on the windows of a consensus: pack_hidden.py TEACHER ... [--output FOLDER].

    python benchmarks/peers/pack_hidden.py mtat-musicnn

`score_tracks.py` wrote a file for each track; OUTPUT/TEACHER-hidden.npz holds by track (windows, units) float16, in
windows of three seconds, as `distillation` in a recipe takes them for the dataset `consensus`.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from earmark.training.datasets.consensus import WINDOW_SECONDS, shares_on_grid


def pack_hidden(folder: Path) -> int:
    """Write the hidden layers of a teacher's folder beside it, and return the number of tracks."""
    seconds = json.loads((folder / "labels.json").read_text(encoding="utf-8"))["window_seconds"]
    arrays = {}
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as archive:
            if "hidden" not in archive.files:
                raise SystemExit(f"{path} holds no hidden layer; expected a teacher that has one.")
            starts = archive["starts"].astype(np.float64)
            windows = max(1, int((starts[-1] + seconds) / WINDOW_SECONDS + 1e-6))
            hidden = shares_on_grid(starts, seconds, windows) @ archive["hidden"].astype(np.float64)
            arrays[path.stem] = hidden.astype(np.float16)
    unfinished = folder.with_name(f"{folder.name}-hidden.part")
    with unfinished.open("wb") as file:
        np.savez(file, **arrays)
    unfinished.replace(folder.with_name(f"{folder.name}-hidden.npz"))
    return len(arrays)


def main() -> None:
    """Pack every teacher named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("teachers", nargs="+")
    parser.add_argument("--output", type=Path, default=Path("runs/teachers"), help="where the scores are")
    options = parser.parse_args()
    for name in options.teachers:
        print(f"{name}: {pack_hidden(options.output / name)} tracks", flush=True)


if __name__ == "__main__":
    main()
