"""earmark, or its decoder alone, as a tool that is measured: earmark_tags.py MODEL WAY [FILE ...].

WAY: decode (decoding and nothing more), numpy, onnx, int8; "+ahead" after it reads ahead in a second thread.
"""

import sys

from answering import one_thread, serve

one_thread()

import earmark  # noqa: E402
from earmark.audio.links import Links  # noqa: E402
from earmark.audio.source import open_source  # noqa: E402
from earmark.tagging.engines.engine import ENGINES  # noqa: E402


def decode(path: str) -> int:
    """Decode a file as earmark does, at its own rate and channels: no mixing, no resampling."""
    with open_source(path) as opened:
        return sum(len(block) for reader in Links(opened) for block in reader.blocks())


def main(model: str, way: str, *files: str) -> None:
    """Serve one way of hearing."""
    if way == "decode":
        serve(decode, list(files))
        return
    name, _, ahead = way.partition("+")
    engine = next(each for each in ENGINES if each == name)
    tagger = earmark.load(model, engine)
    serve(lambda path: tagger.tag(path, read_ahead=bool(ahead)).top(5), list(files))


if __name__ == "__main__":
    main(*sys.argv[1:])
