"""How long a sound file says that it is, without decoding it."""

from __future__ import annotations

import os
from pathlib import Path

from earmark.errors import DecodeError


def header_duration_seconds(path: str | os.PathLike[str]) -> float:
    """Return the length in seconds that a file's header tells, or its size and bit rate where the header does not.

    Nothing is decoded: a fraction of a millisecond a file. An MP3 without a Xing header is taken to have one bit rate,
    and its length counts the encoder's delay and padding, about 0.1 s, as its decoded sound does.

    Raises DecodeError, naming the file and the reason, for what is missing, empty or no sound file, or tells no length.
    """
    import av  # here: a command that reads no length does not wait for it

    try:
        with (
            Path(path).open("rb") as file,
            # As for decoding: the format is found by the bytes, and nothing but this file is opened.
            av.open(file, mode="r", metadata_errors="replace", options={"protocol_whitelist": ""}) as container,
        ):
            if container.duration is None or not container.streams.audio:
                raise DecodeError(os.fspath(path), "its header tells no length of sound")
            return container.duration / av.time_base
    except (OSError, av.FFmpegError) as error:
        raise DecodeError(os.fspath(path), f"its length cannot be read: {error.strerror or error}") from error
