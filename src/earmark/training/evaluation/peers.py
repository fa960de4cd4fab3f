"""Vectors that another system made of the same tracks, from a file, to compare with in one run."""

import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.errors import TrainingError


def peer_vectors(path: Path, tracks: tuple[str, ...]) -> npt.NDArray[np.float32]:
    """The vectors of some tracks, (tracks, columns) float32, from an .npz file that holds one under each identifier.

    Raises:
        TrainingError: there is no such file, it lacks a track, or its vectors have different lengths.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [track for track in tracks if track not in archive.files]
            if missing:
                raise TrainingError(f"{path} has no vector of {len(missing)} tracks, such as {missing[0]!r}.")
            vectors = [np.asarray(archive[track], np.float32) for track in tracks]
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise TrainingError(f"{path} cannot be read as vectors of a peer ({error}); expected an .npz file.") from error
    shapes = {vector.shape for vector in vectors}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        raise TrainingError(f"The vectors in {path} have the shapes {sorted(shapes)}; expected one row of one length.")
    return np.stack(vectors)
