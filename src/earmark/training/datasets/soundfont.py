"""Scores played by sampled instruments, so that instruments and style are known exactly.

Ensembles from a solo violin to an orchestra play generated pieces, and MMA's grooves play accompaniments in many
styles. fluidsynth renders them with two free soundfonts.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earmark.audio.decode import decode
from earmark.audio.encode import write_flac
from earmark.errors import DatasetError
from earmark.file_errors import file_errors
from earmark.training.datasets.annotated import FOLDS, RATE_HZ, AnnotatedTrack, write_tracks
from earmark.training.datasets.debian_package import run
from earmark.training.datasets.options import check_counts
from earmark.training.datasets.orchestration.ensemble_score import draw_piece
from earmark.training.datasets.orchestration.grooves import (
    FAMILIES,
    FAR_GENRES,
    GrooveFamily,
    basic_groove,
    draw_script,
    grooves,
    play,
)
from earmark.training.datasets.orchestration.instruments import Ensemble, Tags, ensembles, heard
from earmark.training.datasets.orchestration.midi import notes_by_program

Sound = npt.NDArray[np.float32]
Say = Callable[[str], None]

SECONDS = 30.0
SOUNDFONTS: Mapping[str, Path] = {
    "fluid-soundfont-gm": Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"),
    "musescore-general-soundfont": Path("/usr/share/sounds/sf3/MuseScore_General_Full.sf3"),
}
"""The soundfonts of Debian's packages, by package; both have the MIT licence."""
LICENCE = "made by earmark; soundfont {soundfont} (MIT)"
TELL_TRACKS = 20
"""The number of tracks after which tracks.csv is written again, so that finished tracks can be used."""
FAR_OF_ENSEMBLES: Mapping[str, tuple[str, ...]] = {"rock": ("metal", "punk"), "electronic": FAR_GENRES}
"""The genres that are not certainly absent, by a tag of the ensemble."""


@dataclass(frozen=True)
class PlannedTrack:
    """The plan of a track: an ensemble, or a family of grooves and one of its grooves; the soundfont and the seed.

    group: a name shared by all tracks that must be on the same side of a split: those of a groove and its variants, or
    the pieces of an ensemble in one fold.
    """

    track: str
    music: Ensemble | GrooveFamily
    groove: str
    soundfont: str
    group: str
    fold: int
    seed: int


def draw_tracks(count: int, seed: int) -> tuple[PlannedTrack, ...]:
    """Return the plans of `count` tracks. Ensembles, families, and the grooves of a family take turns.

    Raises DatasetError where MMA is missing.
    """
    own_ensembles, fonts = ensembles(), tuple(SOUNDFONTS)
    plans = []
    for index in range(count):
        place, is_groove = divmod(index, 2)
        track = f"score-{seed}-{'groove' if is_groove else 'ensemble'}-{place:04d}"
        track_seed = zlib.crc32(track.encode())
        turn, number = divmod(place, len(FAMILIES) if is_groove else len(own_ensembles))
        music: Ensemble | GrooveFamily = FAMILIES[number] if is_groove else own_ensembles[number]
        groove, group, fold = "", f"{music.name}/{(turn + number) % FOLDS}", (turn + number) % FOLDS
        if isinstance(music, GrooveFamily):
            names = grooves(music)
            groove = names[turn % len(names)]
            group = basic_groove(groove)
            fold = zlib.crc32(group.encode()) % FOLDS
        font = fonts[track_seed % 3 == 0]
        plans.append(PlannedTrack(track, music, groove, font, group, fold, track_seed))
    return tuple(plans)


def make(root: Path, count: int, seed: int, say: Say) -> tuple[AnnotatedTrack, ...]:
    """Render `count` tracks of `SECONDS` under a root, and write tracks.csv. Existing audio is kept.

    Raises DatasetError where MMA, fluidsynth or a soundfont is missing.
    """
    check_counts(count=count, seed=seed)
    (root / "audio").mkdir(parents=True, exist_ok=True)
    tracks = []
    for number, plan in enumerate(draw_tracks(count, seed), start=1):
        tracks.append(render_track(root, plan))
        if number % TELL_TRACKS == 0 or number == count:
            say(f"{number} of {count} tracks")
            write_tracks(root, tracks)
    return tuple(tracks)


def render_track(root: Path, plan: PlannedTrack) -> AnnotatedTrack:
    """Render a planned track into the folder `audio` of a root, which exists; raises as `make` does."""
    generator = np.random.default_rng(plan.seed)
    file = f"audio/{plan.track}.flac"
    with tempfile.TemporaryDirectory() as folder:
        if isinstance(plan.music, GrooveFamily):
            midi = play(draw_script(plan.music, plan.groove, SECONDS, generator), Path(folder))
            kind, source = "groove", f"mma {plan.soundfont}"
        else:
            midi = draw_piece(plan.music, SECONDS, generator)
            kind, source = "ensemble", plan.soundfont
        if not (root / file).is_file():
            unfinished = root / f".{plan.track}.part"
            write_flac(unfinished, _synthesised(midi, plan.soundfont, Path(folder), generator), RATE_HZ)
            unfinished.replace(root / file)
    tags = _tags(plan.music, midi)
    licence = LICENCE.format(soundfont=plan.soundfont)
    return AnnotatedTrack(
        plan.track, file, kind, source, plan.group, licence, plan.fold, SECONDS, tags.present, tags.absent
    )


def _tags(music: Ensemble | GrooveFamily, midi: bytes) -> Tags:
    played, drums = notes_by_program(midi)
    instruments = heard(played, drums)
    if isinstance(music, GrooveFamily):
        absent = music.absent
    else:
        spared = {genre for tag in music.tags for genre in FAR_OF_ENSEMBLES.get(tag, ("classical",))}
        # Listeners may take what classical instruments play for classical, jazz, folk or ambient music.
        absent = tuple(genre for genre in FAR_GENRES if genre not in spared and genre not in NEAR_ENSEMBLES)
    present = tuple(sorted({*instruments.present, *music.tags}))
    return Tags(
        present,
        tuple(tag for tag in dict.fromkeys((*instruments.absent, *absent, *NOT_IN_MUSIC)) if tag not in present),
    )


NOT_IN_MUSIC = ("speech", "applause", "nature sounds", "noise", "silence")
NEAR_ENSEMBLES = ("classical", "jazz", "swing", "ambient", "country", "bluegrass", "indian", "flamenco", "opera")
"""The genres that are neither certainly present nor certainly absent where an ensemble plays."""


def _synthesised(midi: bytes, soundfont: str, folder: Path, generator: np.random.Generator) -> Sound:
    """Render a MIDI file in a random room at a random level: (samples,) float32, `SECONDS` long at `RATE_HZ`."""
    font = SOUNDFONTS[soundfont]
    if not font.is_file():
        raise DatasetError(f"There is no {font}; install the package {soundfont}.")
    score, wave = folder / "piece.mid", folder / "piece.wav"
    score.write_bytes(midi)
    room = f"{generator.uniform(0.1, 0.8):.2f}"
    options = ("synth.dynamic-sample-loading=1", f"synth.reverb.room-size={room}")
    run(
        [
            *("fluidsynth", "-n", "-i", "-q", "-r", "44100", "-O", "s16", "-T", "wav", "-F", str(wave)),
            *(part for option in options for part in ("-o", option)),
            *(str(font), str(score)),
        ]
    )
    with file_errors(str(wave)), decode(wave, RATE_HZ) as blocks:
        sound = np.concatenate(list(blocks))[: round(SECONDS * RATE_HZ)]
    peak = float(np.abs(sound).max())
    if peak == 0.0:
        raise DatasetError(f"fluidsynth rendered silence with {font}; expected music.")
    level = 10.0 ** (-float(generator.uniform(0.5, 9)) / 20)
    return np.asarray(np.pad(sound, (0, round(SECONDS * RATE_HZ) - len(sound))) * (level / peak), np.float32)
