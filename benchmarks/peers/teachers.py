"""Twelve published taggers: nine networks in torch, YAMNet and musicnn's two models. teachers.py [WEIGHTS [NAME ...]].

Nine files NAME.safetensors hold the published weights and, in their metadata, the tags. The package ai-edge-litert runs
yamnet.tflite. The package musicnn brings its own weights and needs an environment of its own. The networks are those of
Won, Ferraro, Bogdanov and Serra 2020 ("Evaluation of CNN-based automatic music tagging models"), of Bogdanov and others
2019 ("The MTG-Jamendo dataset for automatic music tagging"), YAMNet of AudioSet, and Pons and Serra 2019 ("musicnn").

Run as a program, this file compares each network with the scores that its authors' code gives three tracks
(WEIGHTS/reference.npz), and prints its speed on one core without decoding and resampling.
"""

from __future__ import annotations

import json
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import safe_open

from earmark.audio.logmel import slaney_filters
from earmark.errors import DatasetError

Sound = npt.NDArray[np.float32]
Heard = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]

MOODS, YAMNET = "jamendo-moods", "yamnet"
MUSICNN = ("musicnn-mtat", "musicnn-msd")
TEACHERS = (
    "mtat-musicnn",
    "jamendo-fcn",
    "jamendo-crnn",
    "jamendo-musicnn",
    YAMNET,
    MOODS,
    *MUSICNN,
    "mtat-fcn",
    "mtat-crnn",
    "msd-fcn",
    "msd-crnn",
)
"""Choice: the most useful for a student come first, so that an unfinished run has the best of them."""

MOODS_FRAMES, MUSICNN_FRAMES = 1366, 187
FFT_SAMPLES, HOP_SAMPLES, MEL_BANDS = 512, 256, 96
YAMNET_SAMPLES = 15_600
YAMNET_LABELS = "yamnet_label_list.txt"


@dataclass(frozen=True)
class Teacher:
    """A tagger that scores windows of one length.

    labels: its tags in order. rate_hz: the sample rate that it expects. window_samples: the length of a window.
    hear: takes (windows, window_samples) float32 in -1..1 and returns the scores, (windows, tags) float32 in 0..1, and
    the last hidden layer, (windows, units) float32, with no units where the network does not expose it.
    """

    name: str
    labels: tuple[str, ...]
    rate_hz: int
    window_samples: int
    hear: Callable[[Sound], Heard]

    @property
    def window_seconds(self) -> float:
        """The length of a window."""
        return self.window_samples / self.rate_hz


def load_teacher(name: str, weights: Path, device: str = "cpu") -> Teacher:
    """Load one of `TEACHERS` from a folder of weights.

    device: where torch runs its nine networks, such as cuda; the other teachers always run on the processor.

    Raises DatasetError for an unknown name and for a missing file of weights.
    """
    if name not in TEACHERS:
        raise DatasetError(f"There is no teacher {name!r}; expected one of {', '.join(TEACHERS)}.")
    if name in MUSICNN:
        return _musicnn(name)
    file = weights / f"{name}.{'tflite' if name == YAMNET else 'safetensors'}"
    if not file.is_file():
        raise DatasetError(f"There is no {file}; expected the weights of {name}. Name the folder that holds them.")
    return _yamnet(file) if name == YAMNET else _torch_teacher(name, file, device)


def _yamnet(file: Path) -> Teacher:
    from ai_edge_litert.interpreter import Interpreter

    with zipfile.ZipFile(file) as archive:
        labels = tuple(archive.read(YAMNET_LABELS).decode().split("\n"))
    interpreter = Interpreter(str(file), num_threads=1)
    interpreter.allocate_tensors()
    given, made = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def hear(windows: Sound) -> Heard:
        scores = []
        for window in windows:
            interpreter.set_tensor(given, window)
            interpreter.invoke()
            scores.append(interpreter.get_tensor(made)[0].copy())
        return np.stack(scores), np.zeros((len(windows), 0), np.float32)

    return Teacher(YAMNET, tuple(label for label in labels if label), 16_000, YAMNET_SAMPLES, hear)


def _musicnn(name: str) -> Teacher:
    # These packages are installed in musicnn's environment only.
    import librosa
    import tensorflow as tf
    from musicnn import configuration, models

    model = {"musicnn-mtat": "MTT_musicnn", "musicnn-msd": "MSD_musicnn"}[name]
    labels = configuration.MTT_LABELS if name == "musicnn-mtat" else configuration.MSD_LABELS
    with tf.Graph().as_default():
        given = tf.compat.v1.placeholder(tf.float32, [None, MUSICNN_FRAMES, MEL_BANDS])
        with tf.name_scope("model"):
            training = tf.compat.v1.placeholder(tf.bool)
            logits, *_, penultimate = models.define_model(given, training, model, len(labels))
        wanted = [tf.nn.sigmoid(logits), penultimate]
        one = tf.compat.v1.ConfigProto(intra_op_parallelism_threads=1, inter_op_parallelism_threads=1)
        session = tf.compat.v1.Session(config=one)
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().restore(session, f"{Path(models.__file__).parent / model}/")

    def hear(windows: Sound) -> Heard:
        # The package pads a whole track and then cuts it; a window is not padded, since zeros would sound like a click.
        mel = librosa.feature.melspectrogram(
            y=windows, sr=16_000, n_fft=FFT_SAMPLES, hop_length=HOP_SAMPLES, n_mels=MEL_BANDS, center=False
        ).transpose(0, 2, 1)
        scores, hidden = session.run(wanted, {given: np.log10(10_000 * mel + 1), training: False})
        return scores, hidden.reshape(len(windows), -1)

    samples = (MUSICNN_FRAMES - 1) * HOP_SAMPLES + FFT_SAMPLES
    return Teacher(name, tuple(labels), 16_000, samples, hear)


def _torch_teacher(name: str, file: Path, device: str) -> Teacher:
    import torch
    from teacher_networks import ConvolutionalRecurrent, FullyConvolutional, Musicnn, Tagger

    # Denormal numbers make the recurrent and the musicnn networks up to a hundred times slower.
    torch.set_flush_denormal(True)
    torch.set_num_threads(1)
    with safe_open(file, "pt") as tensors:
        labels = tuple(json.loads(tensors.metadata()["tags"]))
        weights = {key: tensors.get_tensor(key) for key in tensors.keys()}  # noqa: SIM118
    rate_hz, samples = 16_000, 29 * 16_000
    network: torch.nn.Module
    if name == MOODS:
        rate_hz, samples = 12_000, (MOODS_FRAMES - 1) * HOP_SAMPLES
        weights = {_published(key): tensor for key, tensor in weights.items()}
        filters = slaney_filters(rate_hz, FFT_SAMPLES, MEL_BANDS, 0.0, rate_hz / 2)
        weights["spec.mel_scale.fb"] = torch.from_numpy(filters.T.copy())
        weights["spec.spectrogram.window"] = torch.hann_window(FFT_SAMPLES, periodic=False)
        network, units = FullyConvolutional(torch.nn.ELU()), 64
    elif name.endswith("-fcn"):
        network, units = FullyConvolutional(torch.nn.ReLU()), 64
    elif name.endswith("-crnn"):
        network, units = ConvolutionalRecurrent(), 32
    else:
        samples = 3 * rate_hz
        network, units = Musicnn(), 200
    tagger = Tagger(network, units, len(labels))
    tagger.load(weights)
    tagger.eval().to(device)

    def hear(windows: Sound) -> Heard:
        with torch.inference_mode():
            scores, hidden = tagger(torch.from_numpy(windows).to(device))
        return scores.cpu().numpy(), hidden.cpu().numpy()

    return Teacher(name, labels, rate_hz, samples, hear)


def _published(name: str) -> str:
    """Return the name that other networks give a tensor of jamendo-moods: layer1.conv.weight for conv_1.weight."""
    part, _, tensor = name.partition(".")
    kind, _, number = part.partition("_")
    if part == "bn_init":
        return f"spec_bn.{tensor}"
    return f"layer{number}.{kind}.{tensor}" if number else name


def main(weights: str = "../shared/data/teacher/weights", *names: str) -> None:
    """Print the differences from the reference and the speeds."""
    with np.load(Path(weights, "reference.npz")) as archive:
        reference = {key: archive[key] for key in archive.files}
    tracks = sorted({key.partition("/")[0] for key in reference})
    for name in names or TEACHERS:
        teacher = load_teacher(name, Path(weights))
        apart, heard, taken = [], 0.0, 0.0
        for track in tracks:
            samples = reference[f"{track}/samples-16k"].astype(np.float32)
            # jamendo-moods expects another rate and has no reference scores; only its speed is measured.
            count = max(1, len(samples) // teacher.window_samples)
            windows = samples[: count * teacher.window_samples].reshape(count, teacher.window_samples)
            started = time.process_time()
            scores, _ = teacher.hear(windows)
            taken += time.process_time() - started
            heard += count * teacher.window_seconds
            if f"{track}/{name}" in reference:
                apart.append(float(np.abs(scores - reference[f"{track}/{name}"]).max()))
        said = f"{max(apart):.1e} from the reference" if apart else "no reference scores"
        print(f"{name}: {said}; {heard / taken:.0f} s of sound a second of one core", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
