"""Write the list that `earmark data fetch debian` takes: debian_list.py FOLDER LIST NAME ...

FOLDER keeps the packages; a NAME is that of a package, downloaded by apt-get if it is not in FOLDER. Listed is every
sound file of `SHORTEST_SECONDS` or more in no folder of effects or voices; the stems of one song are one row.
"""

import csv
import re
import sys
import tempfile
from pathlib import Path, PurePosixPath

import mutagen

from earmark.audio.duration import header_duration_seconds
from earmark.errors import EarmarkError
from earmark.training.datasets.debian import LIST_COLUMNS, STEMS
from earmark.training.datasets.debian_package import DebianPackage, download, licence_of

SHORTEST_SECONDS = 25.0
ENDINGS = (".ogg", ".oga", ".opus", ".mp3", ".flac", ".wav", ".m4a")
NO_MUSIC = re.compile(
    r"/(sfx|soundfx|effects?|fx|voices?|speech|weather|ambien[a-z]*|misc|engines?|library)/", re.IGNORECASE
)
SONG, OTHER_STEMS = "song.ogg", ("guitar.ogg", "rhythm.ogg")


def rows_of(package: DebianPackage) -> list[tuple[str, ...]]:
    """The rows of one package, by path."""
    rows: dict[str, tuple[str, ...]] = {}
    paths = []
    said = ""
    for path, content in package.files(lambda path: path == package.copyright_path or is_music(path)):
        if path == package.copyright_path:
            said = content.decode(errors="replace")
            continue
        paths.append(path)
        with tempfile.NamedTemporaryFile(suffix=PurePosixPath(path).suffix) as copy:
            copy.write(content)
            copy.flush()
            try:
                seconds = header_duration_seconds(copy.name)
                tags = mutagen.File(copy.name, easy=True)
            except (EarmarkError, mutagen.MutagenError) as error:
                print(f"{package.name}: {path}: {error}", file=sys.stderr)
                continue
        if seconds >= SHORTEST_SECONDS:
            words = [" ".join((tags or {}).get(key, [""])[0].split()) for key in ("title", "artist")]
            rows[path] = (package.name, path, f"{seconds:.1f}", *words)
    for path in sorted(rows):
        folder, _, name = path.rpartition("/")
        others = [f"{folder}/{stem}" for stem in OTHER_STEMS if f"{folder}/{stem}" in paths]
        if name == SONG and others:
            rows[path] = (package.name, STEMS.join([path, *others]), *rows[path][2:])
            for other in others:
                rows.pop(other, None)
    return [(*rows[path], licence_of(said, path)) for path in sorted(rows)]


def is_music(path: str) -> bool:
    """Whether a path may be one of music, by its ending and its folders."""
    return path.lower().endswith(ENDINGS) and not NO_MUSIC.search(path)


def main(folder: str, output: str, *names: str) -> None:
    """Download, look, write."""
    rows = []
    for name in sorted(names):
        found = rows_of(download(name, Path(folder)))
        rows += found
        print(f"{name}: {len(found)} files, {sum(float(row[2]) for row in found) / 60:.0f} minutes", flush=True)
    with Path(output).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([LIST_COLUMNS, *rows])


if __name__ == "__main__":
    main(*sys.argv[1:])
