"""Speech and other sound that is no music: plans, voices, rooms and telephones, recordings of packages."""

import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.audio.decode import decode
from earmark.audio.encode import write_flac
from earmark.errors import DatasetError
from earmark.training.datasets import speech
from earmark.training.datasets.annotated import OTHER_SOUND, RATE_HZ, AnnotatedTrack, load, write_tracks
from earmark.training.datasets.speaking import (
    MOST_RECORDINGS,
    VOICES,
    RecordingSource,
    Voice,
    add_below,
    bring_to_peak,
    read_aloud,
    read_recordings,
    reverberate,
    sentences,
    telephone,
)

needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs the program dpkg-deb")
needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs the program espeak-ng")
VOCABULARY = str(Path(__file__).parents[3] / "vocabularies" / "earmark-2.toml")


def silent(text: str) -> None:
    """Hear nothing."""


def share_of_power(sound: np.ndarray, low_hz: float, high_hz: float) -> float:
    power = np.abs(np.fft.rfft(sound)) ** 2
    hz = np.fft.rfftfreq(len(sound), 1 / RATE_HZ)
    return float(power[(hz >= low_hz) & (hz <= high_hz)].sum() / power.sum())


@pytest.mark.parametrize("seed", (0, 1, 999))
def test_plans_are_drawn_by_their_seed_and_a_voice_is_in_one_fold(seed: int) -> None:
    plans = speech.draw_plans(300, seed, music=True)
    assert plans == speech.draw_plans(300, seed, music=True)
    assert len({plan.track for plan in plans}) == len(plans)
    assert {plan.kind for plan in plans} == set(speech.KIND_SHARES)
    folds = defaultdict(set)
    for plan in plans:
        folds["voice" if plan.kind.startswith("speech") else plan.kind, plan.place].add(plan.fold)
    assert all(len(each) == 1 for each in folds.values())


def test_without_music_the_other_plans_are_the_same() -> None:
    plans = speech.draw_plans(100, 0, music=True)
    assert speech.draw_plans(100, 0, music=False) == tuple(t for t in plans if t.kind != "speech over music")


def test_every_voice_has_sentences_to_read() -> None:
    assert all(len(sentences()[voice.language]) >= 5 for voice in VOICES)


def test_sound_without_music_loads_without_any_tag_of_music(tmp_path: Path) -> None:
    assert speech.make(tmp_path, 75, 0, tmp_path, None, silent, ["blank"]) == ()
    dataset = load(tmp_path, VOCABULARY)
    assert len(dataset.tracks) == 6
    groups = np.array([tag.group for tag in dataset.tags])
    targets = np.array([track.targets for track in dataset.tracks])
    assert not targets[:, groups != OTHER_SOUND].any()
    labels = [tag.label for tag in dataset.tags]
    assert set(targets[:, labels.index("speech")]) == {0.0}
    assert sorted(targets[:, labels.index("silence")]) == [0, 0, 0, 0, 0, 1]
    first = sorted((tmp_path / "audio").iterdir())[0]
    before = first.stat().st_mtime_ns, first.read_bytes()
    speech.make(tmp_path, 75, 0, tmp_path, None, silent, ["blank"])
    assert (first.stat().st_mtime_ns, first.read_bytes()) == before


@needs_espeak
def test_a_voice_reads_the_same_again_and_for_as_long_as_asked() -> None:
    first, second = (read_aloud(VOICES[0], 3.0, RATE_HZ, np.random.default_rng(1)) for _ in range(2))
    assert len(first) == 3 * RATE_HZ and np.array_equal(first, second)
    assert np.sqrt(np.mean(first**2)) > 0.01


@needs_espeak
def test_speech_lies_over_music_of_its_fold(tmp_path: Path) -> None:
    music = tmp_path / "music"
    (music / "audio").mkdir(parents=True)
    tone = 0.5 * np.sin(2 * np.pi * 9_000 * np.arange(RATE_HZ) / RATE_HZ).astype(np.float32)
    write_flac(music / "audio" / "m.flac", tone, RATE_HZ)
    row = ("ensemble", "s", "g", "MIT", 0, 1.0, ("harp",), ("metal",))
    write_tracks(music, [AnnotatedTrack("m", "audio/m.flac", *row)])
    plans = [plan for plan in speech.draw_plans(60, 0, music=True) if plan.kind == "speech over music"]
    maker = speech.SpeechMaker(tmp_path, music, silent, silent)
    (track,) = maker.make(tmp_path / "made", [plans[0]])
    assert (track.present, track.absent) == (("speech",), ("metal",))
    with decode(tmp_path / "made" / track.file, RATE_HZ) as blocks:
        assert share_of_power(np.concatenate(list(blocks)), 8_900, 9_100) > 0.005
    with pytest.raises(DatasetError, match="no music of fold 1"):
        maker.make(tmp_path / "made", [plans[1]])


def test_a_voice_that_is_not_installed_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(DatasetError, match="is not here"):
        read_aloud(Voice("espeak-ng", "en", "en"), 1.0, RATE_HZ, np.random.default_rng(0))


def test_a_telephone_keeps_its_band() -> None:
    noise = np.random.default_rng(0).standard_normal(RATE_HZ).astype(np.float32)
    assert share_of_power(telephone(noise, RATE_HZ), 250, 3_700) > 0.98


def test_a_room_goes_on_sounding() -> None:
    click = np.zeros(RATE_HZ, np.float32)
    click[0] = 1.0
    heard = reverberate(click, RATE_HZ, 0.5, np.random.default_rng(0))
    early, late = np.sum(heard[1:2_000] ** 2), np.sum(heard[8_000:10_000] ** 2)
    assert len(heard) == len(click) and early > 100 * late > 0


@given(st.floats(-6, 40))
def test_what_is_added_lies_so_far_below(decibels: float) -> None:
    speaker = np.zeros(4_000, np.float32)
    speaker[::2] = 0.5
    other = np.zeros(300, np.float32)
    other[1::2] = 0.01
    added = add_below(speaker, other, decibels) - speaker
    assert 10 * np.log10(np.mean(speaker**2) / np.mean(added**2)) == pytest.approx(decibels, abs=0.01)


def test_silence_has_no_level_to_bring_to() -> None:
    nothing = np.zeros(10, np.float32)
    assert not bring_to_peak(nothing, 3.0).any()
    assert np.array_equal(add_below(np.ones(10, np.float32), nothing, 3.0), np.ones(10))


@needs_dpkg
def test_recordings_of_a_package_are_read_and_others_are_told(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    place = tree / "usr" / "share" / "voices"
    place.mkdir(parents=True)
    (tree / "DEBIAN").mkdir()
    control = "Package: voices\nVersion: 1.0\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: voices\n"
    (tree / "DEBIAN" / "control").write_text(control, encoding="utf-8")
    write_flac(place / "long.flac", np.full(RATE_HZ, 0.1, np.float32), RATE_HZ)
    write_flac(place / "short.flac", np.full(RATE_HZ // 10, 0.1, np.float32), RATE_HZ)
    (place / "bad.flac").write_bytes(b"no sound")
    (place / "said.g722").write_bytes(bytes(np.random.default_rng(0).integers(0, 255, 8_000, np.uint8)))
    command = ["dpkg-deb", "--root-owner-group", "--build", str(tree), str(tmp_path / "voices_1.0_all.deb")]
    subprocess.run(command, check=True, capture_output=True)
    failed: list[str] = []
    found = read_recordings(RecordingSource("voices", "usr/share/voices/*"), tmp_path, RATE_HZ, failed.append)
    # A second of G.722 is 8 000 bytes.
    assert [round(len(sound) / RATE_HZ, 2) for sound in found.sounds] == [1.0, 1.0]
    assert len(failed) == 1 and "bad.flac" in failed[0]
    assert MOST_RECORDINGS > 2
    assert len(found.joined(5.0, 0.2, RATE_HZ, np.random.default_rng(0))) == 5 * RATE_HZ
