"""Small clips and materials for tests of training."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from earmark.tagging.bundle.card import TagName
from earmark.training.data.clips import Clips, TrainingData
from earmark.training.datasets.base import Dataset, DatasetTrack, Split, Task


def make_clips(rows: Sequence[int], tags: int = 2, gap: int = 3) -> Clips:
    """Clips of these lengths with some rows between them; the targets of clip i are all i."""
    starts = np.cumsum([gap, *(length + gap for length in rows)])[:-1]
    targets = np.repeat(np.arange(len(rows), dtype=np.float32)[:, None], tags, axis=1)
    return Clips.with_constant_targets(
        tuple(f"track {index}" for index in range(len(rows))),
        np.array(starts, np.int64),
        np.array(rows, np.int64),
        targets,
    )


def counted_frames(clips: Clips, bands: int = 4, gap: int = 3) -> np.ndarray:
    """Frames of which every value is the number of its row."""
    rows = int((clips.first_row + clips.rows).max(initial=0)) + gap
    return np.repeat(np.arange(rows, dtype=np.float16)[:, None], bands, axis=1)


def make_data(
    task: Task = "multi-label", tracks: int = 20, clips_a_track: int = 1, rows: int = 54, tags: int = 2, seed: int = 0
) -> TrainingData:
    """Random frames in which a tag makes some bands loud; half train, a quarter validates, a quarter tests."""
    generator = np.random.default_rng(seed)
    if task == "one-label":
        targets = np.eye(tags, dtype=np.float32)[np.arange(tracks) % tags]
    else:
        targets = (np.arange(tracks)[:, None] // 2 ** np.arange(tags) % 2).astype(np.float32)
    names = [f"{index:02d}" for index in range(tracks)]
    made = tuple(
        DatasetTrack(name, Path(f"{name}.flac"), tuple(row.tolist()), name)
        for name, row in zip(names, targets, strict=True)
    )
    half, quarter = tracks // 2, tracks // 4
    split = Split("default", tuple(names[:half]), tuple(names[half : half + quarter]), tuple(names[half + quarter :]))
    labels = tuple(TagName(f"tag {index}", "tests") for index in range(tags))
    dataset = Dataset("made up", "CC0-1.0", "none", "none", task, labels, made, {"default": split})
    clips = tracks * clips_a_track
    frames = generator.uniform(0, 1, (clips, rows, 128))
    of_track = np.repeat(np.arange(tracks), clips_a_track)
    for tag in range(tags):
        frames[:, :, 20 * tag : 20 * tag + 20] += targets[of_track, tag][:, None, None]
    table = Clips.with_constant_targets(
        tuple(names[track] for track in of_track),
        np.arange(clips, dtype=np.int64) * rows,
        np.full(clips, rows, np.int64),
        targets[of_track],
    )
    return TrainingData(dataset, frames.reshape(-1, 128).astype(np.float16), table, table.tracks, ())
