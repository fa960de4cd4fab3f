"""Write a library's tags for players: a playlist of each tag, Navidrome's smart playlists, and Rekordbox XML."""

import json
import os
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from earmark import __version__
from earmark.errors import LibraryError
from earmark.file_name import is_text
from earmark.library.library import Library
from earmark.library.mapping import TagMapping
from earmark.library.playlist import PlaylistEntry, write_playlist
from earmark.library.remote import is_remote
from earmark.library.searching import Found
from earmark.tagging.bundle.card import Card

FOLDER = "earmark"
"""The name of the folder of playlists in Rekordbox."""
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f\\/:*?"<>|]')
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class TagPlaylist:
    """A tag and its tracks, the most probable first."""

    label: str
    tracks: tuple[Found, ...]


def tag_playlists(library: Library, threshold: float | None = None) -> list[TagPlaylist]:
    """Return the tags that any track has, in the model's order, with their tracks.

    threshold: the least probability; None for the one with the best F1 of each tag.

    Raises:
        LibraryError: the library is empty.
    """
    labels = library.database.current_card()[1].labels
    found = (
        TagPlaylist(label, library.search(f'"{label}"', n=None, strict=True, threshold=threshold).tracks)
        for label in labels
    )
    return [each for each in found if each.tracks]


def write_tag_playlists(folder: Path, playlists: Sequence[TagPlaylist], *, relative: bool = False) -> list[str]:
    """Write an M3U8 playlist for each tag, and return the paths that playlists cannot contain.

    relative: make paths relative to the folder.

    Raises:
        LibraryError: a file cannot be written.
    """
    _make(folder)
    left_out: dict[str, None] = {}
    for each in playlists:
        entries = [PlaylistEntry(track.path, track.duration_seconds) for track in each.tracks]
        left_out |= dict.fromkeys(write_playlist(folder / _named(each.label, "m3u8"), entries, relative=relative))
    return list(left_out)


def write_smart_playlists(folder: Path, card: Card, vocabulary: TagMapping) -> int:
    """Write a smart playlist of Navidrome for each word that `library write` puts into files; return their number.

    They read the fields of files, so they follow every change of them.

    Raises:
        LibraryError: the mapping does not fit the model, or a file cannot be written.
    """
    vocabulary = vocabulary.of_model(card)
    written = [vocabulary.words([(tag.label, tag.group)]) for tag in card.tags]
    words = dict.fromkeys((field, each[0]) for fields in written for field, each in fields.items())
    _make(folder)
    for field, word in words:
        several = sum(word == other for _, other in words) > 1
        name = f"{word} ({field})" if several else word
        rule = {"is": {re.sub(r"[^a-z0-9]+", "_", field.lower()): word}}
        playlist = {"name": name, "comment": f"{field} {word}, by earmark", "all": [rule], "sort": "title"}
        _write(folder / _named(name, "nsp"), json.dumps(playlist, indent=2) + "\n")
    return len(words)


def write_rekordbox(file: Path, tracks: Sequence[Found], playlists: Sequence[TagPlaylist]) -> list[str]:
    """Write tracks and a playlist for each tag as Rekordbox XML, and return the paths that it cannot contain.

    The tags of a track stand in its comment.

    Raises:
        LibraryError: the file cannot be written.
    """
    root = ElementTree.Element("DJ_PLAYLISTS", Version="1.0.0")
    ElementTree.SubElement(root, "PRODUCT", Name="earmark", Version=__version__, Company="earmark")
    tags: dict[int, list[str]] = {}
    for each in playlists:
        for track in each.tracks:
            tags.setdefault(track.track_id, []).append(each.label)
    known = {track.track_id: track for track in tracks if is_text(track.path) and not is_remote(track.path)}
    collection = ElementTree.SubElement(root, "COLLECTION", Entries=str(len(known)))
    for number, track in known.items():
        said = track.description
        described = {
            "Name": said.title or Path(track.path).stem,
            "Artist": said.artist,
            "Album": said.album,
            "Genre": said.genre,
            "Year": str(said.year or ""),
            "TotalTime": str(round(track.duration_seconds)),
            "Kind": f"{Path(track.path).suffix[1:].upper()} File",
            "Comments": ", ".join(tags.get(number, [])),
            "Location": f"file://localhost{_address(track.path)}",
        }
        filled = {key: _NOT_IN_XML.sub("", value) for key, value in described.items() if value}
        ElementTree.SubElement(collection, "TRACK", {"TrackID": str(number), **filled})
    top = ElementTree.SubElement(ElementTree.SubElement(root, "PLAYLISTS"), "NODE", Type="0", Name="ROOT", Count="1")
    ours = ElementTree.SubElement(top, "NODE", Type="0", Name=FOLDER, Count=str(len(playlists)))
    for each in playlists:
        keys = [str(track.track_id) for track in each.tracks if track.track_id in known]
        node = ElementTree.SubElement(
            ours, "NODE", Type="1", Name=_NOT_IN_XML.sub("", each.label), KeyType="0", Entries=str(len(keys))
        )
        for key in keys:
            ElementTree.SubElement(node, "TRACK", Key=key)
    ElementTree.indent(root)
    _write(file, ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n")
    return [track.path for track in tracks if track.track_id not in known]


def _address(path: str) -> str:
    """Return the path part of a file: address, which begins with a slash on Windows too."""
    slashed = path.replace(os.sep, "/")
    return quote(slashed if slashed.startswith("/") else f"/{slashed}", safe="/:")


def _named(label: str, ending: str) -> str:
    return f"{_NOT_IN_NAMES.sub('-', label)}.{ending}"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LibraryError(
            f"{folder}: the folder cannot be made ({error.strerror or error}); choose another place."
        ) from error


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise LibraryError(
            f"{file}: it cannot be written ({error.strerror or error}); choose another place."
        ) from error
