"""What a musicnn model costs, in its own environment: musicnn_cost.py [MTT_musicnn | MSD_musicnn].

Prints its parameters, its multiply-adds a second of audio (as TensorFlow's profiler counts floating-point operations of
one window, halved), and the megabytes of its files and of everything that is installed to run it.
"""

import sys
from pathlib import Path

import musicnn
import tensorflow as tf
from musicnn import configuration, models

WINDOW_FRAMES, HOP_SAMPLES, RATE_HZ = 187, 256, 16_000
tf.compat.v1.disable_eager_execution()


def megabytes(folder: Path) -> float:
    """The size of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


def main(model: str = "MTT_musicnn") -> None:
    """Build the network, count, and print."""
    labels = configuration.MTT_LABELS if model.startswith("MTT") else configuration.MSD_LABELS
    window = tf.compat.v1.placeholder(tf.float32, [1, WINDOW_FRAMES, configuration.N_MELS])
    with tf.name_scope("model"):
        models.define_model(window, tf.constant(False), model, len(labels))
    parameters = sum(each.shape.num_elements() for each in tf.compat.v1.trainable_variables())
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    operations = tf.compat.v1.profiler.profile(tf.compat.v1.get_default_graph(), options=options).total_float_ops
    seconds = WINDOW_FRAMES * HOP_SAMPLES / RATE_HZ
    print(f"{model}: {parameters:,} parameters, {operations / 2 / seconds / 1e6:,.0f} million multiply-adds a second")
    print(f"its files: {megabytes(Path(musicnn.__file__).parent / model):.1f} MB")
    print(f"installed to run it: {megabytes(Path(musicnn.__file__).parents[1]):,.0f} MB")


if __name__ == "__main__":
    main(*sys.argv[1:])
