"""Mixtures of tracks: what is drawn, that a fold stays together, and how they sound."""

from pathlib import Path

import numpy as np
import pytest

from earmark.audio.decode import decode
from earmark.audio.encode import write_flac
from earmark.errors import DatasetError
from earmark.training.datasets.annotated import RATE_HZ, read_tracks
from earmark.training.datasets.mixtures import SECONDS, MusicTrack, draw_mixtures, make, mix, read_music


def silent(text: str) -> None:
    """Hear nothing."""


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """Ten tracks of one second, two a fold: tones of different pitch; and one that may not be shipped."""
    folder = tmp_path / "music"
    folder.mkdir()
    lines = ["track,file,fold,licence,may_ship"]
    for number in range(10):
        tone = 0.3 * np.sin(2 * np.pi * 220 * (number + 1) * np.arange(RATE_HZ) / RATE_HZ)
        write_flac(folder / f"{number}.flac", tone.astype(np.float32), RATE_HZ)
        lines.append(f"t{number},{number}.flac,{number % 5},CC0,yes")
    lines.append("other,other.flac,0,none,no")
    (folder / "tracks.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_every_track_is_the_loudest_part_in_turn_and_a_mixture_stays_in_its_fold(music: Path) -> None:
    tracks = read_music([music])
    assert [track.track for track in tracks] == [f"t{number}" for number in range(10)]
    plans = draw_mixtures(tracks, tracks, 200, 3)
    assert plans == draw_mixtures(tracks, tracks, 200, 3) != draw_mixtures(tracks, tracks, 200, 4)
    for start in range(0, 200, 10):
        assert {plan.parts[0] for plan in plans[start : start + 10]} == set(tracks)
    for plan in plans:
        assert len({part.fold for part in plan.parts}) == 1
        assert len(set(plan.parts)) == len(plan.parts)
    assert {len(plan.parts) for plan in plans} == {1, 2}
    assert len({plan.track for plan in plans}) == 200


def test_mixtures_are_made_again_alike_and_what_is_there_is_kept(music: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    made = make(first, [music], [], 6, 1, silent)
    assert read_tracks(first) == made
    assert make(second, [music], [], 6, 1, silent) == made
    for track in made:
        content = (first / track.file).read_bytes()
        assert content == (second / track.file).read_bytes()
        with decode(first / track.file, RATE_HZ) as blocks:
            sound = np.concatenate(list(blocks))
        assert len(sound) == round(SECONDS * RATE_HZ)
        assert 0.3 < np.abs(sound).max() <= 1
    (tmp_path / "others").mkdir()
    table = (music / "tracks.csv").read_text(encoding="utf-8").replace("\nt", f"\n{'x'}")
    for number in range(10):
        (tmp_path / "others" / f"{number}.flac").write_bytes((music / f"{number}.flac").read_bytes())
    (tmp_path / "others" / "tracks.csv").write_text(table, encoding="utf-8")
    with pytest.raises(DatasetError, match="made from other music"):
        make(first, [tmp_path / "others"], [], 6, 1, silent)
    assert read_tracks(first) == made
    kept = first / made[0].file
    kept.write_bytes(b"kept")
    make(first, [music], [], 6, 1, silent)
    assert kept.read_bytes() == b"kept"


def test_all_parts_are_heard(music: Path) -> None:
    """Tones of one and ten times 220 Hz: both stand out of the spectrum, though nine tracks of others lie between."""
    tracks = {track.track: track for track in read_music([music])}
    plan = draw_mixtures([tracks["t0"]], [MusicTrack("x", tracks["t9"].path, "", 0)], 40, 0)
    mixed = next(each for each in plan if len(each.parts) == 2)
    spectrum = np.abs(np.fft.rfft(mix(mixed)))
    hertz = np.fft.rfftfreq(round(SECONDS * RATE_HZ), 1 / RATE_HZ)
    low, high = (spectrum[(hertz > lowest) & (hertz < 1.3 * lowest)].max() for lowest in (190, 1900))
    between = spectrum[(hertz > 600) & (hertz < 1500)].max()
    assert min(low, high) > 3 * between


def test_nothing_to_mix_is_told(music: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no music to mix"):
        make(tmp_path / "none", [], [], 1, 0, silent)
    table = music / "tracks.csv"
    table.write_text(table.read_text(encoding="utf-8").replace(",0,CC0", ",x,CC0", 1), encoding="utf-8")
    with pytest.raises(DatasetError, match="expected 0 to 4"):
        make(tmp_path / "fold", [music], [], 1, 0, silent)
    table.write_text(table.read_text(encoding="utf-8").replace(",x,CC0", ",0,CC0", 1), encoding="utf-8")
    (music / "3.flac").unlink()
    with pytest.raises(DatasetError, match=r"line 5"):
        make(tmp_path / "gone", [music], [], 1, 0, silent)
