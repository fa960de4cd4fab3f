"""What a recording is: a hash of its sound as it lies in the file, undecoded, so that tags and names do not matter."""

from __future__ import annotations

import hashlib
import io
import os
from itertools import pairwise
from typing import Any, BinaryIO, cast

from earmark.audio.container import read_container, with_true_sizes
from earmark.audio.extent import ID3V1_BYTES, link_starts, without_tags_around
from earmark.audio.source import Opened, decode_errors, open_source
from earmark.errors import DecodeError, StorageError

DIGEST_BYTES = 16
READ_BYTES = 1 << 16
MOST_TRIMMED_SAMPLES = 2 * 4095 + 529
"""The encoder's delay and padding, of 12 bits each, and the decoder's own delay."""


def identity(source: str | os.PathLike[str] | bytes | BinaryIO) -> str:
    """Return a text that is the same for the same sound: "packets:" or "bytes:" and a hash in hexadecimal.

    source: a path, a file's bytes, or a binary file object, read from its current position.

    Where libav can take the file apart, the hash is of the undecoded packets of its best sound stream, with the codec,
    the rate and the number of channels: titles, cover pictures, and where in the file they stand, change nothing.
    Nothing is decoded. What a codec needs besides its packets (Vorbis's codebooks, FLAC's header) is left out, as
    titles stand there too. An MP3 whose Xing header is missing, or does not fit its frames, is another recording than
    one whose header fits, as it is decoded otherwise. Where libav finds no packets, or breaks off, the hash is of all
    the file's bytes.

    Choice: the first 128 bits of SHA-256, which processors compute twice as fast as BLAKE2b; PCM is one run of bytes,
    however cut. FLAC, whose frames are most of its file, is read without libav, with the same result, four times as
    fast.

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
    kind, last = "", False
    while not last:
        block = opened.read(4)
        if len(block) < 4:
            return ""
        last = bool(block[0] & 0x80)
        content = opened.read(int.from_bytes(block[1:], "big"))
        if block[0] & 0x7F == 0 and len(content) >= 18:  # STREAMINFO: 20 bits of rate, 3 of channels
            described = int.from_bytes(content[10:14], "big")
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
    return _text("packets", digest)


def _of_packets(opened: Opened) -> str:
    """Return the identity by packets; empty where libav does not give all of them."""
    from earmark.audio.libav import Failure, open_file, sound_stream  # here: who needs no packets does not wait for it

    digest = hashlib.sha256()
    kind, count = "", 0
    starts = link_starts(opened) if _is_ogg(opened) else [0]
    try:
        for start, stop in pairwise([*starts, None]):
            with open_file(opened if stop is None and not start else opened.stretch(start or 0, stop)) as container:
                stream = sound_stream(container)
                if stream is None or stream.codec_context is None:
                    return ""
                # The name of the codec, not of libav's decoder for it, which changes between versions.
                context: Any = stream.codec_context
                before = kind
                kind = _kind(context.codec.canonical_name, context.sample_rate, context.layout.nb_channels)
                if kind != before:
                    digest.update(kind.encode("ascii"))
                for packet in container.demux(stream):
                    if packet.size:  # the last one is empty: the end
                        digest.update(cast(Any, packet))
                        count += 1
                if container.format.name == "mp3" and context.codec.canonical_name == "mp3":
                    digest.update(_disagreement(opened, count, context.sample_rate))
    except StorageError:
        raise
    except (DecodeError, *Failure):
        return ""
    return _text("packets", digest) if count else ""


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


def _text(what: str, digest: Any) -> str:
    return f"{what}:{digest.hexdigest()[: 2 * DIGEST_BYTES]}"
