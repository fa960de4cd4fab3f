"""earmark, or its decoder alone, as a tool that is measured: earmark_tags.py MODEL WAY [FILE ...].

WAY: decode (decoding and nothing more), numpy, onnx, int8; "+ahead" after it reads ahead in a second thread.
"""

import sys
from pathlib import Path

from answering import one_thread, serve

one_thread()

import earmark  # noqa: E402
from earmark.audio.av_reader import AvReader  # noqa: E402
from earmark.audio.container import read_container  # noqa: E402
from earmark.audio.soundfile_reader import SoundFileReader  # noqa: E402
from earmark.tagging.engine import ENGINES  # noqa: E402


def decode(path: str) -> int:
    """Decode a file as earmark does, at its own rate and channels: no mixing, no resampling."""
    with Path(path).open("rb") as file:
        container = read_container(file)
        other = container.kind == "other"
        reader = AvReader(file, path) if other else SoundFileReader(file, path)
        return sum(len(block) for block in reader.blocks())


def main(model: str, way: str, *files: str) -> None:
    """Serve one way of hearing."""
    if way == "decode":
        serve(decode, list(files))
        return
    name, _, ahead = way.partition("+")
    engine = next(each for each in ENGINES if each == name)
    tagger = earmark.load(model, engine)
    serve(lambda path: tagger.tag(path, decode_ahead=bool(ahead)).top(5), list(files))


if __name__ == "__main__":
    main(*sys.argv[1:])
