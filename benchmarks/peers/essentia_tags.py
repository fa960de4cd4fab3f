"""essentia with musicnn's network, a tool that is measured, in its own environment: essentia_tags.py GRAPH [FILE ...].

GRAPH is what musicnn_freeze.py writes. The algorithm with its graph is made once, and windows do not overlap, which is
kinder to it than what it does unless told.
"""

import sys

from answering import one_thread, serve

one_thread()

from essentia.standard import MonoLoader, TensorflowPredictMusiCNN  # noqa: E402

WINDOW_FRAMES = 187


def main(graph: str, *files: str) -> None:
    """Load and serve."""
    network = TensorflowPredictMusiCNN(graphFilename=graph, patchHopSize=WINDOW_FRAMES)
    serve(lambda path: network(MonoLoader(filename=path, sampleRate=16_000)()).mean(axis=0), list(files))


if __name__ == "__main__":
    main(*sys.argv[1:])
