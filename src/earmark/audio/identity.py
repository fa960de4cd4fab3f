"""The identity of a recording: a hash of its undecoded sound, which does not depend on tags and names."""

from __future__ import annotations

import hashlib
import io
import os
from itertools import pairwise
from typing import Any, BinaryIO, Literal, cast

from earmark.audio.container import read_container, with_true_sizes
from earmark.audio.extent import ID3V1_BYTES, ape_tag_bytes, link_starts, without_tags_around
from earmark.audio.source import SourceFile, decode_errors, open_source
from earmark.errors import DecodeError, StorageError

DIGEST_BYTES = 16
DECODING_BYTES = 4
READ_BYTES = 1 << 16
MOST_TRIMMED_SAMPLES = 2 * 4095 + 529
"""The encoder's delay and padding, of 12 bits each, and the decoder's own delay."""
STREAMINFO_BYTES = 18
"""The bytes of STREAMINFO that count: all but the hash of the audio."""
MARK = "-"
"""The separator of the hash of the packets and the hash of how they are decoded."""
TRIMMED: Literal["skip_samples"] = "skip_samples"
"""libav's name of the side data that state how many samples are removed from a packet."""
WRITES_ITS_SIZE = "asf"
"""The container whose header states the size of the file with its tags, so that writing tags changes the header."""
IN_BLOCKS = ("adpcm", "wma")
"""The beginnings of the names of codecs whose block lengths are stated in a header."""


def identity(source: str | os.PathLike[str] | bytes | BinaryIO) -> str:
    """Return a text that is the same for the same sound: "packets:" or "bytes:" and hashes in hexadecimal.

    source: a path, a file's bytes, or a binary file object, read from its current position.

    Where libav can read the packets of the file, the first hash covers the undecoded packets of its best sound stream,
    the codec, the rate and the number of channels. The second hash covers everything else that determines how the
    packets are decoded: the samples that are removed at both ends (by LAME's header, edit lists, iTunes's comment,
    Opus's pre-skip, positions in Ogg), Opus's gain, Vorbis's codebooks, and whether the file is known to be cut. So a
    copy with a damaged header is another recording. Titles, cover pictures and their positions change nothing. Where
    libav finds no packets, or fails while reading them, the hash covers all bytes of the file.

    Choice: the first 128 bits of SHA-256, which processors compute twice as fast as BLAKE2b, and 32 bits of the second
    hash, which only has to distinguish copies. How PCM is split into packets does not count. FLAC files,
    which are mostly frames, are read without libav, with the same result, four times as fast.

    Raises DecodeError where the source cannot be read.
    """
    with open_source(source) as opened, decode_errors(opened):
        sound = with_true_sizes(without_tags_around(opened))
        found = _of_flac(sound) or _of_packets(sound) or _of_bytes(opened)
        opened.check()
    return found


def _of_flac(opened: SourceFile) -> str:
    """Return the identity of a FLAC file by the bytes after its header; empty where the file is not a plain FLAC."""
    opened.seek(0)
    if opened.read(4) != b"fLaC":
        return ""
    kind, last, decoding = "", False, hashlib.sha256()
    while not last:
        block = opened.read(4)
        if len(block) < 4:
            return ""
        last = bool(block[0] & 0x80)
        content = opened.read(int.from_bytes(block[1:], "big"))
        if block[0] & 0x7F == 0 and len(content) >= 18:  # STREAMINFO: 20 bits of rate, 3 of channels
            described = int.from_bytes(content[10:14], "big")
            decoding = hashlib.sha256(_told(content[:STREAMINFO_BYTES]))
            kind = _kind("flac", described >> 12, (described >> 9 & 7) + 1)
    start, end = opened.tell(), opened.seek(0, io.SEEK_END)
    if end - start >= ID3V1_BYTES:
        opened.seek(end - ID3V1_BYTES)
        end -= ID3V1_BYTES if opened.read(3) == b"TAG" else 0
        end -= ape_tag_bytes(opened, end)
    if not kind or start >= end:
        return ""
    digest = hashlib.sha256(kind.encode("ascii"))
    opened.seek(start)
    while start < end and (part := opened.read(min(READ_BYTES, end - start))):
        digest.update(part)
        start += len(part)
    return _text("packets", digest, decoding)


def _of_packets(opened: SourceFile) -> str:
    """Return the identity by packets; empty where libav cannot read all of them."""
    from earmark.audio.libav import Failure, open_file, sound_stream  # imported here, as it is slow to load

    digest, decoding = hashlib.sha256(), hashlib.sha256()
    kind, form, count = "", "", 0
    starts = link_starts(opened) if _is_ogg(opened) else [0]
    try:
        for start, stop in pairwise([*starts, None]):
            with open_file(opened if stop is None and not start else opened.stretch(start or 0, stop)) as container:
                stream = sound_stream(container)
                if stream is None or stream.codec_context is None:
                    return ""
                # The name of the codec, not of libav's decoder for it, which changes between versions.
                context: Any = stream.codec_context
                form = container.format.name
                before = kind
                kind = _kind(context.codec.canonical_name, context.sample_rate, context.layout.nb_channels)
                if kind != before:
                    digest.update(kind.encode("ascii"))
                decoding.update(_configuration(context))
                in_blocks = context.codec.canonical_name.startswith(IN_BLOCKS)
                for packet in container.demux(stream):
                    if packet.size:  # the last packet is empty
                        digest.update(cast(Any, packet))
                        count += 1
                        if packet.has_sidedata(TRIMMED):
                            decoding.update(b"%d trimmed %b\n" % (count, bytes(packet.get_sidedata(TRIMMED))))
                        if packet.is_discard:
                            decoding.update(b"%d dropped\n" % count)
                        if in_blocks:
                            # The duration tells the length of the blocks within a packet.
                            decoding.update(b"%d bytes %d long\n" % (packet.size, packet.duration or 0))
                if container.format.name == "mp3" and context.codec.canonical_name == "mp3":
                    digest.update(_disagreement(opened, count, context.sample_rate))
    except StorageError:
        raise
    except (DecodeError, *Failure):
        return ""
    if form != WRITES_ITS_SIZE and read_container(opened).cut:
        decoding.update(b"cut\n")
    return _text("packets", digest, decoding) if count else ""


def same_sound(kept: str, found: str) -> bool:
    """Return whether two identities are of the same sound; one may lack the second hash, as in older libraries."""
    return kept == found or (packets_of(kept) == packets_of(found) and (MARK in kept) != (MARK in found))


def range_of_packets(identity: str) -> tuple[str, str]:
    """Return the first text and the end of the range, in text order, of all identities with the same packets."""
    packets = packets_of(identity)
    return packets, packets + chr(ord(MARK) + 1)


def packets_of(identity: str) -> str:
    """Return an identity without its second hash, as in older libraries."""
    return identity.partition(MARK)[0]


def _configuration(context: Any) -> bytes:
    """Return the configuration that a decoder gets besides packets, without titles and without the container."""
    codec, told = context.codec.canonical_name, context.extradata or b""
    if codec == "vorbis":
        told = _without_comments(told)
    elif codec == "flac":
        told = (told[8:] if told.startswith(b"fLaC") else told)[
            :STREAMINFO_BYTES
        ]  # Matroska adds the mark and a block header
    elif codec.startswith("wma"):
        told += b"%d bits a second" % (context.bit_rate or 0)
    return _told(told)


def _told(told: bytes) -> bytes:
    return b"%d bytes told %b\n" % (len(told), told)


def _without_comments(headers: bytes) -> bytes:
    """Return the first and third of Vorbis's three headers, which libav stores after their number and two lengths."""
    lengths, place = [], 1
    for _ in range(2):
        length = 0
        while headers[place : place + 1] == b"\xff":
            length, place = length + 0xFF, place + 1
        lengths.append(length + int.from_bytes(headers[place : place + 1], "big"))
        place += 1
    first, comments = lengths
    return headers[place : place + first] + headers[place + first + comments :]


def _disagreement(opened: SourceFile, frames: int, rate_hz: int) -> bytes:
    """Return the number of samples that an MP3's Xing header states, unless it fits the number of its frames.

    It fits where the frames hold some more samples, which are removed at both ends. A copy with a damaged header is
    decoded differently, and must not have the identity of intact copies.
    """
    promised = read_container(opened).mp3_samples
    samples = frames * (1152 if rate_hz >= 32_000 else 576)
    fits = 0 < samples - promised <= MOST_TRIMMED_SAMPLES
    return b"" if fits else b"%d samples promised\n" % promised


def _is_ogg(opened: SourceFile) -> bool:
    opened.seek(0)
    return opened.read(4) == b"OggS"


def _of_bytes(opened: SourceFile) -> str:
    digest = hashlib.sha256()
    opened.seek(0)
    while part := opened.read(READ_BYTES):
        digest.update(part)
    return _text("bytes", digest)


def _kind(codec: str, rate_hz: int, channels: int) -> str:
    return f"{codec} {rate_hz} Hz {channels} channels\n"


def _text(what: str, digest: Any, decoding: Any = None) -> str:
    further = "" if decoding is None else f"{MARK}{decoding.hexdigest()[: 2 * DECODING_BYTES]}"
    return f"{what}:{digest.hexdigest()[: 2 * DIGEST_BYTES]}{further}"
