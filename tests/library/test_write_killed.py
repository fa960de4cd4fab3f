"""Writing is killed where it hurts most: the file is the old one or the new one, and undoing finds what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from library.songs import heard, make_songs, packets_md5, snapshot

from earmark.library.journal import Journal
from earmark.library.library import Library
from earmark.library.tag_file import TagFile
from earmark.library.undo import Undoing

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGKILL is of POSIX systems")

WRITE = """
import os, signal, sys
from earmark.library import rewriting, tag_file, write
from earmark.library.library import Library

def die(*given, **options):
    os.kill(os.getpid(), signal.SIGKILL)

place, moment = sys.argv[1:]
if moment == "before the copy":
    write.rewrite = die
elif moment == "within the copy":
    save = tag_file.TagFile.save
    def half(file):
        save(file)
        with file.path.open("r+b") as opened:
            opened.truncate(1000)
        die()
    tag_file.TagFile.save = half
elif moment == "before the file":
    rewriting._take_over = die
elif moment == "after the file":
    rewriting._confirm = die
elif moment == "before it is noted":
    write.Journal.end = die
with Library(place) as library:
    list(write.Writing(library.database, write.WriteRule())(write.files_of(library.database)))
"""


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        ("before the copy", False),
        ("within the copy", False),
        ("before the file", False),
        ("after the file", True),
        ("before it is noted", True),
    ],
)
def test_killed_between_journal_and_file(tmp_path: Path, moment: str, written: bool) -> None:
    song = make_songs(tmp_path / "songs", ["mp3"])["mp3"]
    before, tags, sound = song.read_bytes(), snapshot(song), packets_md5(song)
    place = tmp_path / "music.earmark"
    heard(place, [song]).close()
    done = subprocess.run([sys.executable, "-c", WRITE, str(place), moment], check=False, stderr=subprocess.DEVNULL)
    assert done.returncode == -9
    assert packets_md5(song) == sound
    assert (song.read_bytes() == before) is not written
    with Library(place) as library:
        [write] = Journal(library.store).standing(1)
        assert write.state == "begun"
        assert {change.name for change in write.changes} == {"TCON", "TMOO", "TXXX:EARMARK"}
        [outcome] = Undoing(library.database)()
        assert (outcome.reason, bool(outcome.changes), outcome.kept) == ("", written, ())
        assert Journal(library.store).runs()[0].standing == 0
        assert (snapshot(song), packets_md5(song)) == (tags, sound)
        assert [path.name for path in song.parent.iterdir()] == ["song.mp3"], "no copy is left behind"


def test_writing_again_after_a_kill_finishes_the_work(tmp_path: Path) -> None:
    song = make_songs(tmp_path / "songs", ["mp3"])["mp3"]
    place = tmp_path / "music.earmark"
    heard(place, [song]).close()
    for moment in ("within the copy", "never"):
        subprocess.run([sys.executable, "-c", WRITE, str(place), moment], check=False, stderr=subprocess.DEVNULL)
    assert TagFile(song).read("genre") == ("bebop", "jazz")
    assert [path.name for path in song.parent.iterdir()] == ["song.mp3"]
