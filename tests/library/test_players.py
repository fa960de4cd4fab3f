"""Playlists and collections for players, read as the players read them."""

import dataclasses
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from urllib.parse import unquote

import pytest
from library.synthetic import say
from typer.testing import CliRunner, Result

from earmark.cli.main import app
from earmark.errors import LibraryError
from earmark.library.library import Library
from earmark.library.mapping import TagMapping, Words
from earmark.library.players import write_rekordbox, write_smart_playlists
from earmark.tagging.bundle.card import Card, TagName

ODD = "/music/a & b <1>/ü #2 %41\x07.mp3"
NO_TEXT = "/music/bj\udcf6rk.mp3"


def has(*numbers: int) -> list[float]:
    """The logits of a track that has these of the five tags, counted from 1, the first the most certain."""
    return [4.0 - numbers.index(number) if number in numbers else -6.0 for number in range(1, 6)]


@pytest.fixture
def filled(library: Library) -> Library:
    say(library, {"/music/one.mp3": has(1), ODD: has(2, 1), NO_TEXT: has(1, 2), "/music/none.mp3": has()})
    return library


def export(library: Library, output: object, *options: object) -> Result:
    arguments = ("library", "export", output, "--library", library.path, *options)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_playlist_of_each_tag(filled: Library, tmp_path: Path) -> None:
    result = export(filled, tmp_path / "lists", "--format", "m3u8", "--threshold", "0.5")
    assert result.exit_code == 1
    assert result.stderr.count("left out") == 1, "of both playlists, as it is no text"
    assert sorted(path.name for path in (tmp_path / "lists").iterdir()) == ["tag 1.m3u8", "tag 2.m3u8"]
    lines = (tmp_path / "lists" / "tag 1.m3u8").read_text(encoding="utf-8").splitlines()
    assert lines[2::2] == ["/music/one.mp3", ODD]


def test_rekordbox_has_each_track_once_and_playlists_refer_to_it(filled: Library, tmp_path: Path) -> None:
    result = export(filled, tmp_path / "tags.xml", "--format", "rekordbox", "--threshold", "0.5")
    assert result.exit_code == 1
    assert "bj" in result.stderr
    root = ElementTree.parse(tmp_path / "tags.xml").getroot()
    collection = root.find("COLLECTION")
    assert collection is not None
    assert collection.get("Entries") == str(len(collection)) == "3"
    place = {track.get("TrackID"): track for track in collection}
    paths = [unquote(track.get("Location", "").removeprefix("file://localhost")) for track in collection]
    assert sorted(paths) == sorted(["/music/one.mp3", ODD, "/music/none.mp3"])
    comments = {track.get("Name"): track.get("Comments") for track in collection}
    assert comments == {"one": "tag 1", "ü #2 %41": "tag 1, tag 2", "none": None}
    listed = {
        node.get("Name"): [place[track.get("Key")].get("Name") for track in node]
        for node in root.iter("NODE")
        if node.get("Type") == "1"
    }
    assert listed == {"tag 1": ["one", "ü #2 %41"], "tag 2": ["ü #2 %41"]}
    for node in root.iter("NODE"):
        assert node.get("Count", node.get("Entries")) == str(len(node))


def card_of(tags: tuple[TagName, ...], library: Library) -> Card:
    assert library.tagger is not None
    return dataclasses.replace(library.tagger.card, tags=tags)


def test_smart_playlists_ask_for_the_words_that_are_written(library: Library, tmp_path: Path) -> None:
    tags = (TagName("hip hop", "genres"), TagName("calm", "moods"), TagName("R&B/soul", "genres"), TagName("bass", "x"))
    own = {"hip hop": Words(("Hip-Hop", "Rap")), "bass": Words(("calm",), "FEATURED SOUND")}
    assert write_smart_playlists(tmp_path, card_of(tags, library), TagMapping(tags=own)) == 4
    found = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in tmp_path.glob("*.nsp")}
    assert {name: each["all"] for name, each in found.items()} == {
        "Hip-Hop.nsp": [{"is": {"genre": "Hip-Hop"}}],
        "calm (mood).nsp": [{"is": {"mood": "calm"}}],
        "calm (FEATURED SOUND).nsp": [{"is": {"featured_sound": "calm"}}],
        "R&B-soul.nsp": [{"is": {"genre": "R&B/soul"}}],
    }


def test_a_place_that_cannot_be_written_is_told(filled: Library, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LibraryError, match="cannot be made"):
        write_smart_playlists(tmp_path / "file" / "lists", card_of((), filled), TagMapping())
    with pytest.raises(LibraryError, match="cannot be written"):
        write_rekordbox(tmp_path / "absent" / "tags.xml", (), ())
    assert export(filled, "-", "--format", "nsp").exit_code == 2
