"""What a recording is: a hash of its sound as it lies in the file, undecoded, so that tags and names do not matter."""

from __future__ import annotations

import hashlib
import io
import os
from itertools import pairwise
from typing import Any, BinaryIO, Literal, cast

from earmark.audio.container import read_container, with_true_sizes
from earmark.audio.extent import ID3V1_BYTES, link_starts, without_tags_around
from earmark.audio.source import Opened, decode_errors, open_source
from earmark.errors import DecodeError, StorageError

DIGEST_BYTES = 16
DECODING_BYTES = 4
READ_BYTES = 1 << 16
MOST_TRIMMED_SAMPLES = 2 * 4095 + 529
"""The encoder's delay and padding, of 12 bits each, and the decoder's own delay."""
STREAMINFO_BYTES = 18
"""Of FLAC's STREAMINFO, all but the hash of what was encoded, which decides nothing."""
MARK = "-"
"""Between the hash of the packets and that of how they are decoded."""
TRIMMED: Literal["skip_samples"] = "skip_samples"
"""libav's name of what it says of samples that are taken off a packet."""
WRITES_ITS_SIZE = "asf"
"""The container whose header holds the size of the file, tags included; a program that writes tags corrects it."""
IN_BLOCKS = ("adpcm", "wma")
"""How the names of codecs begin whose blocks are as long as a header says."""


def identity(source: str | os.PathLike[str] | bytes | BinaryIO) -> str:
    """Return a text that is the same for the same sound: "packets:" or "bytes:" and hashes in hexadecimal.

    source: a path, a file's bytes, or a binary file object, read from its current position.

    Where libav can take the file apart, the first hash is of the undecoded packets of its best sound stream, with the
    codec, the rate and the number of channels, and the second of what else decides how they are decoded: the samples
    that are taken off both ends (by LAME's header, edit lists, iTunes's comment, Opus's pre-skip, positions in Ogg),
    Opus's gain, Vorbis's codebooks, and the lengths by which a file is known to be cut. So a copy whose header is
    damaged is another recording. Titles, cover pictures, and where in the file they stand, change nothing. Nothing
    is decoded. Where libav finds no packets, or breaks off, the hash is of all the file's bytes.

    Choice: the first 128 bits of SHA-256, which processors compute twice as fast as BLAKE2b, and 32 for how packets are
    decoded, which only has to tell copies apart; PCM is one run of bytes, however cut. FLAC, whose frames are most of
    its file, is read without libav, with the same result, four times as fast.

    Raises DecodeError for what cannot be read.
    """
    with open_source(source) as opened, decode_errors(opened):
        sound = with_true_sizes(without_tags_around(opened))
        found = _of_flac(sound) or _of_packets(sound) or _of_bytes(opened)
        opened.check()
    return found


def _of_flac(opened: Opened) -> str:
    """Return the identity of a FLAC by all that follows its header; empty where the file is no plain FLAC."""
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
    if not kind or start >= end:
        return ""
    digest = hashlib.sha256(kind.encode("ascii"))
    opened.seek(start)
    while start < end and (part := opened.read(min(READ_BYTES, end - start))):
        digest.update(part)
        start += len(part)
    return _text("packets", digest, decoding)


def _of_packets(opened: Opened) -> str:
    """Return the identity by packets; empty where libav does not give all of them."""
    from earmark.audio.libav import Failure, open_file, sound_stream  # here: who needs no packets does not wait for it

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
                    if packet.size:  # the last one is empty: the end
                        digest.update(cast(Any, packet))
                        count += 1
                        if packet.has_sidedata(TRIMMED):
                            decoding.update(b"%d trimmed %b\n" % (count, bytes(packet.get_sidedata(TRIMMED))))
                        if packet.is_discard:
                            decoding.update(b"%d dropped\n" % count)
                        if in_blocks:
                            decoding.update(b"%d bytes\n" % packet.size)
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
    """Whether two identities are of the same sound, one of them perhaps made before how packets are decoded counted."""
    return kept == found or (packets_of(kept) == packets_of(found) and (MARK in kept) != (MARK in found))


def packets_of(identity: str) -> str:
    """Return the identity that a sound had before how its packets are decoded counted."""
    return identity.partition(MARK)[0]


def _configuration(context: Any) -> bytes:
    """Return what a decoder is told besides packets, without titles, so that containers and tags change little."""
    codec, told = context.codec.canonical_name, context.extradata or b""
    if codec == "vorbis":
        told = _without_comments(told)
    elif codec == "flac":
        told = (told[8:] if told.startswith(b"fLaC") else told)[:STREAMINFO_BYTES]  # Matroska has the mark and a head
    elif codec.startswith("wma"):
        told += b"%d bits a second" % (context.bit_rate or 0)
    return _told(told)


def _told(told: bytes) -> bytes:
    return b"%d bytes told %b\n" % (len(told), told)


def _without_comments(headers: bytes) -> bytes:
    """Return Vorbis's first and third header of the three that libav puts behind their number and two lengths."""
    lengths, place = [], 1
    for _ in range(2):
        length = 0
        while headers[place : place + 1] == b"\xff":
            length, place = length + 0xFF, place + 1
        lengths.append(length + int.from_bytes(headers[place : place + 1], "big"))
        place += 1
    first, comments = lengths
    return headers[place : place + first] + headers[place + first + comments :]


def _disagreement(opened: Opened, frames: int, rate_hz: int) -> bytes:
    """Return what an MP3's Xing header promises where its frames hold something else, or nothing is taken off them.

    The header says how many samples are taken off both ends, and whether the file is cut. A copy whose header is
    damaged is decoded otherwise, and must not stand for the whole ones.
    """
    promised = read_container(opened).mp3_samples
    samples = frames * (1152 if rate_hz >= 32_000 else 576)
    fits = 0 < samples - promised <= MOST_TRIMMED_SAMPLES
    return b"" if fits else b"%d samples promised\n" % promised


def _is_ogg(opened: Opened) -> bool:
    opened.seek(0)
    return opened.read(4) == b"OggS"


def _of_bytes(opened: Opened) -> str:
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
