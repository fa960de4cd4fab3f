"""Write the copies of real music that recipes/bundled.toml trains on: copies.py ROOT FOLDER COUNT [PROCESSES].

ROOT is the folder of the dataset `taught`; copies that FOLDER has already are left as they are, but for mixtures with
another track than its copies.csv says. musicnn_vectors.py then says what the teachers hear in them; it has to be run
again whenever a copy was written.
"""

import csv
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from earmark.training.datasets import emotify, taught
from earmark.training.datasets.copies import TABLE, copy_names, others_of, write_copy


def main(root: str, folder: str, count: str, processes: str = "2") -> None:
    """Write what is missing."""
    dataset = taught.load(Path(root), "vocabularies/earmark-1.toml")
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    free = {track.identifier for track in dataset.tracks if track.licence != taught.EMOTIFY_LICENCE}
    others: dict[str, str] = {}
    for fold in range(emotify.FOLDS):
        others |= others_of(dataset.split(f"fold-{fold}").test, free, int(count))
    written = _read(place / TABLE)
    path_of = {track.identifier: track.path for track in dataset.tracks}
    wanted = [
        (track.path, name, place / f"{name}.flac", path_of[others[name]] if name in others else None)
        for track in dataset.tracks
        for name in copy_names(track.identifier, int(count))
        if written.get(name) != others.get(name) or not (place / f"{name}.flac").exists()
    ]
    # While mixtures change, no table may say what they were before.
    (place / TABLE).unlink(missing_ok=True)
    with ProcessPoolExecutor(int(processes)) as pool:
        for number, _ in enumerate(pool.map(write_copy, *zip(*wanted, strict=True)) if wanted else (), start=1):
            if number % 100 == 0 or number == len(wanted):
                print(f"{number} of {len(wanted)} copies", flush=True)
    with (place / TABLE).open("w", encoding="utf-8", newline="") as table:
        csv.writer(table).writerows([("copy", "other"), *sorted(others.items())])


def _read(table: Path) -> dict[str, str]:
    if not table.exists():
        return {}
    with table.open(encoding="utf-8", newline="") as file:
        return {row["copy"]: row["other"] for row in csv.DictReader(file)}


if __name__ == "__main__":
    main(*sys.argv[1:])
