"""Vectors and tag scores of musicnn for a folder of tracks, to compare with; runs in musicnn's own environment.

    make bench-peers
    PYTHON=.venv-peers/musicnn/bin/python
    $PYTHON benchmarks/peers/musicnn_vectors.py MSD_musicnn runs/peers/msd ../shared/data/{emotify,free}/audio

writes msd-all.npz (mean and maximum pool and penultimate layer, 1706 values), msd-penultimate.npz (200), a vector a
track under the name of its file, means over windows of 3 seconds, and, of every window, msd-tags.npz, its scores, and
msd-windows.npz, its penultimate layer. The model is loaded once, where musicnn's own `extractor` loads it for every
file; the numbers are the same.
"""

import sys
import time
from pathlib import Path

import musicnn
import numpy as np
import tensorflow as tf
from musicnn import configuration, models
from musicnn.extractor import batch_data

WINDOW_FRAMES = 187
BATCH = 16
PARTS = ("mean_pool", "max_pool", "penultimate")
tf.compat.v1.disable_eager_execution()


def main(model: str, output: str, *folders: str) -> None:
    """Run one model over every file of some folders."""
    labels = configuration.MTT_LABELS if model.startswith("MTT") else configuration.MSD_LABELS
    windows = tf.compat.v1.placeholder(tf.float32, [None, WINDOW_FRAMES, configuration.N_MELS])
    with tf.name_scope("model"):
        training = tf.compat.v1.placeholder(tf.bool)
        logits, *_, mean_pool, max_pool, penultimate = models.define_model(windows, training, model, len(labels))
    session = tf.compat.v1.Session(
        config=tf.compat.v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
    )
    session.run(tf.compat.v1.global_variables_initializer())
    tf.compat.v1.train.Saver().restore(session, f"{Path(musicnn.__file__).parent / model}/")
    wanted = [tf.nn.sigmoid(logits), mean_pool, max_pool, penultimate]

    everything, last, heard_last, scores = {}, {}, {}, {"labels": np.array(labels)}
    started, seconds = time.perf_counter(), 0.0
    files = sorted(path for folder in folders for path in Path(folder).iterdir() if path.suffix != ".csv")
    for number, path in enumerate(files, start=1):
        heard, _ = batch_data(str(path), WINDOW_FRAMES, WINDOW_FRAMES)
        batches = [heard[at : at + BATCH] for at in range(0, len(heard), BATCH)]
        runs = [session.run(wanted, {windows: batch, training: False}) for batch in batches]
        tags, *parts = (np.concatenate([run[part].reshape(len(run[0]), -1) for run in runs]) for part in range(4))
        scores[path.stem] = tags.astype(np.float16)
        everything[path.stem] = np.concatenate([part.mean(axis=0) for part in parts]).astype(np.float32)
        last[path.stem] = parts[-1].mean(axis=0).astype(np.float32)
        heard_last[path.stem] = parts[-1].astype(np.float16)
        seconds += 3 * len(heard)
        if number % 20 == 0 or number == len(files):
            print(f"{number} of {len(files)}: {seconds / (time.perf_counter() - started):.0f} s of sound a second")
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    for name, values in (("all", everything), ("penultimate", last), ("windows", heard_last), ("tags", scores)):
        np.savez(f"{output}-{name}.npz", **values)


if __name__ == "__main__":
    main(*sys.argv[1:])
