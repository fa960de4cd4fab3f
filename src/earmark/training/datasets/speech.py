"""Speech and other sound that is no music, alone and over music: what a tagger of music has to keep silent about.

Programs read sentences aloud in many voices, people read announcements, and games give engines, weather and steps;
rooms, telephones, noise and other speakers are added. All of it is drawn by a seed.
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
from earmark.training.datasets.speaking.acoustics import add_below, bring_to_peak, limit_band, reverberate, telephone
from earmark.training.datasets.speaking.recordings import (
    SPEAKERS,
    SURROUNDINGS,
    Recordings,
    RecordingSource,
    read_recordings,
)
from earmark.training.datasets.speaking.voices import LICENCES, VOICES, Voice, read_aloud
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
"""Choice: how many of the tracks are of each kind."""
CONDITION_SHARES: Mapping[Condition, float] = {
    "dry": 0.26,
    "room": 0.24,
    "telephone": 0.12,
    "narrow band": 0.08,
    "noise": 0.16,
    "speakers": 0.14,
}
"""Choice: what becomes of how many of the tracks of speech."""
TELL_TRACKS = 20
"""After so many tracks tracks.csv is written, so that what is there can be used."""
SHORTEST_SECONDS, LONGEST_SECONDS = 20.0, 45.0
MUSIC_BELOW_DECIBELS = (4.0, 20.0)
NOISE_BELOW_DECIBELS = (3.0, 25.0)
BLANK_TAGS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    kind: (("silence",), (ALL_MUSIC, "speech", "applause", "noise", "nature sounds"))
    if kind == "silence"
    else (("noise",) if kind in ("noise", "hum") else (), (ALL_MUSIC, "speech", "applause", "silence"))
    for kind in KINDS
}
"""By the kind of a sound that is made here, the tags that are certainly present and absent."""
SPEECH_LACKS = (ALL_MUSIC, "silence", "applause", "nature sounds")
QUIET_CONDITIONS: tuple[Condition, ...] = ("dry", "room", "narrow band")
"""In which speech certainly comes without noise."""


@dataclass(frozen=True)
class Take:
    """A track as planned: what it is, how many of its kind come before it, and what happens to it."""

    track: str
    kind: Kind
    number: int
    condition: Condition
    seconds: float
    seed: int

    @property
    def place(self) -> int:
        """Its place among the voices or sources of its kind, which take turns."""
        sources = {"recorded speech": SPEAKERS, "surroundings": SURROUNDINGS, "blank": range(FOLDS)}
        return self.number % len(sources.get(self.kind, VOICES))

    @property
    def fold(self) -> int:
        """The fold of its voice or source."""
        return self.place % FOLDS


def draw_takes(count: int, seed: int, music: bool) -> tuple[Take, ...]:
    """Return the plans of so many tracks; without music none is over music, and the others are as they would be."""
    takes = []
    for kind, share in KIND_SHARES.items():
        for place in range(round(count * share)):
            take_seed = zlib.crc32(f"{seed}/{kind}/{place}".encode())
            generator = np.random.default_rng(take_seed)
            names = get_args(Condition)
            condition = names[int(generator.choice(len(names), p=[CONDITION_SHARES[name] for name in names]))]
            if kind not in ("speech", "recorded speech"):
                condition = "dry"
            seconds = round(float(generator.uniform(SHORTEST_SECONDS, LONGEST_SECONDS)), 1)
            track = f"speech-{seed}-{kind.replace(' ', '-')}-{place:04d}"
            if music or kind != "speech over music":
                takes.append(Take(track, kind, place, condition, seconds, take_seed))
    return tuple(takes)


@dataclass(frozen=True)
class SpeechMaker:
    """Makes the tracks of a plan.

    packages: where packages lie or are downloaded to. music: a folder of annotated music, to speak over; None for none.
    say: told what is being done. failed: told of each file of a package that cannot be read.
    """

    packages: Path
    music: Path | None
    say: Say
    failed: Say

    def make(self, root: Path, takes: Sequence[Take]) -> tuple[AnnotatedTrack, ...]:
        """Write the audio of the plans under a root, and their tracks.csv; audio that is there is kept.

        Raises DatasetError where a synthesiser or a package is missing, or there is no music of a fold.
        """
        (root / "audio").mkdir(parents=True, exist_ok=True)
        speakers = self._opened(SPEAKERS) if any(take.kind == "recorded speech" for take in takes) else ()
        surroundings = self._opened(SURROUNDINGS) if any(take.kind == "surroundings" for take in takes) else ()
        tracks = []
        for number, take in enumerate(takes, start=1):
            tracks.append(self._made(root, take, speakers, surroundings))
            if number % TELL_TRACKS == 0 or number == len(takes):
                self.say(f"{number} of {len(takes)} tracks")
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
        self, root: Path, take: Take, speakers: Sequence[Recordings], surroundings: Sequence[Recordings]
    ) -> AnnotatedTrack:
        generator = np.random.default_rng(take.seed)
        file = f"audio/{take.track}.flac"
        present: tuple[str, ...] = ("speech",)
        absent: tuple[str, ...] = SPEECH_LACKS
        music: AnnotatedTrack | None = None
        if take.condition in QUIET_CONDITIONS:
            absent = (*absent, "noise")
        voice = VOICES[take.place if take.kind.startswith("speech") else 0]
        group, licence = voice.group, LICENCES[voice.engine]
        source: str = voice.engine
        if take.kind in ("recorded speech", "surroundings"):
            recordings = speakers if take.kind == "recorded speech" else surroundings
            own = recordings[take.place].source
            source, licence = own.package, recordings[take.place].licence
            group = f"{own.package}/{own.pattern}"
            if take.kind == "surroundings":
                present, absent = (), (ALL_MUSIC, "silence")
        elif take.kind == "blank":
            kind = KINDS[take.number % len(KINDS)]
            group, source, licence = f"blank/{take.number}", "earmark", "made by earmark"
            present, absent = BLANK_TAGS[kind]
        elif take.kind == "speech over music":
            music = self._music(take, generator)
            absent = tuple(tag for tag in music.absent if tag != "speech")
            licence = f"{licence}; music: {music.licence}"
        row = AnnotatedTrack(
            take.track, file, take.kind, source, group, licence, take.fold, take.seconds, present, absent
        )
        if not (root / file).is_file():
            sound = self._sound(take, voice, speakers, surroundings, music, generator)
            unfinished = root / f".{take.track}.part"
            write_flac(unfinished, bring_to_peak(sound, float(generator.uniform(0.5, 18))), RATE_HZ)
            unfinished.replace(root / file)
        return row

    def _sound(
        self,
        take: Take,
        voice: Voice,
        speakers: Sequence[Recordings],
        surroundings: Sequence[Recordings],
        music: AnnotatedTrack | None,
        generator: np.random.Generator,
    ) -> Sound:
        if take.kind == "blank":
            return np.resize(blank(KINDS[take.number % len(KINDS)], take.seed), round(take.seconds * RATE_HZ))
        if take.kind == "surroundings":
            source = surroundings[take.place]
            return source.joined(take.seconds, float(generator.choice([0.0, 0.3])), RATE_HZ, generator)
        if take.kind == "recorded speech":
            source = speakers[take.place]
            speech = source.joined(take.seconds, 0.35, RATE_HZ, generator)
        else:
            speech = read_aloud(voice, take.seconds, RATE_HZ, generator)
        if music is not None and self.music is not None:
            path = self.music / music.file
            with file_errors(str(path)), decode(path, RATE_HZ) as blocks:
                below = np.concatenate(list(blocks))
            return add_below(speech, below, float(generator.uniform(*MUSIC_BELOW_DECIBELS)))
        return self._conditioned(take, speech, generator)

    def _conditioned(self, take: Take, speech: Sound, generator: np.random.Generator) -> Sound:
        if take.condition == "room":
            return reverberate(speech, RATE_HZ, float(generator.uniform(0.2, 1.8)), generator)
        if take.condition == "telephone":
            return telephone(speech, RATE_HZ)
        if take.condition == "narrow band":
            return limit_band(speech, RATE_HZ, 60.0, float(generator.uniform(3500, 8000)))
        if take.condition == "noise":
            kind = str(generator.choice(["noise", "noise", "hum"]))
            return add_below(speech, blank(kind, take.seed), float(generator.uniform(*NOISE_BELOW_DECIBELS)))
        if take.condition == "speakers":
            # Further voices are of the same fold, so that no voice is in two sides of a split.
            for _ in range(int(generator.integers(1, 4))):
                same_fold = VOICES[take.fold :: FOLDS]
                other = same_fold[int(generator.integers(len(same_fold)))]
                heard = read_aloud(other, take.seconds, RATE_HZ, generator)
                speech = add_below(speech, heard, float(generator.uniform(0, 12)))
            return reverberate(speech, RATE_HZ, float(generator.uniform(0.2, 1.0)), generator)
        return speech

    def _music(self, take: Take, generator: np.random.Generator) -> AnnotatedTrack:
        if self.music is None:
            raise DatasetError(f"Track {take.track} is speech over music; expected a folder of music.")
        same_fold = [track for track in read_tracks(self.music) if track.fold == take.fold]
        if not same_fold:
            raise DatasetError(f"{self.music} has no music of fold {take.fold}; expected some. Make more tracks.")
        return same_fold[int(generator.integers(len(same_fold)))]


def make(
    root: Path, count: int, seed: int, packages: Path, music: Path | None, say: Say, kinds: Sequence[str] = ()
) -> tuple[str, ...]:
    """Make so many tracks under a root, and return a line for each file of a package that could not be read.

    kinds: of the tracks that are made, all of them if empty. `SpeechMaker` says what is kept, and what is refused.
    """
    check_counts(count=count, seed=seed)
    for kind in kinds:
        if kind not in KIND_SHARES:
            raise DatasetError(
                f"There is no kind {kind!r} of track; there are {listed(KIND_SHARES)}.{did_you_mean(kind, KIND_SHARES)}"
            )
    failed: list[str] = []
    takes = [take for take in draw_takes(count, seed, music is not None) if not kinds or take.kind in kinds]
    SpeechMaker(packages, music, say, failed.append).make(root, takes)
    return tuple(failed)
