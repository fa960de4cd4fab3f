"""A library stores which tracks are not music or unlike that of training, and writes no tags of music to them."""

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tagging.builders import constant_bundle

from earmark.errors import LibraryError
from earmark.library.library import Library
from earmark.library.mapping import TagMapping, Words
from earmark.library.tag_file import TagFile
from earmark.library.write import WriteOutcome, WriteRule, Writing, files_of
from earmark.tagging.bundle.card import Familiarity, TagName
from earmark.tagging.tagger import Tagger

TAGS = (TagName("rock", "genres", ("rock music",)), TagName("calm", "moods"), TagName("speech", "other sound"))
MUSIC, SPEECH = [3.0, 2.0, -4.0], [1.0, 2.0, 2.5]
FAR = Familiarity(0, 1.5, 2.5, 0.995, 10, "")
OTHERS = TagMapping(groups={"genres": "genre", "moods": "mood", "other sound": "SOUND"})


def added(place: Path, tagger: Tagger, level: float = 0.1) -> Library:
    (place / "music").mkdir(exist_ok=True)
    noise = np.random.default_rng(0).normal(0, 1, 22_050) * level
    soundfile.write(place / "music" / "song.flac", noise, 22_050)
    library = Library(place / "music.earmark", tagger, make=True)
    library.add(place / "music", jobs=1)
    return library


def words(
    library: Library, rule: WriteRule, tagger: Tagger | None = None
) -> tuple[WriteOutcome, dict[str, tuple[str, ...]]]:
    (outcome,) = Writing(library.database, rule, tagger)(files_of(library.database))
    tags = TagFile(Path(outcome.path))
    return outcome, {name: tags.read(name) for name in ("genre", "mood", "SOUND") if tags.read(name)}


@pytest.mark.parametrize("precision", [None, 0.9])
@pytest.mark.parametrize(
    ("odds", "familiarity", "level", "told", "expected"),
    [
        (MUSIC, None, 0.1, "", {"genre": ("rock",), "mood": ("calm",)}),
        (SPEECH, None, 0.1, "mostly speech (92 %)", {"SOUND": ("speech",)}),
        (MUSIC, FAR, 0.1, "unlike the music that the model learned from", {}),
        (MUSIC, None, 0.0, "silence", {}),
    ],
)
def test_what_is_withheld_is_not_written(
    tmp_path: Path,
    precision: float | None,
    odds: list[float],
    familiarity: Familiarity | None,
    level: float,
    told: str,
    expected: dict[str, tuple[str, ...]],
) -> None:
    tagger = Tagger(constant_bundle(odds, TAGS, familiarity, scale=1e-3))
    with added(tmp_path, tagger, level) as library:
        outcome, found = words(library, WriteRule(OTHERS, precision=precision))
        assert (outcome.reason, outcome.withheld, found) == ("", told, expected)


def test_another_head_judges_the_distance_anew(tmp_path: Path) -> None:
    near, far = (Tagger(constant_bundle(MUSIC, TAGS, FAR, scale)) for scale in (1e3, 1e-3))
    other = Tagger(constant_bundle([2.0, 3.0, -4.0], TAGS, FAR, 1e-3))
    with added(tmp_path, near) as library:
        assert words(library, WriteRule())[0].withheld == ""
        assert words(library, WriteRule(), far)[0].withheld.startswith("unlike the music")
        distance = library.track(1).distance
    with Library(tmp_path / "music.earmark", other) as library:
        library.add(tmp_path / "music", jobs=1)
        assert library.track(1).distance == pytest.approx(1e6 * distance, rel=1e-2)
        assert words(library, WriteRule())[0].withheld.startswith("unlike the music")


def test_what_an_older_version_heard_counts_as_music(tmp_path: Path) -> None:
    with added(tmp_path, Tagger(constant_bundle(MUSIC, TAGS))) as library:
        track = library.track(1)
        assert (track.silent, math.isnan(track.distance)) == (False, True)


def test_it_is_exported_and_imported(tmp_path: Path) -> None:
    with added(tmp_path, Tagger(constant_bundle(MUSIC, TAGS, FAR)), level=0.0) as library:
        library.export_to(tmp_path / "tracks.jsonl")
        track = library.track(1)
    with Library(tmp_path / "other.earmark", make=True) as other:
        other.import_from(tmp_path / "tracks.jsonl")
        found = other.track(1)
        assert (found.silent, found.distance) == (track.silent, track.distance)
        assert found.silent


def test_a_synonym_searches_and_maps(tmp_path: Path) -> None:
    rule = WriteRule(TagMapping(only=frozenset(["ROCK music"]), tags={"rock music": Words(("Rock!",))}))
    with added(tmp_path, Tagger(constant_bundle(MUSIC, TAGS))) as library:
        assert [each.track_id for each in library.search("rock music AND NOT speech")] == [1]
        assert words(library, rule)[1] == {"genre": ("Rock!",)}
        twice = TagMapping(tags={"rock music": Words(("Rock!",)), "rock": Words(("Rock",))})
        with pytest.raises(LibraryError, match="beside another word for the tag 'rock', expected one of them"):
            Writing(library.database, WriteRule(twice))
