"""Tags whole tracks with a finished model, as `earmark tag` would, and keeps the logits."""

import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from earmark.audio.decode import decode
from earmark.errors import AudioError, TrainingError
from earmark.tagging.tagger import Tagger
from earmark.training.datasets.base import DatasetTrack
from earmark.training.evaluation.perturbation import UNCHANGED, Perturbation

Logits = npt.NDArray[np.float32]


@dataclasses.dataclass(frozen=True)
class TrackLogits:
    """A model's logits of some tracks.

    Attributes:
        tracks: those that could be decoded, in the order given.
        logits: (perturbations, tracks, tags) float32, in the order of the perturbations asked for.
        unreadable: a reason for every track left out.
    """

    tracks: tuple[DatasetTrack, ...]
    logits: Logits
    unreadable: tuple[str, ...]


def track_logits(
    tagger: Tagger,
    tracks: Sequence[DatasetTrack],
    progress: Callable[[int, int], None],
    perturbations: Sequence[Perturbation] = (UNCHANGED,),
    threads: int = 1,
) -> TrackLogits:
    """Decode every track once and tag it under every perturbation.

    `progress` is called with the number of tracks done and their number in all. A track is held in memory as a whole.
    The number of threads does not change the logits.

    Raises:
        TrainingError: none of the tracks can be decoded.
    """
    tagged: list[tuple[DatasetTrack, Logits]] = []
    unreadable: list[str] = []
    with ThreadPoolExecutor(threads) as pool:
        results = pool.map(lambda track: _tag_track(tagger, track, perturbations), tracks)
        for done, (track, result) in enumerate(zip(tracks, results, strict=True), start=1):
            if isinstance(result, AudioError):
                unreadable.append(str(result))
            else:
                tagged.append((track, result))
            progress(done, len(tracks))
    if not tagged:
        raise TrainingError(
            f"None of {len(tracks)} tracks could be decoded; expected at least one. "
            + (f"The first reason: {unreadable[0]}" if unreadable else "Name a side of a split that has tracks.")
        )
    logits = np.stack([values for _, values in tagged], axis=1)
    return TrackLogits(tuple(track for track, _ in tagged), logits, tuple(unreadable))


def _tag_track(tagger: Tagger, track: DatasetTrack, perturbations: Sequence[Perturbation]) -> Logits | AudioError:
    """Tag one track under every perturbation: (perturbations, tags), or the reason why it cannot be decoded."""
    rate_hz = tagger.card.rate_hz
    try:
        with decode(track.path, rate_hz) as sound:
            samples = np.concatenate(list(sound))
        return np.stack(
            [tagger.tag((change(samples, rate_hz, track.identifier), rate_hz)).logits for change in perturbations]
        )
    except AudioError as error:
        return error
