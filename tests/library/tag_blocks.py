"""Files with generated blocks of tags: any bytes that a program or a person may have left there."""

import struct
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from mutagen.ogg import OggPage

ID3_FRAMES = {
    2: ("TT2", "TP1", "TCO", "TXX", "COM", "PIC", "ULT", "CRM", "XYZ", "WAF"),
    3: ("TIT2", "TPE1", "TCON", "TXXX", "TYER", "TDAT", "COMM", "APIC", "PRIV", "XYZW", "TMOO", "RVAD"),
    4: ("TIT2", "TPE1", "TCON", "TXXX", "TDRC", "COMM", "APIC", "PRIV", "XYZW", "TMOO", "RVA2", "POPM"),
}
CONTENTS = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.binary(max_size=30).map(lambda data: b"\3" + data),
    st.sampled_from(
        (b"\3Bj\xf6rk", b"\0Bj\xf6rk", b"\1\xff\xfeB", b"\0(17)", b"\3Jazz\0Polka", b"\0MOOD\0Gloomy", b"\3")
    ),
    st.integers(100, 3000).map(lambda size: b"\3" + b"long " * size),
)
COMMENTS = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        (b"ARTIST=Bj\xf6rk", b"=no name", b"no sign", b"GENRE=Polka", b"genre=J\xe4zz", b"TITLE=", b"", b"ARTIST=a=b")
    ),
    st.binary(max_size=30).map(lambda data: b"TITLE=" + data),
    st.integers(100, 20_000).map(lambda size: b"LYRICS=" + b"la " * size),
)
NAMES = st.sampled_from(("Title", "Artist", "Genre", "Cover Art (Front)", "Own", "genre", "MOOD"))
KINDS = (
    "mp3-id3v2.2",
    "mp3-id3v2.3",
    "mp3-id3v2.4",
    "mp3-several",
    "mp3-apev2",
    "flac",
    "ogg",
    "opus",
    "wv-apev2",
    "m4a",
    "wma",
    "wav-id3",
    "aiff-id3",
    "dsf-id3",
)


class Made:
    """A file's bytes, and those of its entries, which no program but their own may change."""

    def __init__(self, data: bytes, kept: tuple[bytes, ...]) -> None:
        self.data, self.kept = data, kept

    def __repr__(self) -> str:
        return f"{self.data[:300]!r}..."


def ending_of(kind: str) -> str:
    return kind.partition("-")[0]


def synchsafe(size: int) -> bytes:
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def id3(version: int, frames: Sequence[tuple[str, bytes]], *, padding: int = 0, footer: bool = False) -> bytes:
    """An ID3v2 of these frames."""
    body = b"".join(frames_in(version, frames))
    footer = footer and version == 4
    body += bytes(0 if footer else padding)
    tail = bytes([version, 0, 0x10 if footer else 0]) + synchsafe(len(body))
    return b"ID3" + tail + body + (b"3DI" + tail if footer else b"")


def id3_frame(version: int, name: str, content: bytes) -> bytes:
    if version == 2:
        return name.encode() + len(content).to_bytes(3, "big") + content
    size = synchsafe(len(content)) if version == 4 else struct.pack(">I", len(content))
    return name.encode() + size + b"\0\0" + content


def frames_in(version: int, frames: Sequence[tuple[str, bytes]]) -> tuple[bytes, ...]:
    return tuple(id3_frame(version, name, content) for name, content in frames)


def ape(items: Sequence[tuple[str, int, bytes]]) -> bytes:
    """An APEv2 of items: their names, flags and contents."""
    body = b"".join(map(ape_item, items))

    def header(flags: int) -> bytes:
        return b"APETAGEX" + struct.pack("<4I", 2000, len(body) + 32, len(items), flags) + bytes(8)

    return header(0xA0000000) + body + header(0x80000000)


def ape_item(item: tuple[str, int, bytes]) -> bytes:
    name, flags, value = item
    return struct.pack("<II", len(value), flags) + name.encode() + b"\0" + value


def comments(vendor: bytes, entries: Sequence[bytes]) -> bytes:
    sized = b"".join(map(comment, entries))
    return struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", len(entries)) + sized


def comment(entry: bytes) -> bytes:
    return struct.pack("<I", len(entry)) + entry


def without_id3(data: bytes) -> bytes:
    if not data.startswith(b"ID3"):
        return data
    return data[10 + (data[6] << 21 | data[7] << 14 | data[8] << 7 | data[9]) :]


def flac(data: bytes, block: bytes, further: Sequence[tuple[int, bytes]]) -> bytes:
    """A FLAC with this block of comments and further blocks."""
    position, last = 4, False
    while not last:
        last = bool(data[position] & 0x80)
        position += 4 + int.from_bytes(data[position + 1 : position + 4], "big")
    blocks = [(0, data[8:42]), (4, block), *further]
    joined = b"".join(
        bytes([number | (0x80 if place == len(blocks) - 1 else 0)]) + len(content).to_bytes(3, "big") + content
        for place, (number, content) in enumerate(blocks)
    )
    return b"fLaC" + joined + data[position:]


def ogg(data: bytes, block: bytes) -> bytes:
    """An Ogg Vorbis or Opus whose comments are this block."""
    file = BytesIO(data)
    OggPage(file)
    pages = [OggPage(file)]
    while not (pages[-1].complete or len(pages[-1].packets) > 1):
        pages.append(OggPage(file))
    packets = OggPage.to_packets(pages, strict=False)
    head = packets[0][: 7 if packets[0].startswith(b"\x03vorbis") else 8]
    packets[0] = head + block + (b"\1" if head.startswith(b"\x03") else b"")
    OggPage.replace(file, pages, OggPage.from_packets(packets, pages[0].sequence))
    return file.getvalue()


def atom(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + name + content


def mp4(data: bytes, atoms: bytes) -> bytes:
    """An MP4, whose atom moov is the last one, with this list of tags."""
    start = data.index(b"moov") - 4
    moov = data[start + 8 :]
    kept, position = b"", 0
    while position < len(moov):
        size = int.from_bytes(moov[position : position + 4], "big")
        kept += moov[position : position + size] if moov[position + 4 : position + 8] != b"udta" else b""
        position += size
    handler = atom(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    tags = atom(b"udta", atom(b"meta", bytes(4) + handler + atom(b"ilst", atoms)))
    return data[:start] + atom(b"moov", kept + tags)


def asf(data: bytes, records: Sequence[bytes]) -> bytes:
    """A WMA whose extended content description holds these attributes."""
    size = int.from_bytes(data[16:24], "little")
    content = struct.pack("<H", len(records)) + b"".join(records)
    guid = UUID("d2d0a440-e307-11d2-97f0-00a0c95ea850").bytes_le
    kept, position, count = b"", 30, 1
    while position < size:
        length = int.from_bytes(data[position + 16 : position + 24], "little")
        if data[position : position + 16] != guid:
            kept, count = kept + data[position : position + length], count + 1
        position += length
    kept += guid + struct.pack("<Q", 24 + len(content)) + content
    return data[:16] + struct.pack("<QI", 30 + len(kept), count) + data[28:30] + kept + data[size:]


def riff(data: bytes, chunks: Sequence[tuple[bytes, bytes]]) -> bytes:
    """A WAV with further chunks behind the sound."""
    joined = b"".join(name + struct.pack("<I", len(part)) + part + bytes(len(part) % 2) for name, part in chunks)
    return data[:4] + struct.pack("<I", len(data) + len(joined) - 8) + data[8:] + joined


def iff(data: bytes, chunks: Sequence[tuple[bytes, bytes]]) -> bytes:
    joined = b"".join(name + struct.pack(">I", len(part)) + part + bytes(len(part) % 2) for name, part in chunks)
    return data[:4] + struct.pack(">I", len(data) + len(joined) - 8) + data[8:] + joined


def dsf(tag: bytes) -> bytes:
    """A DSF of two channels and a fifth of a second, with an ID3v2 behind its sound."""
    block, blocks = 4096, 17
    sound = bytes((place * 37 >> 3) & 0xFF for place in range(2 * block * blocks))
    fmt = b"fmt " + struct.pack("<QIIIIIIQII", 52, 1, 0, 2, 2, 2_822_400, 1, 8 * block * blocks, block, 0)
    chunk = b"data" + struct.pack("<Q", 12 + len(sound)) + sound
    end = 28 + len(fmt) + len(chunk)
    head = b"DSD " + struct.pack("<QQQ", 28, end + len(tag), end if tag else 0)
    return head + fmt + chunk + tag


def frames_of(version: int) -> st.SearchStrategy[list[tuple[str, bytes]]]:
    return st.lists(st.tuples(st.sampled_from(ID3_FRAMES[version]), CONTENTS), max_size=6)


def padding() -> st.SearchStrategy[int]:
    return st.sampled_from((0, 1, 10, 64, 2048))


@st.composite
def made(draw: Callable[..., Any], kind: str, bare: Made) -> Made:
    """A file of a kind, from one without tags."""
    plain = bare.data
    ending, _, block = kind.partition("-")
    if kind.startswith("mp3-id3"):
        version = int(kind[-1])
        frames = draw(frames_of(version))
        tag = id3(version, frames, padding=draw(padding()), footer=draw(st.booleans()))
        v1 = draw(st.sampled_from((b"", b"TAG" + b"Old".ljust(124, b"\0") + b"\x11")))
        return Made(tag + without_id3(plain) + v1, frames_in(version, frames))
    if kind == "mp3-several":
        old, new = draw(frames_of(3)), draw(frames_of(4))
        tags = [id3(3, old, padding=draw(padding())), id3(4, new, padding=draw(padding()), footer=draw(st.booleans()))]
        appended = draw(st.sampled_from((b"", id3(4, [("TIT2", b"\3Behind")], footer=True))))
        items = ape([("Title", 0, b"Beside")]) if draw(st.booleans()) else b""
        data = b"".join(draw(st.permutations(tags))) + without_id3(plain) + appended + items
        return Made(data, (*frames_in(3, old), *frames_in(4, new)))
    if block == "apev2":
        items = draw(st.lists(st.tuples(NAMES, st.integers(0, 7), st.binary(max_size=40)), max_size=5))
        # libav reads no WavPack with an ID3v1 behind it.
        v1 = b"TAG" + bytes(124) + b"\xff" if ending == "mp3" and draw(st.booleans()) else b""
        sound = without_id3(plain).partition(b"APETAGEX")[0]
        return Made(sound + ape(items) + v1, tuple(map(ape_item, items)))
    if block == "id3":
        version = draw(st.sampled_from((2, 3, 4)))
        frames = draw(frames_of(version))
        tag = id3(version, frames, padding=draw(padding()))
        info = draw(st.sampled_from((b"INFOIGNR\x05\0\0\0Polka\0", b"INFOISFT\x02\0\0\0\xff\0", b"adtl")))
        kept = (*frames_in(version, frames), info)
        if ending == "dsf":
            return Made(dsf(tag), kept[:-1])
        if ending == "wav":
            chunks = draw(st.permutations([(b"LIST", info), (draw(st.sampled_from((b"id3 ", b"ID3 "))), tag)]))
            return Made(riff(plain, chunks), kept)
        return Made(iff(plain, draw(st.permutations([(b"ANNO", info), (b"ID3 ", tag)]))), kept)
    if ending in ("flac", "ogg", "opus"):
        entries = draw(st.lists(COMMENTS, max_size=6))
        block_data = comments(draw(st.sampled_from((b"x", b"\xff\xfe", b""))), entries)
        if ending != "flac":
            return Made(ogg(plain, block_data), tuple(map(comment, entries)))
        blocks = draw(st.lists(st.tuples(st.sampled_from((2, 6, 99)), st.binary(min_size=32, max_size=60)), max_size=3))
        data = flac(plain, block_data, [*blocks, *([(1, bytes(draw(padding())))] if draw(st.booleans()) else [])])
        return Made(data, (*map(comment, entries), *(content for _, content in blocks)))
    if ending == "m4a":
        names = st.sampled_from((b"\xa9nam", b"\xa9ART", b"\xa9gen", b"trkn", b"covr", b"xyzw", b"gnre", b"\xa9too"))
        parts = st.tuples(names, st.sampled_from((0, 1, 13, 21)), st.binary(max_size=40))
        atoms = [
            atom(name, atom(b"data", struct.pack(">II", number, 0) + content))
            for name, number, content in draw(st.lists(parts, max_size=6))
        ]
        for value in draw(st.lists(st.binary(max_size=20), max_size=2)):
            mean = atom(b"mean", bytes(4) + b"com.apple.iTunes")
            atoms.append(atom(b"----", mean + atom(b"name", bytes(4) + b"OWN") + atom(b"data", bytes(8) + value)))
        return Made(mp4(plain, b"".join(atoms)), tuple(atoms))
    names = st.sampled_from(("WM/Genre", "WM/Mood", "Own", "WM/Picture", "WM/Year", "\u00e4"))
    records = []
    for name, number, value in draw(st.lists(st.tuples(names, st.integers(0, 5), st.binary(max_size=30)), max_size=5)):
        text = name.encode("utf-16-le") + b"\0\0"
        value = {2: bytes(4), 3: bytes(4), 4: bytes(8), 5: bytes(2)}.get(number, value)
        records.append(struct.pack("<H", len(text)) + text + struct.pack("<HH", number, len(value)) + value)
    return Made(asf(plain, records), tuple(records))


def plain_files(songs: dict[str, Path]) -> dict[str, Made]:
    """The bytes of songs, by their endings; and of a DSF, which ffmpeg does not make."""
    return {**{ending: Made(path.read_bytes(), ()) for ending, path in songs.items()}, "dsf": Made(dsf(b""), ())}
