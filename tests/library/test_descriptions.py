"""What files' own tags say is read when they are added, and found by its words."""

import os
import sqlite3
import unicodedata
from pathlib import Path

import mutagen
import pytest
from library.engines import Scripted, honest, making
from library.songs import ENDINGS, make_songs
from library.synthetic import fill, say

from earmark.errors import TrackFileError
from earmark.file_name import folded_path
from earmark.library import store
from earmark.library.descriptions import NOTHING_SAID, Description, TextField, read_description
from earmark.library.jobs import Stamp
from earmark.library.library import Library
from earmark.library.schema import APPLICATION_ID, MIGRATIONS

LEONI = Description("Für Élise, live", "Leoni", "Evenings at home", "Classical; Jazz", 1999)


def describe(library: Library, said: dict[str, Description]) -> None:
    """Tracks of these paths, all alike, and what their files say."""
    assert library.tagger is not None
    say(library, {path: [0.0] * len(library.tagger.card.labels) for path in said})
    library.descriptions.write((os.fsencode(path), Stamp(1, 1), each) for path, each in said.items())


@pytest.fixture
def described(library: Library) -> Library:
    describe(
        library,
        {
            "/music/a/01 one.mp3": LEONI,
            "/music/b/Björk/02 two.mp3": Description("Jóga", "Björk", "Homogenic", "Pop", 1997),
            "/music/c/three.mp3": Description("Love > Hate", "The Evenings"),
            "/music/d/leoni four.mp3": NOTHING_SAID,
        },
    )
    return library


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        ("leoni", "artist", [1]),
        ("LEONI", "path", [4]),
        ("elise", "title", [1]),
        ("Élise", "title", [1]),
        ("Fur Elise", "title", [1]),
        ("Elise fur", "title", []),
        ("evenings", "album", [1]),
        ("jazz", "genre", [1]),
        ("bjork", "artist", [2]),
        ("bjork", "path", [2]),
        ("leo", "artist", []),
        ('le"oni', "artist", []),
        ("love > hate", "title", [3]),
        ("NEAR(", "title", []),
        ("*", "title", []),
        ("", "title", []),
        ("\0", "title", []),
        ("\udcff leoni", "artist", [1]),
    ],
)
def test_words_are_found_whatever_their_case_form_and_accents(
    described: Library, text: str, field: TextField, expected: list[int]
) -> None:
    for form in ("NFC", "NFD"):
        assert described.descriptions.tracks_with(unicodedata.normalize(form, text), field).tolist() == expected


def test_the_start_of_a_word_is_found_if_wanted(described: Library) -> None:
    assert described.descriptions.tracks_with("leo", "artist", start=True).tolist() == [1]


def test_years(described: Library) -> None:
    assert described.descriptions.tracks_of_years(1990, 1999).tolist() == [1, 2]
    assert described.descriptions.tracks_of_years(1998, 2000).tolist() == [1]


def test_a_track_with_several_files_is_found_once_and_says_what_an_existing_file_says(described: Library) -> None:
    identity = described.track(1).identity
    described.database.add_paths([("/other/one.mp3", Stamp(1, 1), identity), ("/x.mp3", Stamp(1, 1), identity)])
    described.descriptions.write([(b"/other/one.mp3", Stamp(1, 1), Description("Elise", "L. Eoni"))])
    assert described.descriptions.tracks_with("elise", "title").tolist() == [1]
    assert described.descriptions.of_track(1) == LEONI
    described.database.mark_missing(["/music/a/01 one.mp3"], missing=True)
    assert described.descriptions.of_track(1).artist == "L. Eoni"
    described.database.forget_paths(["/music/a/01 one.mp3", "/other/one.mp3"])
    assert described.descriptions.of_track(1) == NOTHING_SAID
    assert described.descriptions.tracks_with("elise", "title").tolist() == []


def test_a_path_that_leads_to_another_recording_now_is_found_there(described: Library) -> None:
    described.database.add_paths([("/music/a/01 one.mp3", Stamp(2, 2), described.track(3).identity)])
    assert described.descriptions.tracks_with("one", "path").tolist() == [3]
    assert described.descriptions.tracks_with("leoni", "artist").tolist() == []


def test_removed_tracks_are_in_no_table(described: Library) -> None:
    described.store.run("DELETE FROM tracks WHERE id = 1")
    assert described.descriptions.tracks_with("leoni", "artist").tolist() == []
    assert (
        described.store.row("SELECT count(*) FROM words") == described.store.row("SELECT count(*) FROM paths") == (3,)
    )
    assert described.store.rows("SELECT track_id FROM absent") == []


def test_absent_tracks_are_those_without_an_existing_file(library: Library) -> None:
    fill(library, 4)

    def absent() -> list[int]:
        found = [track for (track,) in library.store.rows("SELECT track_id FROM absent ORDER BY track_id")]
        assert found == [
            track
            for (track,) in library.store.rows(
                "SELECT id FROM tracks WHERE id NOT IN (SELECT track_id FROM paths WHERE NOT missing) ORDER BY id"
            )
        ]
        return found

    assert absent() == []
    library.database.add_paths([("/again.mp3", Stamp(1, 1), library.track(1).identity)])
    library.database.mark_missing(["/music/0/0.mp3", "/music/0/1.mp3"], missing=True)
    assert absent() == [2]
    library.database.add_failure("/again.mp3", Stamp(2, 2), "torn")
    assert absent() == [1, 2]
    library.database.mark_missing(["/music/0/0.mp3"], missing=False)
    library.database.forget_paths_under(["/music/0"])
    assert absent() == [1, 2, 3, 4]
    library.database.add_paths([("/music/0/2.mp3", Stamp(1, 1), library.track(4).identity)])
    assert absent() == [1, 2, 3]


@pytest.mark.parametrize("ending", ENDINGS)
def test_tags_of_every_format_are_read(tmp_path: Path, ending: str) -> None:
    (song,) = make_songs(tmp_path / "songs", [ending]).values()
    tags = mutagen.File(song, easy=True)
    if ending in ("mp3", "m4a", "flac", "ogg", "opus"):
        tags.update({"album": "An album", "date": "1999-12-31", "genre": ["Jazz", "Bebop"]})
        tags.save()
        assert read_description(str(song)) == Description("A title", "Somebody", "An album", "Jazz; Bebop", 1999)
    else:
        assert read_description(str(song)) in (
            Description("A title", "Somebody"),
            Description("A title"),  # ffmpeg writes the artist of a WAV or AIFF where only it reads it.
            NOTHING_SAID,
        )


def test_id3_of_every_version_is_read(tmp_path: Path) -> None:
    (song,) = make_songs(tmp_path / "songs", ["mp3"]).values()
    tags = mutagen.id3.ID3(song)
    for name, text in {"TIT2": "One", "TPE1": "Two", "TALB": "Three", "TCON": "Four", "TDRC": "2001"}.items():
        tags.add(getattr(mutagen.id3, name)(encoding=3, text=[text]))
    for version in (3, 4):
        tags.save(song, v2_version=version)
        assert read_description(str(song)) == Description("One", "Two", "Three", "Four", 2001)
    sound = song.read_bytes()
    frames = b"".join(
        name + (len(text) + 1).to_bytes(3, "big") + b"\0" + text
        for name, text in ((b"TT2", b"One"), (b"TP1", b"Two"), (b"TAL", b"Three"), (b"TCO", b"Four"), (b"TYE", b"2001"))
    )
    start = sound.index(b"\xff\xfb")
    song.write_bytes(b"ID3\x02\0\0" + bytes((0, 0, len(frames) >> 7, len(frames) & 127)) + frames + sound[start:])
    assert read_description(str(song)) == Description("One", "Two", "Three", "Four", 2001)


def test_a_file_without_tags_is_no_description(tmp_path: Path) -> None:
    (tmp_path / "no.mp3").write_bytes(b"no sound")
    with pytest.raises(TrackFileError, match="a format without tags"):
        read_description(str(tmp_path / "no.mp3"))


def test_adding_reads_what_files_say_and_reads_it_again_after_a_change(library: Library, tmp_path: Path) -> None:
    assert library.tagger is not None
    song = make_songs(tmp_path / "songs", ["flac"])["flac"]
    library.add(tmp_path / "songs", engine=making(Scripted(honest(library.tagger))))
    assert library.descriptions.of_track(1).artist == "Somebody"
    assert library.descriptions.read_new() == 0
    tags = mutagen.File(song)
    tags["artist"] = "Somebody else"
    tags.save()
    library.add(tmp_path / "songs", engine=making(Scripted(honest(library.tagger))))
    assert len(library) == 1
    assert library.descriptions.of_track(1).artist == "Somebody else"


def test_files_that_cannot_be_reached_are_read_later(library: Library, tmp_path: Path) -> None:
    song = make_songs(tmp_path / "songs", ["flac"])["flac"]
    describe(library, {str(song): NOTHING_SAID})
    library.store.run("UPDATE descriptions SET modified_ns = NULL")
    away = song.rename(tmp_path / "away.flac")
    assert library.descriptions.read_new() == 1
    assert library.descriptions.of_track(1) == NOTHING_SAID
    away.rename(song)
    library.descriptions.read_new()
    assert library.descriptions.of_track(1).title == "A title"


def test_an_older_library_is_found_by_its_paths_and_described_when_it_is_added_again(tmp_path: Path) -> None:
    place = tmp_path / "old.earmark"
    old = sqlite3.connect(place, isolation_level=None)
    old.create_function("folded", 1, folded_path, deterministic=True)
    for statement in (each for step in MIGRATIONS[:5] for each in step):
        old.execute(statement)
    old.execute("INSERT INTO models VALUES (1, '[]', '', '')")
    for number in (1, 2):
        old.execute(
            "INSERT INTO tracks VALUES (?, ?, 1, '0', '', '', 1.0, 0, '', x'', x'', 0, NULL)",
            (number, f"packets:{number}"),
        )
    for path, number, missing in (("/music/Été.mp3", 1, 0), ("/copy.mp3", 1, 0), ("/gone.mp3", 2, 1)):
        name = os.fsencode(path)
        old.execute("INSERT INTO paths VALUES (?, ?, 1, 1, ?, folded(?))", (name, number, missing, name))
    old.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    old.execute("PRAGMA user_version = 5")
    old.close()
    with Library(place) as library:
        assert library.store.row("PRAGMA user_version") == (len(store.MIGRATIONS),)
        assert library.descriptions.tracks_with("ete", "path").tolist() == [1]
        assert library.descriptions.tracks_with("copy", "path").tolist() == [1]
        assert library.store.rows("SELECT track_id FROM absent") == [(2,)]
