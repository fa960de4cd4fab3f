"""Scores for sampled instruments: MIDI, what is certain of what plays, ensembles, grooves, rendering."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.audio.decode import decode
from earmark.errors import DatasetError
from earmark.training.datasets import soundfont
from earmark.training.datasets.annotated import load, targets_of
from earmark.training.datasets.orchestration.ensemble_score import draw_piece
from earmark.training.datasets.orchestration.grooves import FAMILIES, LIBRARY, basic_groove, draw_script, grooves
from earmark.training.datasets.orchestration.instruments import Ensemble, ensembles, heard
from earmark.training.datasets.orchestration.midi import DRUM_CHANNEL, MidiNote, midi_file, notes_by_program
from earmark.training.datasets.vocabulary import read_vocabulary

VOCABULARY = Path(__file__).parents[3] / "vocabularies" / "earmark-2.toml"
needs_mma = pytest.mark.skipif(not LIBRARY.is_dir(), reason="needs the package mma")
needs_player = pytest.mark.skipif(
    shutil.which("fluidsynth") is None or not all(path.is_file() for path in soundfont.SOUNDFONTS.values()),
    reason="needs fluidsynth and Debian's two soundfonts",
)

midi_notes = st.builds(
    MidiNote,
    st.floats(0, 100_000),
    st.floats(0, 1_000),
    st.integers(0, 127),
    st.integers(1, 127),
    st.integers(0, 15),
)


def silent(text: str) -> None:
    """Hear nothing."""


@given(st.lists(midi_notes), st.dictionaries(st.integers(0, 8), st.integers(0, 127)), st.floats(20, 300))
def test_a_file_plays_the_notes_that_were_written(notes: list[MidiNote], programs: dict[int, int], bpm: float) -> None:
    played, drums = notes_by_program(midi_file(notes, programs, bpm))
    assert drums == Counter(note.pitch for note in notes if note.channel == DRUM_CHANNEL)
    assert played == Counter(programs.get(note.channel, 0) for note in notes if note.channel != DRUM_CHANNEL)


def test_what_is_no_midi_file_is_refused() -> None:
    with pytest.raises(DatasetError, match="starts with MThd"):
        notes_by_program(b"RIFF")


@pytest.mark.parametrize(
    ("played", "drums", "present", "unknown"),
    [
        ({0: 50}, {}, {"piano", "instrumental"}, set()),
        ({0: 2, 40: 50}, {}, {"strings", "violin", "instrumental"}, {"piano", "cello"}),
        ({52: 20}, {}, {"choir", "vocals"}, set()),
        ({33: 50}, {36: 20, 42: 80}, {"bass", "drums", "instrumental"}, set()),
        ({33: 50}, {42: 80}, {"bass", "instrumental"}, {"drums"}),
        ({54: 50}, {}, set(), {"vocals", "choir", "synthesizer"}),
    ],
)
def test_what_is_certain_of_what_plays(
    played: dict[int, int], drums: dict[int, int], present: set[str], unknown: set[str]
) -> None:
    tags = heard(played, drums)
    assert set(tags.present) == present
    assert not unknown & {*tags.present, *tags.absent}
    assert "saxophone" in tags.absent


@pytest.mark.parametrize("ensemble", ensembles(), ids=lambda ensemble: ensemble.name)
def test_an_ensemble_plays_what_it_is_said_to_and_nothing_contradicts(ensemble: Ensemble) -> None:
    midi = draw_piece(ensemble, 12.0, np.random.default_rng(3))
    assert midi == draw_piece(ensemble, 12.0, np.random.default_rng(3))
    played, drums = notes_by_program(midi)
    assert set(played) == {player.program for player in ensemble.players if player.role != "drums"}
    assert bool(drums) == any(player.role == "drums" for player in ensemble.players)
    tags = soundfont._tags(ensemble, midi)
    targets = targets_of(tags.present, tags.absent, read_vocabulary(VOCABULARY))
    assert {0.0, 1.0} <= set(targets)


def test_names_of_ensembles_and_families_are_their_own() -> None:
    names = [each.name for each in (*ensembles(), *FAMILIES)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_style_of_a_family_contradicts_nothing(family: soundfont.GrooveFamily) -> None:
    targets_of(family.tags, family.absent, read_vocabulary(VOCABULARY))
    assert not {*family.tags, *family.near} & set(family.absent)
    assert family.bpm[0] < family.bpm[1]


def test_variants_of_a_groove_are_one() -> None:
    assert basic_groove("stdlib/swing:SwingWalkPlusSus") == basic_groove("stdlib/swing:Swing") == "stdlib/swing:Swing"


@needs_mma
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_family_has_grooves(family: soundfont.GrooveFamily) -> None:
    names = grooves(family)
    assert names and len(set(names)) == len(names)
    script = draw_script(family, names[0], 30.0, np.random.default_rng(0))
    assert script == draw_script(family, names[0], 30.0, np.random.default_rng(0))


@needs_mma
def test_plans_are_drawn_by_their_seed_and_a_group_is_in_one_fold() -> None:
    plans = soundfont.draw_tracks(400, 1)
    assert plans == soundfont.draw_tracks(400, 1)
    assert plans[:100] == soundfont.draw_tracks(100, 1)
    folds = {(plan.group, plan.fold) for plan in plans}
    assert len(folds) == len({group for group, _ in folds})
    assert {plan.fold for plan in plans} == set(range(5))


@needs_mma
@needs_player
def test_a_piece_and_a_groove_become_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundfont, "SECONDS", 4.0)
    tracks = soundfont.make(tmp_path, 2, 0, silent)
    assert [track.kind for track in tracks] == ["ensemble", "groove"]
    for track in tracks:
        with decode(tmp_path / track.file, 22_050) as blocks:
            sound = np.concatenate(list(blocks))
        assert len(sound) == 4 * 22_050 and np.sqrt(np.mean(sound[:44_100] ** 2)) > 0.005
    assert len(load(tmp_path, str(VOCABULARY)).tracks) == 2


def test_a_soundfont_that_is_not_installed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soundfont, "SOUNDFONTS", {"nowhere-soundfont": tmp_path / "nothing.sf2"})
    with pytest.raises(DatasetError, match="install the package nowhere-soundfont"):
        soundfont._synthesised(b"", "nowhere-soundfont", tmp_path, np.random.default_rng(0))
