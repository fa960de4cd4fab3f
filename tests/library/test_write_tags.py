"""Tags are written as each format has them, nothing else changes, and undoing leaves no trace."""

import fcntl
import os
import shutil
from pathlib import Path
from typing import Any

import mutagen
import pytest
from library.songs import ENDINGS, heard, make_songs, packets_md5, probed, snapshot, songs_bundle
from mutagen.apev2 import APEv2
from mutagen.id3 import ID3, TMOO, TXXX, TYER

from earmark.audio.identity import identity
from earmark.errors import LibraryError
from earmark.library.fields import names_in
from earmark.library.library import Library
from earmark.library.mapping import TagMapping, Words
from earmark.library.scan import stamp_of
from earmark.library.tag_file import TagFile
from earmark.library.undo import Undoing
from earmark.library.write import WriteOutcome, WriteRule, Writing, files_of
from earmark.tagging.tagger import Tagger


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_songs(tmp_path_factory.mktemp("originals") / "songs")


@pytest.fixture
def song(request: pytest.FixtureRequest, originals: dict[str, Path], tmp_path: Path) -> Path:
    """A copy of the song with the ending that the test names; an MP3 where it names none."""
    ending = getattr(request, "param", "mp3")
    return Path(shutil.copy2(originals[ending], tmp_path / f"song.{ending}"))


def write(library: Library, rule: WriteRule | None = None, *, dry_run: bool = False) -> WriteOutcome:
    [outcome] = Writing(library.database, rule or WriteRule())(files_of(library.database), dry_run=dry_run)
    return outcome


def undo(library: Library, run: int | None = None) -> WriteOutcome:
    [outcome] = Undoing(library.database)(run)
    return outcome


def library_of(song: Path) -> Library:
    return heard(song.parent / "music.earmark", [song])


@pytest.mark.parametrize("song", ENDINGS, indirect=True)
def test_words_are_written_as_several_values_and_undone(song: Path) -> None:
    before, tags, sound, time_ns = song.read_bytes(), snapshot(song), packets_md5(song), song.stat().st_mtime_ns
    with library_of(song) as library:
        outcome = write(library)
        assert outcome.reason == ""
        read = TagFile(song)
        assert read.read("genre") == ("bebop", "jazz")
        assert read.read("mood") == ("happy", "calm")
        [provenance] = read.read("EARMARK")
        assert provenance.startswith("songs ")
        assert "; earmark " in provenance
        assert (packets_md5(song), identity(song)) == (sound, library.track(1).identity)
        assert song.read_bytes() != before
        assert song.stat().st_mtime_ns > time_ns
        assert write(library).changes == ()
        known = library.database.known_path(str(song))
        assert known is not None
        assert known.stamp.size_bytes == song.stat().st_size, "adding the folder again opens nothing"
        assert undo(library).reason == ""
    assert (snapshot(song), packets_md5(song)) == (tags, sound)
    assert [path.name for path in song.parent.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("song", [ending for ending in ENDINGS if ending != "wav"], indirect=True)
def test_another_program_reads_them(song: Path) -> None:
    with library_of(song) as library:
        write(library, WriteRule(scores=True))
    found = probed(song)
    several = {".flac", ".ogg", ".opus"}  # of the others ffprobe shows one value
    assert found["GENRE"] == "bebop;jazz" if song.suffix in several else found["GENRE"] in ("bebop", "jazz"), found
    mood = next(found[name] for name in ("MOOD", "TMOO", "WM/MOOD") if name in found)
    assert mood == "happy;calm" if song.suffix in several else mood in ("happy", "calm"), found
    assert found["EARMARK_GUITAR"] == "0.881"
    assert (found["TITLE"], found["ARTIST"]) == ("A title", "Somebody")


@pytest.mark.parametrize(
    ("song", "expected"),
    [
        ("mp3", {"TCON": ["bebop", "jazz"], "TMOO": ["happy", "calm"]}),
        ("flac", {"GENRE": ["bebop", "jazz"], "MOOD": ["happy", "calm"]}),
        ("opus", {"GENRE": ["bebop", "jazz"], "MOOD": ["happy", "calm"]}),
        ("m4a", {"\xa9gen": ["bebop", "jazz"], "----:com.apple.iTunes:MOOD": [b"happy", b"calm"]}),
        ("wma", {"WM/Genre": ["bebop", "jazz"], "WM/Mood": ["happy", "calm"]}),
        ("wv", {"Genre": ["bebop", "jazz"], "Mood": ["happy", "calm"]}),
        ("aiff", {"TCON": ["bebop", "jazz"], "TMOO": ["happy", "calm"]}),
        ("wav", {"TCON": ["bebop", "jazz"], "TMOO": ["happy", "calm"]}),
    ],
    indirect=["song"],
)
def test_the_names_are_those_of_each_format(song: Path, expected: dict[str, list[Any]]) -> None:
    with library_of(song) as library:
        write(library)
    tags = mutagen.File(song).tags
    for name, values in expected.items():
        found = list(tags[name].text if hasattr(tags[name], "text") else tags[name])
        assert [bytes(each) if isinstance(each, bytes) else str(each) for each in found] == values


def older_mp3(song: Path) -> ID3:
    """The song with a tag of ID3v2.3 and a year, which ID3v2.4 would keep elsewhere."""
    tags = ID3(song)
    tags.update_to_v23()
    tags.add(TYER(0, ["1959"]))
    tags.save(song, v2_version=3)
    return ID3(song, translate=False)


def test_id3v2_3_stays_what_it_is_and_has_mood_in_a_frame_of_its_own(song: Path) -> None:
    older_mp3(song)
    tags = snapshot(song)
    with library_of(song) as library:
        write(library)
        found = ID3(song, translate=False)
        assert found.version == (2, 3, 0)
        assert found["TXXX:MOOD"].text == ["happy", "calm"]
        assert found["TCON"].text == ["bebop", "jazz"]
        assert "TMOO" not in found
        assert str(found["TYER"]) == "1959"
        undo(library)
    assert snapshot(song) == tags


@pytest.mark.parametrize(("version", "expected"), [(3, (2, 3, 0)), (4, (2, 4, 0))])
def test_a_file_without_any_tag_gets_the_version_asked_for_and_loses_it_again(
    song: Path, version: Any, expected: tuple[int, int, int]
) -> None:
    ID3(song).delete(song)
    before = song.read_bytes()
    with library_of(song) as library:
        write(library, WriteRule(id3_version=version))
        assert ID3(song, translate=False).version == expected
        undo(library)
    assert song.read_bytes() == before, "to the byte"


@pytest.mark.parametrize("song", ["flac", "m4a", "wv", "aiff", "wav"], indirect=True)
def test_a_block_of_tags_that_was_not_there_is_not_there_again(song: Path) -> None:
    mutagen.File(song).delete()
    tags, sound = snapshot(song), packets_md5(song)
    with library_of(song) as library:
        assert write(library).reason == ""
        assert TagFile(song).read("genre") == ("bebop", "jazz")
        undo(library)
    assert (snapshot(song), packets_md5(song)) == (tags, sound)


def test_a_file_that_was_moved_keeps_its_words_and_can_be_undone(song: Path) -> None:
    with library_of(song) as library:
        write(library)
        moved = song.rename(song.with_name("moved.mp3"))
        stamp = stamp_of(str(moved))
        assert stamp is not None
        library.database.mark_missing([str(song)], missing=True)
        library.database.add_paths([(str(moved), stamp, library.track(1).identity)])
        assert write(library, WriteRule(TagMapping(most=1))).changes, "its words are earmark's own still"
        assert TagFile(moved).read("genre") == ("bebop",)
        for run in (2, 1):
            assert undo(library, run).reason == ""
        assert TagFile(moved).read("genre") == ()


def test_an_id3v1_alone_is_taken_over_and_stays_as_it_was(song: Path) -> None:
    tags = ID3(song)
    tags.save(song, v1=2)
    ID3(song).delete(song, delete_v1=False)
    with song.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\xff")  # no genre
    before = song.read_bytes()
    with library_of(song) as library:
        write(library)
        found = ID3(song, translate=False, load_v1=False)
        assert str(found["TIT2"]) == "A title", "a player that looks at ID3v2 first still has a title"
        assert found["TCON"].text == ["bebop", "jazz"]
        assert song.read_bytes()[-128:] == before[-128:]
        undo(library)
    assert song.read_bytes() == before


@pytest.mark.parametrize("song", ENDINGS, indirect=True)
def test_what_a_person_wrote_is_left_unless_overwriting_is_asked_for(song: Path) -> None:
    person = TagFile(song)
    person.put(names_in("genre", person.kind)[0], ("Polka", "Waltz"))
    person.save()
    tags = snapshot(song)
    with library_of(song) as library:
        outcome = write(library)
        [kept] = outcome.kept
        assert (kept.field, kept.there, kept.wanted) == ("genre", ("Polka", "Waltz"), ("bebop", "jazz"))
        assert TagFile(song).read("genre") == ("Polka", "Waltz")
        assert TagFile(song).read("mood") == ("happy", "calm")
        over = write(library, WriteRule(overwrite=True))
        assert TagFile(song).read("genre") == ("bebop", "jazz")
        assert over.kept == ()
        undo(library)
        assert TagFile(song).read("genre") == ("Polka", "Waltz")
        assert TagFile(song).read("mood") == ("happy", "calm"), "written by the run before"
        undo(library)
        assert snapshot(song) == tags
        with pytest.raises(LibraryError, match="nothing to undo"):
            undo(library)


def test_what_stands_elsewhere_counts_as_written_by_a_person(song: Path) -> None:
    tags = ID3(song)
    tags.add(TXXX(3, "mood", ["Gloomy"]))
    tags.save(song)
    beside = APEv2()
    beside["Genre"] = ["Polka"]
    beside.save(song)
    with library_of(song) as library:
        outcome = write(library)
        assert outcome.changes == ()
        assert {kept.field: kept.there for kept in outcome.kept} == {"genre": ("Polka",), "mood": ("Gloomy",)}
        write(library, WriteRule(overwrite=True))
        found = ID3(song)
        assert "TXXX:mood" not in found, "two names of one field do not contradict each other"
        assert found["TMOO"].text == ["happy", "calm"]
        undo(library)
        assert ID3(song)["TXXX:mood"].text == ["Gloomy"]


@pytest.mark.parametrize("song", ["flac"], indirect=True)
def test_an_empty_field_is_filled_and_empty_again(song: Path) -> None:
    file = mutagen.File(song)
    file["genre"] = [""]
    file.save()
    with library_of(song) as library:
        write(library)
        assert TagFile(song).read("genre") == ("bebop", "jazz")
        undo(library)
    assert ("genre", "") in list(mutagen.File(song).tags)


def test_what_earmark_wrote_follows_the_model_and_what_was_changed_since_is_left(song: Path) -> None:
    with library_of(song) as library:
        write(library)
        again = write(library, WriteRule(TagMapping(tags={"jazz": Words(("Jazz",))})))
        assert again.kept == ()
        assert TagFile(song).read("genre") == ("bebop", "Jazz")
        tags = ID3(song)
        tags.add(TMOO(3, ["Pensive"]))
        tags.save(song)
        assert [kept.field for kept in write(library, dry_run=True).kept] == ["mood"]
        first = undo(library, 1)
        assert {kept.field for kept in first.kept} >= {"TCON", "TMOO"}, "later runs and people have the last word"
        assert TagFile(song).read("mood") == ("Pensive",)


def test_a_dry_run_says_it_all_and_does_nothing(song: Path) -> None:
    before = song.read_bytes()
    with library_of(song) as library:
        dry = write(library, dry_run=True)
        assert song.read_bytes() == before
        with pytest.raises(LibraryError, match="nothing to undo"):
            undo(library)
        assert [change.name for change in dry.changes] == ["TCON", "TMOO", "TXXX:EARMARK"]
        assert write(library).changes == dry.changes


def test_the_time_of_change_is_kept_on_request(song: Path) -> None:
    os.utime(song, ns=(1_000_000_000, 1_000_000_000))
    with library_of(song) as library:
        write(library, WriteRule(keep_time=True))
        assert song.stat().st_mtime_ns == 1_000_000_000
        [outcome] = Undoing(library.database, keep_time=True)()
        assert outcome.changes
        assert song.stat().st_mtime_ns == 1_000_000_000


def test_rights_stay_and_a_link_still_leads_there(song: Path) -> None:
    song.chmod(0o640)
    link = song.with_name("link.mp3")
    link.symlink_to(song)
    with heard(song.parent / "music.earmark", [link]) as library:
        assert write(library).reason == ""
    assert link.is_symlink()
    assert song.stat().st_mode & 0o777 == 0o640
    assert TagFile(song).read("genre")


def test_files_that_cannot_be_written_are_reported_and_left(song: Path) -> None:
    before = song.read_bytes()
    with library_of(song) as library:
        song.chmod(0o444)
        for dry_run in (True, False):
            assert write(library, dry_run=dry_run).reason.startswith("it is read-only")
        song.chmod(0o644)
        with song.open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_SH)
            assert write(library).reason.startswith("it is locked by another program")
        assert song.read_bytes() == before
        song.write_bytes(before + b"\xff\xfb\x90\x00" + bytes(413))
        assert "another recording" in write(library).reason
        song.unlink()
        assert write(library).reason
        with pytest.raises(LibraryError, match="nothing to undo"):
            undo(library)


def test_kinds_without_tags_and_files_far_away_are_reported(song: Path) -> None:
    with library_of(song) as library:
        text = song.with_name("text.mka")
        text.write_bytes(b"\x1aE\xdf\xa3" + bytes(100))
        outcomes = list(Writing(library.database, WriteRule())([(str(text), 1), ("s3://bucket/a.mp3", 1)]))
    assert "a format without tags" in outcomes[0].reason
    assert "not on this machine" in outcomes[1].reason


def test_another_head_may_speak_and_other_ears_may_not(song: Path) -> None:
    with library_of(song) as library:
        own, other = songs_bundle(), songs_bundle(seed=5)
        taught = Tagger(own)
        [outcome] = Writing(library.database, WriteRule(threshold=0.0), taught)(
            files_of(library.database), dry_run=True
        )
        assert outcome.reason == ""
        [outcome] = Writing(library.database, WriteRule(), Tagger(other))(files_of(library.database), dry_run=True)
        assert "another model" in outcome.reason


def test_scores_have_a_field_each_and_are_brought_up_to_date(song: Path) -> None:
    with library_of(song) as library:
        write(library, WriteRule(scores=True))
        found = ID3(song)
        assert found["TXXX:EARMARK_ROCK"].text == ["0.119"]
        tags = ID3(song)
        tags.add(TXXX(3, "EARMARK_ROCK", ["0.5"]))
        tags.save(song)
        write(library, WriteRule(scores=True))
        assert ID3(song)["TXXX:EARMARK_ROCK"].text == ["0.119"]
