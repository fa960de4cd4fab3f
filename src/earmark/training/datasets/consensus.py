"""Merge the scores of several teachers: one target for each tag and window, and the disagreement.

The levels of teachers differ: one scores a guitar 0.9 where another scores it 0.3. So their log odds are averaged,
either plain or standardised for each teacher and tag. The average of each tag is then shifted until its mean
probability is that of the teacher with the highest mean. Where teachers disagree, the average lies between them. A
track that only some teachers have scored is averaged as if the others agreed with them.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from earmark.errors import DatasetError
from earmark.training.datasets.options import listed
from earmark.training.datasets.vocabulary import Vocabulary

Values = npt.NDArray[np.float64]
Average = Literal["probabilities", "log odds", "standardised log odds"]

MUSICNN_SECONDS = 187 * 256 / 16_000
"""The length of a window in files of musicnn's scores that do not state it."""
WINDOW_SECONDS = 3.0
"""The length of a target's window. Choice: that of the shortest windows of the teachers."""
LEAST = 1e-4
"""Choice: scores are clipped to LEAST..1 - LEAST, because half-precision files hold no finer scores near 1."""
FARTHEST, HALVINGS = 20.0, 40
"""The largest shift of log odds, and the number of bisections that find it, to 1e-10 or better."""
SAME = 1e-3
"""A smaller deviation of log odds counts as none: the teacher gives all windows the same score."""


@dataclass(frozen=True)
class TeacherScores:
    """The scores of a teacher, window by window.

    scores: (windows, labels) in 0..1 for each track. starts: the starts of the windows, (windows,) in seconds, for each
    track.
    """

    labels: tuple[str, ...]
    window_seconds: float
    scores: Mapping[str, npt.NDArray[np.float32]]
    starts: Mapping[str, npt.NDArray[np.float64]]


@dataclass(frozen=True)
class ConsensusTargets:
    """The merged scores of the teachers for a track.

    probabilities: (windows, tags) in 0..1, for consecutive windows of `WINDOW_SECONDS`; NaN for a tag of no teacher.
    disagreement: (windows, tags), the standard deviation over teachers of standardised log odds; NaN where fewer than
    two teachers have the tag.
    """

    probabilities: npt.NDArray[np.float32]
    disagreement: npt.NDArray[np.float32]


def read_teacher(
    path: Path,
    tracks: Iterable[str] | None = None,
    window_seconds: float = MUSICNN_SECONDS,
    only: Collection[str] | None = None,
) -> TeacherScores:
    """Read the scores of a teacher that `benchmarks/peers/score_tracks.py --pack` wrote.

    tracks: the tracks to read, all of which the file must contain; None for all of its tracks. only: the tracks to
    which reading is restricted; the file may lack some. window_seconds: the length of the windows where the file does
    not state it; they are then consecutive.

    Raises DatasetError for a file that is not such an archive, and for missing tracks.
    """
    try:
        # numpy returns an array, not an archive, for a file of a single array.
        if not zipfile.is_zipfile(path):
            raise ValueError("no archive of arrays")
        with np.load(path, allow_pickle=False) as archive:
            names = set(archive.files)
            own = {name for name in names if "/" not in name} - {"labels", "window_seconds"}
            wanted = sorted(own if only is None else own & set(only)) if tracks is None else list(tracks)
            missing = [name for name in ("labels", *wanted) if name not in names]
            if missing:
                raise DatasetError(
                    f"{path} lacks {len(missing)} of {len(wanted)} tracks ({listed(missing)}). Score them."
                )
            labels = tuple(str(label) for label in archive["labels"])
            seconds = float(archive["window_seconds"]) if "window_seconds" in names else window_seconds
            scores = {track: archive[track].astype(np.float32) for track in wanted}
            starts = {
                track: np.asarray(
                    archive[f"{track}/starts"]
                    if f"{track}/starts" in names
                    else seconds * np.arange(len(scores[track])),
                    np.float64,
                )
                for track in wanted
            }
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DatasetError(f"{path} cannot be read as a teacher's scores ({error}). Pack them anew.") from error
    return TeacherScores(labels, seconds, scores, starts)


class Consensus:
    """The scores of several teachers, on one scale and one grid of windows."""

    def __init__(self, vocabulary: Vocabulary, teachers: Mapping[str, TeacherScores], tracks: Iterable[str]) -> None:
        """Measure the level of each teacher on some tracks. Targets of further tracks can be requested later.

        Raises DatasetError where the vocabulary names a label that its teacher lacks, no teacher has any of the tags,
        or a teacher lacks a track.
        """
        self._teachers = dict(teachers)
        self._members = {name: _members(vocabulary, name, teacher.labels) for name, teacher in teachers.items()}
        names = tuple(tracks)
        self._refuse_unscored(names)
        if not names or not any(np.isfinite(members).any() for members in self._members.values()):
            raise DatasetError(
                f"Of {len(names)} tracks, vocabulary {vocabulary.name} knows no tag by {listed(teachers) or 'nobody'}; "
                "expected tracks, and teachers that stand among its sources."
            )
        everything = np.concatenate([self._heard(track) for track in names], axis=1)
        self.means = everything.mean(axis=1)
        deviations = everything.std(axis=1)
        self.deviations: Values = np.where(deviations < SAME, np.nan, deviations)
        """The deviations of log odds: (teachers, tags), NaN where a teacher lacks a tag, or its scores are constant."""
        level = np.nan_to_num(_probability(everything).mean(axis=1)).max(axis=0)
        self._moves = {
            "log odds": _move_to(_mean(everything), level),
            "standardised log odds": _move_to(self._unstandardised(_mean(self._standardised(everything))), level),
        }

    def targets(self, track: str, way: Average = "log odds") -> ConsensusTargets:
        """Return the merged scores of a track.

        Choice: plain log odds, which `benchmarks/consensus.py` finds as good as the other averages or slightly better.
        Raises DatasetError for a track that no teacher has scored.
        """
        standard = self._standardised(self._heard(track))
        heard = ~np.isnan(standard)
        disagreement = np.sqrt(_mean(np.square(standard - _mean(standard)[None]), heard))
        several = heard.sum(axis=0) > 1
        return ConsensusTargets(
            self.averaged(track, way).astype(np.float32),
            np.where(several, disagreement, np.nan).astype(np.float32),
        )

    def averaged(self, track: str, way: Average) -> Values:
        """Return one of the averages of the teachers: (windows, tags) in 0..1, NaN for a tag of no teacher."""
        if way not in get_args(Average):
            raise DatasetError(f"There is no average of {way!r}; expected {listed(get_args(Average))}.")
        odds = self._completed(self._heard(track))
        if way == "probabilities":
            return _mean(_probability(odds))
        mean = _mean(odds) if way == "log odds" else self._unstandardised(_mean(self._standardised(odds)))
        return _probability(mean + self._moves[way])

    def _standardised(self, odds: Values) -> Values:
        return np.asarray((odds - self.means[:, None]) / self.deviations[:, None], np.float64)

    def _unstandardised(self, mean: Values) -> Values:
        scale = ~np.isnan(self.deviations)
        return _mean(self.means, scale) + _mean(self.deviations, scale) * mean

    def _completed(self, odds: Values) -> Values:
        """Fill in the log odds of teachers that did not score a track as if they agreed with the others.

        `odds` and the result: (teachers, windows, tags). Because the levels of teachers differ, an average without some
        of them would be shifted.
        """
        absent = np.isnan(odds) & ~np.isnan(self.means)[:, None]
        agreed = self.means[:, None] + np.nan_to_num(self.deviations)[:, None] * _mean(self._standardised(odds))
        return np.where(absent, agreed, odds)

    def _refuse_unscored(self, tracks: Iterable[str]) -> None:
        for track in tracks:
            missing = [name for name, teacher in self._teachers.items() if track not in teacher.scores]
            if missing:
                raise DatasetError(f"Track {track!r} has no scores by {listed(missing)}; score it, or leave them out.")

    def windows(self, track: str) -> int:
        """Return the number of windows of `WINDOW_SECONDS` of a track.

        It follows the teacher with short windows whose windows reach furthest. Teachers with longer windows repeat a
        short track, and so their windows reach past its end.
        """
        known = [teacher for teacher in self._teachers.values() if track in teacher.scores]
        short = [teacher for teacher in known if teacher.window_seconds <= WINDOW_SECONDS]
        ends = [teacher.starts[track][-1] + teacher.window_seconds for teacher in short or known]
        return max(1, int((max(ends) if short else min(ends)) / WINDOW_SECONDS + 1e-6))

    def _heard(self, track: str) -> Values:
        """Return the log odds of a track: (teachers, windows, tags), NaN where a teacher lacks the tag or the track."""
        if not any(track in teacher.scores for teacher in self._teachers.values()):
            raise DatasetError(f"Track {track!r} has no scores by any of {listed(self._teachers)}; score it.")
        windows = self.windows(track)
        odds = []
        for name, teacher in self._teachers.items():
            if track not in teacher.scores:
                odds.append(np.full((windows, self._members[name].shape[1]), np.nan))
                continue
            # The probability that at least one label of each tag applies is 1 - Π(1 - p).
            none = np.log1p(-np.clip(teacher.scores[track].astype(np.float64), 0, 1 - LEAST)) @ self._members[name]
            share = shares_on_grid(teacher.starts[track], teacher.window_seconds, windows)
            odds.append(share @ _log_odds(-np.expm1(none)))
        return np.stack(odds)


def _members(vocabulary: Vocabulary, name: str, labels: Sequence[str]) -> Values:
    """Return which labels of a teacher belong to each tag: (labels, tags), 1 or 0; NaN for a tag that it lacks."""
    members = np.full((len(labels), len(vocabulary.tags)), np.nan)
    for column, tag in enumerate(vocabulary.tags):
        if name in vocabulary.sources_of(tag):
            members[:, column] = 0
            members[vocabulary.places(tag, name, labels), column] = 1
    return members


def shares_on_grid(starts: npt.NDArray[np.float64], seconds: float, windows: int) -> Values:
    """Return the weight of each window of a teacher in each target window: (windows, teacher's windows), rows sum to 1.

    starts: the starts of the teacher's windows, in seconds. seconds: their length. Weights are proportional to the
    shared time; where no window shares any, the nearest one has the whole weight.
    """
    left = WINDOW_SECONDS * np.arange(windows)[:, None]
    shared = np.minimum(left + WINDOW_SECONDS, starts + seconds) - np.maximum(left, starts)
    # The nearest window has the largest shared time, which may be negative.
    nearest = np.arange(len(starts)) == shared.argmax(axis=1)[:, None]
    shared = np.where((shared > 0).any(axis=1, keepdims=True), np.maximum(shared, 0), nearest)
    return np.asarray(shared / shared.sum(axis=1, keepdims=True), np.float64)


def _log_odds(probability: Values) -> Values:
    clipped = np.clip(probability, LEAST, 1 - LEAST)
    return np.asarray(np.log(clipped) - np.log1p(-clipped), np.float64)


def _probability(odds: Values) -> Values:
    return np.asarray(1 / (1 + np.exp(-odds)), np.float64)


def _move_to(odds: Values, level: Values) -> Values:
    """Return the shift of log odds (windows, tags) that gives each tag the mean probability `level`: both (tags,)."""
    low, high = np.full(level.shape, -FARTHEST), np.full(level.shape, FARTHEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        below = _probability(odds + middle).mean(axis=0) < level
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray((low + high) / 2, np.float64)


def _mean(values: Values, known: npt.NDArray[np.bool_] | None = None) -> Values:
    """Return the mean of known values over the first axis, NaN where none is; by default all but NaN are known."""
    known = ~np.isnan(values) if known is None else known
    count = known.sum(axis=0)
    total = np.where(known, values, 0).sum(axis=0)
    mean: Values = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean
