"""Write notes to standard MIDI files, and count the notes of the programs in them."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from earmark.errors import DatasetError

TICKS_A_BEAT = 480
DRUM_CHANNEL = 9
_DATA_BYTES: Mapping[int, int] = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}
"""The number of bytes that follow an event, by the kind of the event."""


@dataclass(frozen=True)
class MidiNote:
    """A note: its start and its length in beats, its MIDI pitch, its velocity in 1..127 and its channel."""

    beat: float
    beats: float
    pitch: int
    velocity: int
    channel: int


def midi_file(notes: Iterable[MidiNote], programs: Mapping[int, int], bpm: float) -> bytes:
    """Return a MIDI file of one track. `programs`: the program (0 to 127) of each channel."""
    events = [(0, 1, bytes((0xC0 | channel, program))) for channel, program in sorted(programs.items())]
    events.append((0, 0, b"\xff\x51\x03" + round(60e6 / bpm).to_bytes(3, "big")))
    for note in notes:
        start = max(0, round(note.beat * TICKS_A_BEAT))
        end = start + max(1, round(note.beats * TICKS_A_BEAT))
        # At the same tick, notes end before others start, so that a repeated note sounds again.
        events.append((start, 3, bytes((0x90 | note.channel, note.pitch, note.velocity))))
        events.append((end, 2, bytes((0x80 | note.channel, note.pitch, 0))))
    track, before = bytearray(), 0
    for tick, _, event in sorted(events):
        track += _length(tick - before) + event
        before = tick
    track += b"\x00\xff\x2f\x00"
    header = struct.pack(">4sIHHH", b"MThd", 6, 0, 1, TICKS_A_BEAT)
    return header + struct.pack(">4sI", b"MTrk", len(track)) + bytes(track)


def notes_by_program(content: bytes) -> tuple[Counter[int], Counter[int]]:
    """Return the number of notes of each program, and that of each drum, by its pitch.

    Raises DatasetError where the content is not a MIDI file.
    """
    played: Counter[int] = Counter()
    drums: Counter[int] = Counter()
    place = 14
    if content[:4] != b"MThd":
        raise DatasetError(f"A MIDI file starts with MThd; found {content[:4]!r}. Make the file again.")
    while place + 8 <= len(content):
        size = int.from_bytes(content[place + 4 : place + 8], "big")
        if content[place : place + 4] == b"MTrk":
            _count(content[place + 8 : place + 8 + size], played, drums)
        place += 8 + size
    return played, drums


def _count(track: bytes, played: Counter[int], drums: Counter[int]) -> None:
    place, status = 0, 0
    programs = [0] * 16
    while place < len(track):
        _, place = _number(track, place)
        if track[place] & 0x80:
            status = track[place]
            place += 1
        if status >= 0xF0:
            if status == 0xFF:
                place += 1
            size, place = _number(track, place)
            place += size
            continue
        kind, channel = status & 0xF0, status & 0x0F
        first, second = track[place], track[place + _DATA_BYTES[kind] - 1]
        if kind == 0xC0:
            programs[channel] = first
        elif kind == 0x90 and second:
            if channel == DRUM_CHANNEL:
                drums[first] += 1
            else:
                played[programs[channel]] += 1
        place += _DATA_BYTES[kind]


def _length(ticks: int) -> bytes:
    """Encode a number as MIDI does: seven bits in each byte, with the highest bit set in all but the last."""
    parts = [ticks & 0x7F]
    while ticks := ticks >> 7:
        parts.append(0x80 | ticks & 0x7F)
    return bytes(reversed(parts))


def _number(track: bytes, place: int) -> tuple[int, int]:
    value = 0
    while True:
        byte = track[place]
        place += 1
        value = value << 7 | byte & 0x7F
        if not byte & 0x80:
            return value, place
