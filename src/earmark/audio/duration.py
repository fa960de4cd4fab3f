"""The length of a sound file by its header, without decoding."""

from __future__ import annotations

import os
from typing import Any, BinaryIO

from earmark.audio.container import with_true_sizes
from earmark.audio.extent import without_tags_around
from earmark.audio.source import decode_errors, open_source
from earmark.errors import DecodeError

PLAIN_CODECS = "pcm_"
"""The start of libav's names of codecs of plain samples."""


def header_duration_seconds(source: str | os.PathLike[str] | BinaryIO) -> float:
    """Return the length in seconds from a file's header, or from its size and bit rate where the header has none.

    Nothing is decoded, which takes a fraction of a millisecond a file. An MP3 without a Xing header is taken to have a
    constant bit rate, and its length includes the encoder's delay and padding, about 0.1 s, as its decoded sound does.
    The length of plain samples is limited by the size of the file, whatever size its header has.

    Raises DecodeError, with the file and the reason, for a file that is missing, empty or no sound file, or has no
    length.
    """
    from earmark.audio.libav import open_file, sound_stream  # imported here, as it is slow to load

    with open_source(source) as opened, decode_errors(opened):
        sound = with_true_sizes(without_tags_around(opened))
        with open_file(sound) as container:
            stream = sound_stream(container)
            if stream is None:
                raise DecodeError(opened.label, "there is no sound in it")
            seconds = _seconds(container, stream, sound.size())
        opened.check()
        if seconds is None:
            raise DecodeError(opened.label, "its header has no length of sound")
        return seconds


def _seconds(container: Any, stream: Any, size_bytes: int) -> float | None:
    from av import time_base

    told: float | None = None if container.duration is None else container.duration / time_base
    context = stream.codec_context
    bits_a_second = 0 if context is None else int(context.bit_rate or 0)
    if bits_a_second == 0 or not context.name.startswith(PLAIN_CODECS):
        return told
    possible = size_bytes * 8 / bits_a_second
    return possible if told is None else min(told, possible)
