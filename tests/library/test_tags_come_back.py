"""Tags in the strange places where programs have left them are written so that players show them, and come back."""

import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile
from library.songs import heard, library_of, make_songs, packets_md5, probed, undone, written
from library.tag_blocks import ape, comments, dsf, flac, id3, without_id3
from mutagen.id3 import ID3, TPE1

from earmark.audio.identity import identity, packets_of
from earmark.library import store
from earmark.library import write as writing
from earmark.library.library import Library
from earmark.library.scan import stamp_of
from earmark.library.tag_file import TagFile
from earmark.library.write import WriteRule

V1 = b"TAG" + b"Old title".ljust(94, b"\0") + b"A comment".ljust(30, b"\0") + b"\xff"
OVERWRITE = WriteRule(overwrite=True)


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_songs(tmp_path_factory.mktemp("originals") / "songs")


@pytest.fixture
def mp3(originals: dict[str, Path]) -> bytes:
    """An MP3 without tags."""
    return without_id3(originals["mp3"].read_bytes())


@pytest.fixture
def place(tmp_path: Path) -> Callable[..., Path]:
    """Lay bytes into a file of the test's folder."""

    def lay(data: bytes, name: str = "song.mp3") -> Path:
        path = tmp_path / "music" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    return lay


def round_trip(song: Path, *, rule: WriteRule | None = None) -> dict[str, str]:
    """Write into a file and undo it; returns the tags that ffprobe shows in between."""
    before, sound, packets = song.read_bytes(), identity(song), packets_md5(song)
    with library_of(song) as library:
        [outcome] = written(library, rule)
        assert outcome.reason == ""
        assert outcome.changes
        assert (identity(song), packets_md5(song)) == (sound, packets)
        shown = probed(song)
        [back] = undone(library)
        assert back.reason == ""
    assert song.read_bytes() == before, "to the byte"
    return shown


TITLE = ("TIT2", b"\3A title")
TAGGED_MP3 = {
    "an ID3v1 alone": lambda sound: sound + V1,
    "a footer": lambda sound: id3(4, [TITLE], footer=True) + sound,
    "Windows' ID3v2.3 before the ID3v2.4": lambda sound: id3(3, [("TIT2", b"\0first")]) + id3(4, [TITLE]) + sound,
    "an ID3v2.4 before an ID3v2.3": lambda sound: id3(4, [TITLE], padding=9) + id3(3, [("TIT2", b"\0b")]) + sound,
    "an ID3v2.2": lambda sound: id3(2, [("TT2", b"\0A title"), ("XYZ", b"own")], padding=3) + sound,
    "an ID3v2.3 with the year as ID3v2.3 has it": lambda sound: id3(3, [("TYER", b"\x001959")], padding=500) + sound,
    "an appended ID3v2.4": lambda sound: sound + id3(4, [TITLE], footer=True),
    "an APEv2": lambda sound: sound + ape([("Title", 0, b"A title"), ("Title", 1, b"twice")]),
    "an ID3v2.3, an APEv2 and an ID3v1": lambda sound: id3(3, [TITLE]) + sound + ape([("Own", 2, b"\0\1")]) + V1,
    "a frame that is cut": lambda sound: b"ID3\3\0\0\0\0\0\x18TIT2\0\0\0\2\0\0\0bTALB\0\0\1\0\0\0\0c" + sound,
    "text that is not in its encoding": lambda sound: id3(4, [("TIT2", b"\3Bj\xf6rk"), ("TPE1", b"\3R\xf3s")]) + sound,
    "a frame on which mutagen fails": lambda sound: id3(4, [("RVA2", b"\0\1a"), TITLE]) + sound,
    "sizes as iTunes once wrote them": lambda sound: (
        b"ID3\4\0\0\0\0\x02\x0aTALB" + struct.pack(">I", 200) + b"\0\0\3" + b"x" * 199 + bytes(56) + sound
    ),
}


@pytest.mark.parametrize("what", TAGGED_MP3)
def test_an_mp3_is_written_as_players_show_it_and_comes_back(what: str, mp3: bytes, place: Callable[..., Path]) -> None:
    shown = round_trip(place(TAGGED_MP3[what](mp3)))
    assert shown["GENRE"] in ("bebop", "bebop;jazz", "jazz")
    assert {"happy", "calm"} & {shown.get("TMOO"), shown.get("MOOD")}


@pytest.mark.parametrize("what", TAGGED_MP3)
def test_no_byte_of_what_stood_there_is_lost(what: str, mp3: bytes, place: Callable[..., Path]) -> None:
    song = place(TAGGED_MP3[what](mp3))
    texts = (
        b"Old title",
        b"A title",
        b"first",
        b"XYZ",
        b"1959",
        b"twice",
        b"Own\0\0\1",
        b"TALB",
        b"Bj\xf6rk",
        b"R\xf3s",
    )
    before = song.read_bytes()
    with library_of(song) as library:
        written(library)
        after = song.read_bytes()
    assert [text for text in texts if after.count(text) < before.count(text)] == []


@pytest.mark.parametrize("first", [3, 4])
def test_a_genre_in_the_second_of_two_tags_is_a_persons_and_can_be_overwritten(
    first: int, mp3: bytes, place: Callable[..., Path]
) -> None:
    second = 7 - first
    song = place(id3(first, [TITLE]) + id3(second, [("TCON", b"\0Jazz"), ("TALB", b"\0kept")]) + mp3)
    before = song.read_bytes()
    with library_of(song) as library:
        [outcome] = written(library)
        assert {kept.field: kept.there for kept in outcome.kept} == {"genre": ("Jazz",)}
        assert probed(song)["GENRE"] == "Jazz"
        written(library, OVERWRITE)
        assert probed(song)["GENRE"] in ("bebop", "bebop;jazz", "jazz")
        assert probed(song)["ALBUM"] == "kept"
        undone(library)
        assert probed(song)["GENRE"] == "Jazz"
        undone(library)
    assert song.read_bytes() == before


@pytest.mark.parametrize("version", [2, 3, 4])
def test_a_dsf_keeps_the_version_of_its_tag(version: int, place: Callable[..., Path]) -> None:
    frames = [("TT2" if version == 2 else "TIT2", b"\0A title")]
    song = place(dsf(id3(version, frames, padding=5)), "song.dsf")
    before = song.read_bytes()
    with library_of(song) as library:
        written(library)
        start = int.from_bytes(song.read_bytes()[20:28], "little")
        assert song.read_bytes()[start : start + 4] == b"ID3" + bytes([version])
        assert int.from_bytes(song.read_bytes()[12:20], "little") == song.stat().st_size
        assert TagFile(song).read("mood") == ("happy", "calm")
        assert mutagen.File(song)["TCON"].text == ["bebop", "jazz"]
        undone(library)
    assert song.read_bytes() == before


def test_a_dsf_without_a_tag_gets_one_and_loses_it(place: Callable[..., Path]) -> None:
    assert round_trip(place(dsf(b""), "song.dsf"))["GENRE"] in ("bebop", "bebop;jazz", "jazz")


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
@pytest.mark.parametrize("samples", [30_000, 30_001])
def test_a_wav_that_went_into_a_pipe_is_written(size: int, samples: int, place: Callable[..., Path]) -> None:
    song = place(b"", "song.wav")
    soundfile.write(song, np.random.default_rng(1).uniform(-0.5, 0.5, samples), 8_000, subtype="PCM_U8")
    data = bytearray(song.read_bytes()[: 44 + samples])
    data[4:8] = data[40:44] = struct.pack("<I", size)
    song.write_bytes(data)
    with library_of(song) as library:
        [outcome] = written(library)
        assert outcome.reason == ""
        assert mutagen.File(song)["TCON"].text == ["bebop", "jazz"]
        assert len(soundfile.read(song)[0]) == samples
        assert song.read_bytes()[44 : 44 + samples] == data[44:]
        undone(library)
    assert song.read_bytes() == data


def test_a_wavpack_at_a_rate_that_mutagen_does_not_know_is_written(originals: dict[str, Path], tmp_path: Path) -> None:
    song = tmp_path / "music" / "song.wv"
    song.parent.mkdir()
    command = ["ffmpeg", "-v", "error", "-i", str(originals["wav"]), "-ar", "37800", str(song)]
    subprocess.run(command, check=True)
    assert round_trip(song)["GENRE"] in ("bebop", "bebop;jazz", "jazz")


@pytest.mark.parametrize(
    ("ending", "wrong"),
    [("flac", "mp3"), ("mp3", "flac"), ("ogg", "mp3"), ("m4a", "mp3"), ("wav", "aiff"), ("wv", "ogg")],
)
def test_a_file_is_written_by_what_it_is(
    ending: str, wrong: str, originals: dict[str, Path], place: Callable[..., Path]
) -> None:
    song = place(originals[ending].read_bytes(), f"song.{wrong}")
    with library_of(song) as library:
        [outcome] = written(library)
        assert (outcome.reason, outcome.kind) == ("", TagFile(originals[ending]).kind)
        assert TagFile(song).read("genre") == ("bebop", "jazz")
        undone(library)
    assert song.read_bytes() == originals[ending].read_bytes()


def test_comments_of_a_flac_that_are_no_text_or_have_no_name_stay(
    originals: dict[str, Path], place: Callable[..., Path]
) -> None:
    entries = [b"ARTIST=Bj\xf6rk", b"=nameless", b"no sign", b"TITLE=ok", b"title=twice"]
    picture = (6, struct.pack(">II", 3, 5) + b"image" + struct.pack(">I", 1) + b"\xf6" + bytes(20))
    song = place(flac(originals["flac"].read_bytes(), comments(b"\xffvendor", entries), [picture, (2, b"OWN data")]))
    before = song.read_bytes()
    with library_of(song) as library:
        written(library)
        after = song.read_bytes()
        for part in (*entries, picture[1], b"OWN data", b"\xffvendor"):
            assert part in after
        undone(library)
    assert song.read_bytes() == before


def test_a_genre_that_is_no_text_is_a_persons(originals: dict[str, Path], place: Callable[..., Path]) -> None:
    song = place(originals["wv"].read_bytes().partition(b"APETAGEX")[0] + ape([("Genre", 2, b"\0\1\2")]), "song.wv")
    with library_of(song) as library:
        [outcome] = written(library)
        assert [(kept.field, kept.there) for kept in outcome.kept] == [("genre", ("(no text)",))]
        assert ape([("Genre", 2, b"\0\1\2")])[32:-32] in song.read_bytes()


def test_what_others_changed_since_stays_and_the_rest_is_brought_back(mp3: bytes, place: Callable[..., Path]) -> None:
    song = place(id3(4, [("TIT2", b"\3Bj\xf6rk"), TITLE], padding=500) + mp3)
    with library_of(song) as library:
        written(library)
        song.write_bytes(song.read_bytes().replace(b"A title", b"B title"))
        undone(library)
    assert song.read_bytes() == id3(4, [("TIT2", b"\3Bj\xf6rk"), ("TIT2", b"\3B title")], padding=500) + mp3


def test_moved_copies_are_found_each(originals: dict[str, Path], place: Callable[..., Path]) -> None:
    data = originals["flac"].read_bytes()
    songs = [place(data, f"{folder}/song.flac") for folder in ("A", "B", "C")]
    root = songs[0].parents[1]
    with heard(root / "music.earmark", songs) as library:
        assert [outcome.reason for outcome in written(library)] == ["", "", ""]
        same = library.track(1).identity
        unwritten = place(data, "D/song.flac")
        moves = [(songs[1], root / "E" / "song.flac"), (songs[2], root / "F" / "other.flac")]
        for old, new in moves:
            new.parent.mkdir()
            shutil.move(old, new)
        library.database.mark_missing([str(old) for old, _ in moves], missing=True)
        for new in (unwritten, *(new for _, new in moves)):
            stamp = stamp_of(str(new))
            assert stamp is not None
            library.database.add_paths([(str(new), stamp, same)])
        outcomes = undone(library)
    assert [outcome.reason for outcome in outcomes] == ["", "", ""]
    assert {outcome.path for outcome in outcomes} == {str(songs[0]), *(str(new) for _, new in moves)}
    assert {path.read_bytes() for path in (songs[0], *(new for _, new in moves))} == {data}


def test_a_moved_file_is_found_where_it_stands_in_a_row_beside_that_of_an_older_version(
    originals: dict[str, Path], place: Callable[..., Path]
) -> None:
    """An older version identified a recording by its packets alone, and its row has no files any more."""
    song = place(originals["flac"].read_bytes())
    with library_of(song) as library:
        written(library)
        identity = library.track(1).identity
        older = packets_of(identity)
        library.store.run("UPDATE tracks SET identity = ?", (older,))
        library.store.run("UPDATE writes SET identity = ?", (older,))
        moved = song.with_name("moved.flac")
        song.rename(moved)
        library.database.mark_missing([str(song)], missing=True)
        columns = "model_id, version, decoder, added, duration_seconds, truncated, short, logits, embedding"
        library.store.run(
            f"INSERT INTO tracks (identity, {columns}) SELECT ?, {columns} FROM tracks WHERE id = 1", (identity,)
        )
        stamp = stamp_of(str(moved))
        assert stamp is not None
        library.database.add_paths([(str(moved), stamp, identity)])
        [outcome] = undone(library)
    assert (outcome.path, outcome.reason) == (str(moved), "")
    assert moved.read_bytes() == originals["flac"].read_bytes()


def test_a_copy_that_was_not_written_is_not_taken_for_one_that_is_gone(
    originals: dict[str, Path], place: Callable[..., Path]
) -> None:
    song = place(originals["flac"].read_bytes())
    with library_of(song) as library:
        written(library)
        other = place(originals["flac"].read_bytes(), "other.flac")
        stamp = stamp_of(str(other))
        assert stamp is not None
        library.database.add_paths([(str(other), stamp, library.track(1).identity)])
        song.unlink()
        [outcome] = undone(library)
    assert outcome.reason.startswith("it is no longer there")


def test_what_an_older_version_wrote_is_undone_by_its_values(
    mp3: bytes, place: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    song = place(id3(4, [TITLE], padding=500) + mp3)
    with monkeypatch.context() as older:
        older.setattr(writing.Journal, "keep", lambda *given: None)
        with library_of(song) as library:
            written(library)
            # Schema 3 had none of these triggers, tables and columns.
            for (trigger,) in library.store.rows("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
                if not trigger.startswith("track_"):
                    library.store.run(f"DROP TRIGGER {trigger}")
            for table in ("hidden_layers", "head_scores", "heads", "absent", "words", "descriptions"):
                library.store.run(f"DROP TABLE {table}")
            for table, column in (("writes", "original"), ("tracks", "silent"), ("tracks", "distance")):
                library.store.run(f"ALTER TABLE {table} DROP COLUMN {column}")
            library.store.run("PRAGMA user_version = 3")
    with Library(song.parents[1] / "music.earmark") as library:
        assert library.store.row("PRAGMA user_version") == (len(store.MIGRATIONS),)
        [outcome] = undone(library)
        assert (outcome.reason, bool(outcome.changes)) == ("", True)
    assert song.read_bytes() == id3(4, [TITLE], padding=500) + mp3


def test_a_later_change_of_another_program_does_not_bring_old_bytes_back(
    mp3: bytes, place: Callable[..., Path]
) -> None:
    song = place(id3(3, [("TIT2", b"\0A title")], padding=300) + mp3)
    with library_of(song) as library:
        written(library)
        tags = ID3(song, translate=False)
        tags.add(TPE1(0, ["Somebody else"]))
        tags.save(song, v2_version=3, v23_sep=None)
        undone(library)
    found = ID3(song, translate=False)
    assert {key: str(frame) for key, frame in found.items()} == {"TIT2": "A title", "TPE1": "Somebody else"}
