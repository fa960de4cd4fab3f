"""Hints: what another network heard in every window, which networks learn to tell beside the tags.

A teacher's tags say less of what it heard than its last hidden layer does. While a local CNN or the classifier trains
it has outputs for that too, which are dropped afterwards. The idea is of Romero et al. 2015 (FitNets: Hints for Thin
Deep Nets).
"""

import dataclasses
import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.errors import TrainingError
from earmark.training.material.clips import Clips
from earmark.training.material.material import Material

Vectors = dict[str, npt.NDArray[np.float32]]


def with_hints(material: Material, files: Sequence[Path], split: str) -> Material:
    """Material whose clips are `hinted`, standardised by the training side of a split; as it is without files.

    Raises:
        TrainingError: as `hinted` does, and where tracks have one label each, as all outputs compete for it there.
    """
    if not files:
        return material
    if material.dataset.task == "one-label":
        raise TrainingError(
            f"Tracks of {material.dataset.name} have one label each; expected tags of which a track may have several, "
            "beside which hints can be told. Leave hints out of the recipe."
        )
    return dataclasses.replace(material, clips=hinted(material.clips, files, material.clips_of(split, "train")))


def hinted(clips: Clips, files: Sequence[Path], training: npt.NDArray[np.int64]) -> Clips:
    """Clips whose targets are followed by hints, in 0..1: sigmoids of values that are standardised by column.

    `files` are .npz, with (windows, columns) by track, windows as the targets have them; tracks that a file does not
    know have unknown hints. `training` are the clips, by position, that the standardisation is taken from.

    Raises:
        TrainingError: a file cannot be read, knows no training track, or has other windows than the targets.
    """
    tables, targets = [clips.table], [clips.targets]
    for file in files:
        vectors = _read(file)
        known = [vectors[track] for track in dict.fromkeys(clips.tracks[clip] for clip in training) if track in vectors]
        if not known:
            raise TrainingError(f"{file} knows none of the training tracks; expected vectors under their names.")
        values = np.concatenate(known)
        mean, deviation = values.mean(axis=0), values.std(axis=0)
        deviation = np.where(deviation > 1e-6, deviation, 1)
        table = np.full((len(clips.table), len(mean)), np.nan, np.float32)
        target = np.full((len(clips), len(mean)), np.nan, np.float32)
        for clip, track in enumerate(clips.tracks):
            if track not in vectors:
                continue
            first, entries = clips.first_entry[clip], clips.entries[clip]
            if len(vectors[track]) != entries:
                raise TrainingError(
                    f"{file} has {len(vectors[track])} windows of {track}, expected {entries}, as its targets have. "
                    "Make it with windows of the same length."
                )
            hints = 1 / (1 + np.exp(-(vectors[track] - mean) / deviation))
            table[first : first + entries] = hints
            target[clip] = hints.mean(axis=0)
        tables.append(table)
        targets.append(target)
    return dataclasses.replace(clips, table=np.concatenate(tables, axis=1), targets=np.concatenate(targets, axis=1))


def hints_hash(files: Sequence[Path]) -> str:
    """SHA-256 over the contents of files, in order.

    Raises:
        TrainingError: there is no such file.
    """
    digest = hashlib.sha256()
    for file in files:
        if not file.is_file():
            raise TrainingError(
                f"There is no {file}, which the recipe takes hints from. Make it with make bench-peers."
            )
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _read(file: Path) -> Vectors:
    try:
        with np.load(file, allow_pickle=False) as archive:
            vectors = {track: np.asarray(archive[track], np.float32) for track in archive.files}
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise TrainingError(f"{file} cannot be read as hints ({error}); expected an .npz file.") from error
    if len({vector.shape[1:] for vector in vectors.values()}) != 1 or any(each.ndim != 2 for each in vectors.values()):
        raise TrainingError(f"The hints in {file} differ in shape; expected (windows, columns), of one width.")
    return vectors
