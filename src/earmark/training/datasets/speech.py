"""Speech and other sound that is not music: sound for which a music tagger must return no music tags.

Speech synthesisers read sentences in many voices, recorded speakers read announcements, and games provide engines,
weather and steps. Some speech is mixed with music, and some is changed by rooms, telephones, noise and other speakers.
A seed determines everything.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from earmark.audio.decode import decode
from earmark.audio.encode import write_flac
from earmark.errors import DatasetError
from earmark.file_errors import file_errors
from earmark.training.datasets.annotated import ALL_MUSIC, FOLDS, RATE_HZ, AnnotatedTrack, read_tracks, write_tracks
from earmark.training.datasets.options import check_counts, did_you_mean, listed
from earmark.training.datasets.speaking import (
    LICENCES,
    SPEAKERS,
    SURROUNDINGS,
    VOICES,
    Recordings,
    RecordingSource,
    Voice,
    add_below,
    bring_to_peak,
    limit_band,
    read_aloud,
    read_recordings,
    reverberate,
    telephone,
)
from earmark.training.datasets.taught import KINDS, blank

Sound = npt.NDArray[np.float32]
Say = Callable[[str], None]
Kind = Literal["speech", "recorded speech", "speech over music", "surroundings", "blank"]
Condition = Literal["dry", "room", "telephone", "narrow band", "noise", "speakers"]

KIND_SHARES: Mapping[Kind, float] = {
    "speech": 0.44,
    "recorded speech": 0.18,
    "speech over music": 0.16,
    "surroundings": 0.14,
    "blank": 0.08,
}
"""Choice: the share of each kind among the tracks."""
CONDITION_SHARES: Mapping[Condition, float] = {
    "dry": 0.26,
    "room": 0.24,
    "telephone": 0.12,
    "narrow band": 0.08,
    "noise": 0.16,
    "speakers": 0.14,
}
"""Choice: the share of each condition among the tracks of speech."""
TELL_TRACKS = 20
"""The number of tracks after which tracks.csv is written again, so that finished tracks can be used."""
SHORTEST_SECONDS, LONGEST_SECONDS = 20.0, 45.0
MUSIC_BELOW_DECIBELS = (4.0, 20.0)
NOISE_BELOW_DECIBELS = (3.0, 25.0)
BLANK_TAGS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    kind: (("silence",), (ALL_MUSIC, "speech", "applause", "noise", "nature sounds"))
    if kind == "silence"
    else (("noise",) if kind in ("noise", "hum") else (), (ALL_MUSIC, "speech", "applause", "silence"))
    for kind in KINDS
}
"""The tags that are certainly present and those certainly absent, by the kind of the generated sound."""
SPEECH_LACKS = (ALL_MUSIC, "silence", "applause", "nature sounds")
QUIET_CONDITIONS: tuple[Condition, ...] = ("dry", "room", "narrow band")
"""The conditions in which speech is certainly without noise."""


@dataclass(frozen=True)
class PlannedSound:
    """The plan of a track: its kind, its number within the kind, its condition, length and seed."""

    track: str
    kind: Kind
    number: int
    condition: Condition
    seconds: float
    seed: int

    @property
    def place(self) -> int:
        """The position of its voice or source among those of its kind, which take turns."""
        sources = {"recorded speech": SPEAKERS, "surroundings": SURROUNDINGS, "blank": range(FOLDS)}
        return self.number % len(sources.get(self.kind, VOICES))

    @property
    def fold(self) -> int:
        """The fold of its voice or source."""
        return self.place % FOLDS


def draw_plans(count: int, seed: int, music: bool) -> tuple[PlannedSound, ...]:
    """Return the plans of `count` tracks. Without `music`, those of speech over music are left out."""
    plans = []
    for kind, share in KIND_SHARES.items():
        for place in range(round(count * share)):
            plan_seed = zlib.crc32(f"{seed}/{kind}/{place}".encode())
            generator = np.random.default_rng(plan_seed)
            names = get_args(Condition)
            condition = names[int(generator.choice(len(names), p=[CONDITION_SHARES[name] for name in names]))]
            if kind not in ("speech", "recorded speech"):
                condition = "dry"
            seconds = round(float(generator.uniform(SHORTEST_SECONDS, LONGEST_SECONDS)), 1)
            track = f"speech-{seed}-{kind.replace(' ', '-')}-{place:04d}"
            if music or kind != "speech over music":
                plans.append(PlannedSound(track, kind, place, condition, seconds, plan_seed))
    return tuple(plans)


@dataclass(frozen=True)
class SpeechMaker:
    """Generates the planned tracks.

    packages: the folder of packages, to which missing ones are downloaded. music: a folder of annotated music to mix
    with speech, or None. say: called with progress messages. failed: called for each file of a package that cannot be
    read.
    """

    packages: Path
    music: Path | None
    say: Say
    failed: Say

    def make(self, root: Path, plans: Sequence[PlannedSound]) -> tuple[AnnotatedTrack, ...]:
        """Write the audio of the plans and tracks.csv under a root. Existing audio is kept.

        Raises DatasetError where a synthesiser or a package is missing, or a fold has no music.
        """
        (root / "audio").mkdir(parents=True, exist_ok=True)
        speakers = self._opened(SPEAKERS) if any(plan.kind == "recorded speech" for plan in plans) else ()
        surroundings = self._opened(SURROUNDINGS) if any(plan.kind == "surroundings" for plan in plans) else ()
        tracks = []
        for number, plan in enumerate(plans, start=1):
            tracks.append(self._made(root, plan, speakers, surroundings))
            if number % TELL_TRACKS == 0 or number == len(plans):
                self.say(f"{number} of {len(plans)} tracks")
                write_tracks(root, tracks)
        return tuple(tracks)

    def _opened(self, sources: Sequence[RecordingSource]) -> tuple[Recordings, ...]:
        opened = []
        for source in sources:
            self.say(f"reading {source.package}")
            recordings = read_recordings(source, self.packages, RATE_HZ, self.failed)
            if not recordings.sounds:
                raise DatasetError(f"Package {source.package} has no sound {source.pattern}; expected some.")
            opened.append(recordings)
        return tuple(opened)

    def _made(
        self, root: Path, plan: PlannedSound, speakers: Sequence[Recordings], surroundings: Sequence[Recordings]
    ) -> AnnotatedTrack:
        generator = np.random.default_rng(plan.seed)
        file = f"audio/{plan.track}.flac"
        present: tuple[str, ...] = ("speech",)
        absent: tuple[str, ...] = SPEECH_LACKS
        music: AnnotatedTrack | None = None
        if plan.condition in QUIET_CONDITIONS:
            absent = (*absent, "noise")
        voice = VOICES[plan.place if plan.kind.startswith("speech") else 0]
        group, licence = voice.group, LICENCES[voice.engine]
        source: str = voice.engine
        if plan.kind in ("recorded speech", "surroundings"):
            recordings = speakers if plan.kind == "recorded speech" else surroundings
            own = recordings[plan.place].source
            source, licence = own.package, recordings[plan.place].licence
            group = f"{own.package}/{own.pattern}"
            if plan.kind == "surroundings":
                present, absent = (), (ALL_MUSIC, "silence")
        elif plan.kind == "blank":
            kind = KINDS[plan.number % len(KINDS)]
            group, source, licence = f"blank/{plan.number}", "earmark", "made by earmark"
            present, absent = BLANK_TAGS[kind]
        elif plan.kind == "speech over music":
            music = self._music(plan, generator)
            absent = tuple(tag for tag in music.absent if tag != "speech")
            licence = f"{licence}; music: {music.licence}"
        row = AnnotatedTrack(
            plan.track, file, plan.kind, source, group, licence, plan.fold, plan.seconds, present, absent
        )
        if not (root / file).is_file():
            sound = self._sound(plan, voice, speakers, surroundings, music, generator)
            unfinished = root / f".{plan.track}.part"
            write_flac(unfinished, bring_to_peak(sound, float(generator.uniform(0.5, 18))), RATE_HZ)
            unfinished.replace(root / file)
        return row

    def _sound(
        self,
        plan: PlannedSound,
        voice: Voice,
        speakers: Sequence[Recordings],
        surroundings: Sequence[Recordings],
        music: AnnotatedTrack | None,
        generator: np.random.Generator,
    ) -> Sound:
        if plan.kind == "blank":
            return np.resize(blank(KINDS[plan.number % len(KINDS)], plan.seed), round(plan.seconds * RATE_HZ))
        if plan.kind == "surroundings":
            source = surroundings[plan.place]
            return source.joined(plan.seconds, float(generator.choice([0.0, 0.3])), RATE_HZ, generator)
        if plan.kind == "recorded speech":
            source = speakers[plan.place]
            speech = source.joined(plan.seconds, 0.35, RATE_HZ, generator)
        else:
            speech = read_aloud(voice, plan.seconds, RATE_HZ, generator)
        if music is not None and self.music is not None:
            path = self.music / music.file
            with file_errors(str(path)), decode(path, RATE_HZ) as blocks:
                below = np.concatenate(list(blocks))
            return add_below(speech, below, float(generator.uniform(*MUSIC_BELOW_DECIBELS)))
        return self._conditioned(plan, speech, generator)

    def _conditioned(self, plan: PlannedSound, speech: Sound, generator: np.random.Generator) -> Sound:
        if plan.condition == "room":
            return reverberate(speech, RATE_HZ, float(generator.uniform(0.2, 1.8)), generator)
        if plan.condition == "telephone":
            return telephone(speech, RATE_HZ)
        if plan.condition == "narrow band":
            return limit_band(speech, RATE_HZ, 60.0, float(generator.uniform(3500, 8000)))
        if plan.condition == "noise":
            kind = str(generator.choice(["noise", "noise", "hum"]))
            return add_below(speech, blank(kind, plan.seed), float(generator.uniform(*NOISE_BELOW_DECIBELS)))
        if plan.condition == "speakers":
            # Further voices are of the same fold, so that no voice is on two sides of a split.
            for _ in range(int(generator.integers(1, 4))):
                same_fold = VOICES[plan.fold :: FOLDS]
                other = same_fold[int(generator.integers(len(same_fold)))]
                heard = read_aloud(other, plan.seconds, RATE_HZ, generator)
                speech = add_below(speech, heard, float(generator.uniform(0, 12)))
            return reverberate(speech, RATE_HZ, float(generator.uniform(0.2, 1.0)), generator)
        return speech

    def _music(self, plan: PlannedSound, generator: np.random.Generator) -> AnnotatedTrack:
        if self.music is None:
            raise DatasetError(f"Track {plan.track} is speech over music; expected a folder of music.")
        same_fold = [track for track in read_tracks(self.music) if track.fold == plan.fold]
        if not same_fold:
            raise DatasetError(f"{self.music} has no music of fold {plan.fold}; expected some. Make more tracks.")
        return same_fold[int(generator.integers(len(same_fold)))]


def make(
    root: Path, count: int, seed: int, packages: Path, music: Path | None, say: Say, kinds: Sequence[str] = ()
) -> tuple[str, ...]:
    """Generate `count` tracks under a root, and return a line for each file of a package that could not be read.

    kinds: the kinds of tracks to generate; empty for all. See `SpeechMaker` for what is kept and what is refused.
    """
    check_counts(count=count, seed=seed)
    for kind in kinds:
        if kind not in KIND_SHARES:
            raise DatasetError(
                f"There is no kind {kind!r} of track; there are {listed(KIND_SHARES)}.{did_you_mean(kind, KIND_SHARES)}"
            )
    failed: list[str] = []
    plans = [plan for plan in draw_plans(count, seed, music is not None) if not kinds or plan.kind in kinds]
    SpeechMaker(packages, music, say, failed.append).make(root, plans)
    return tuple(failed)
