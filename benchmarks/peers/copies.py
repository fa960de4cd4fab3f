"""Write the copies of real music that recipes/bundled.toml trains on: copies.py ROOT FOLDER COUNT [PROCESSES].

ROOT is the folder of the dataset `taught`; copies that FOLDER has already are left as they are. musicnn_vectors.py then
says what the teachers hear in them.
"""

import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from earmark.training.datasets import taught
from earmark.training.datasets.copies import copy_names, write_copy


def main(root: str, folder: str, count: str, processes: str = "2") -> None:
    """Write what is missing."""
    dataset = taught.load(Path(root), "vocabularies/earmark-1.toml")
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    wanted = [
        (track.path, name, place / f"{name}.flac")
        for track in dataset.tracks
        for name in copy_names(track.identifier, int(count))
    ]
    missing = [each for each in wanted if not each[2].exists()]
    with ProcessPoolExecutor(int(processes)) as pool:
        for number, _ in enumerate(pool.map(write_copy, *zip(*missing, strict=True)) if missing else (), start=1):
            if number % 100 == 0 or number == len(missing):
                print(f"{number} of {len(missing)} copies", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
