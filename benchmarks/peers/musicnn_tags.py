"""musicnn as a tool that is measured, in its own environment: musicnn_tags.py [FILE ...].

Its network is loaded once, where musicnn's own `extractor` loads it for every file, and gets 16 windows at a time,
where that gives it one: both are kinder to it.
"""

import sys
from pathlib import Path

from answering import one_thread, serve

one_thread()

import musicnn  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from musicnn import configuration, models  # noqa: E402
from musicnn.extractor import batch_data  # noqa: E402

MODEL, WINDOW_FRAMES, BATCH = "MTT_musicnn", 187, 16
tf.compat.v1.disable_eager_execution()


def main(*files: str) -> None:
    """Load and serve."""
    windows = tf.compat.v1.placeholder(tf.float32, [None, WINDOW_FRAMES, configuration.N_MELS])
    with tf.name_scope("model"):
        training = tf.compat.v1.placeholder(tf.bool)
        logits, *_ = models.define_model(windows, training, MODEL, len(configuration.MTT_LABELS))
    wanted = tf.nn.sigmoid(logits)
    one = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    session = tf.compat.v1.Session(config=one)
    session.run(tf.compat.v1.global_variables_initializer())
    tf.compat.v1.train.Saver().restore(session, f"{Path(musicnn.__file__).parent / MODEL}/")

    def tag(path: str) -> object:
        heard, _ = batch_data(path, WINDOW_FRAMES, WINDOW_FRAMES)
        batches = [heard[start : start + BATCH] for start in range(0, len(heard), BATCH)]
        scores = [session.run(wanted, {windows: batch, training: False}) for batch in batches]
        return np.concatenate(scores).mean(axis=0)

    serve(tag, list(files))


if __name__ == "__main__":
    main(*sys.argv[1:])
