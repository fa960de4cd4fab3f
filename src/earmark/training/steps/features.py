"""Compute the features of clips (step 2): the levels of trained local CNNs for every segment.

The letter aggregates levels ([SPL] II-B) by the maximum over a segment, which the network computes, and by the mean
over the segments of a clip. A recipe may choose other statistics.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.audio.segments import SegmentRule, Segments
from earmark.errors import TrainingError
from earmark.tagging.aggregate import TrackStatistics
from earmark.tagging.bundle.card import Extractor, VectorBlock, layout_of
from earmark.tagging.engines.network import LocalNetwork


@dataclasses.dataclass(frozen=True)
class Selection:
    """The scales and levels that make up a vector; an empty tuple of levels means all."""

    scales: tuple[int, ...]
    levels: tuple[int, ...] = ()

    @property
    def label(self) -> str:
        """The selection in words, such as "18+27 L1+L2"; without levels, such as "18+27", where all are selected."""
        scales = "+".join(str(scale) for scale in self.scales)
        levels = "+".join(f"L{level}" for level in self.levels)
        return f"{scales} {levels}".strip()


def with_levels(extractor: Extractor, levels: tuple[int, ...]) -> Extractor:
    """Return an extractor with some of its levels only (empty: all).

    Its hash is empty, because the result is another extractor.
    """
    used = tuple(level for level in extractor.levels if not levels or level in levels)
    return dataclasses.replace(extractor, levels=used, hash="")


@dataclasses.dataclass(frozen=True)
class ScaleFeatures:
    """The features of all clips of a dataset by one local CNN.

    Attributes:
        extractor: the description of the network.
        segments: (segments, columns) float16, the levels of every segment, clip after clip.
        first: (clips + 1,) int64; clip i has the segments first[i] to first[i + 1].
        vectors: (clips, columns) float32, the statistic (the letter's: the mean) over the segments of each clip.
        local_scores: (clips, tags) float32, the mean of the network's own scores over the segments of each clip.
    """

    extractor: Extractor
    segments: npt.NDArray[np.float16]
    first: npt.NDArray[np.int64]
    vectors: npt.NDArray[np.float32]
    local_scores: npt.NDArray[np.float32]

    def columns(self, levels: tuple[int, ...]) -> npt.NDArray[np.int64]:
        """Return the columns of some levels (empty: all) in `segments` and `vectors`: (columns,) int64.

        Raises:
            TrainingError: the network has none of these levels.
        """
        blocks: Sequence[VectorBlock] = layout_of((self.extractor,))
        chosen = [np.arange(block.start, block.stop) for block in blocks if not levels or block.level in levels]
        if not chosen:
            raise TrainingError(
                f"The network of scale {self.extractor.name} has levels {min(self.extractor.levels)} to "
                f"{max(self.extractor.levels)}; found {list(levels)} asked for. "
                "Name at least one that it has in global.levels."
            )
        return np.concatenate(chosen)


def extract_features(
    network: LocalNetwork,
    scores_of: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]],
    clips: Iterable[npt.NDArray[np.float32]],
    folder: Path,
) -> None:
    """Compute the features of every clip by a local CNN, and store them in a folder.

    Args:
        network: the numpy network, which also tags.
        scores_of: turns logits (n, tags) into scores (n, tags).
        clips: the rows of every clip, (rows, inputs) float32.
        folder: the folder of the features.
    """
    extractor = network.extractor
    rule = SegmentRule(extractor.segment_length, extractor.segment_hop)
    space = network.workspace()
    vectors, local_scores, first = [], [], [0]
    with (folder / "segments.f16").open("wb") as file:
        for rows in clips:
            cutter = Segments(rule, extractor.input_columns)
            whole = cutter.push(rows)
            segments = np.concatenate([whole, cutter.finish()])
            batches = [
                network(segments[at : at + network.batch_segments], space)
                for at in range(0, len(segments), network.batch_segments)
            ]
            levels = np.concatenate([batch.levels for batch in batches])
            levels.astype(np.float16).tofile(file)
            statistics = TrackStatistics(extractor.track_statistic, extractor.level_widths)
            statistics.add(levels)
            vectors.append(statistics.vector())
            local_scores.append(np.concatenate([scores_of(batch.logits) for batch in batches]).mean(axis=0))
            first.append(first[-1] + len(segments))
    np.save(folder / "first.npy", np.array(first, np.int64))
    np.save(folder / "vectors.npy", np.array(vectors, np.float32))
    np.save(folder / "local_scores.npy", np.array(local_scores, np.float32))


def read_features(extractor: Extractor, folder: Path) -> ScaleFeatures:
    """Open the features that `extract_features` stored; the segments stay on disk and are memory-mapped."""
    vectors = np.load(folder / "vectors.npy")
    first = np.load(folder / "first.npy")
    segments = np.memmap(folder / "segments.f16", np.float16, "r", shape=(int(first[-1]), sum(extractor.level_widths)))
    return ScaleFeatures(extractor, segments, first, vectors, np.load(folder / "local_scores.npy"))


def clip_vectors(features: Sequence[ScaleFeatures], levels: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Return the vectors of clips, those of all scales side by side ([SPL] II-B): (clips, columns) float32."""
    return np.concatenate([scale.vectors[:, scale.columns(levels)] for scale in features], axis=1)
