"""Write musicnn as one frozen graph, which essentia reads; in musicnn's environment: musicnn_freeze.py OUTPUT.pb."""

import sys
from pathlib import Path

import musicnn
import tensorflow as tf
from musicnn import configuration, models

MODEL, WINDOW_FRAMES = "MTT_musicnn", 187
tf.compat.v1.disable_v2_behavior()


def main(output: str) -> None:
    """Build, restore, freeze; the names are those that essentia looks for."""
    labels = configuration.MTT_LABELS
    with tf.name_scope("model"):
        windows = tf.compat.v1.placeholder(tf.float32, [None, WINDOW_FRAMES, configuration.N_MELS], "Placeholder")
        training = tf.constant(False)
        logits, *_ = models.define_model(windows, training, MODEL, len(labels))
        tf.nn.sigmoid(logits, "Sigmoid")
    with tf.compat.v1.Session() as session:
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().restore(session, f"{Path(musicnn.__file__).parent / MODEL}/")
        frozen = tf.compat.v1.graph_util.convert_variables_to_constants(
            session, session.graph.as_graph_def(), ["model/Sigmoid"]
        )
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    Path(output).write_bytes(frozen.SerializeToString())


if __name__ == "__main__":
    main(*sys.argv[1:])
