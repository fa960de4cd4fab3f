"""libav's containers, opened through PyAV: the one place that says what libav may open."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import Any

import av
import av.container

from earmark.audio.endings import FORMATS
from earmark.audio.extent import first_sound
from earmark.audio.source import Opened
from earmark.errors import DecodeError
from earmark.file_errors import reason_of

BUFFER_BYTES = 1 << 17


Failure = (av.FFmpegError, OSError, ValueError, ArithmeticError, LookupError, EOFError, MemoryError, RuntimeError)
"""What PyAV raises where libav fails, or where a damaged file holds numbers that PyAV did not foresee."""


def open_container(
    source: Any,
    *,
    form: str | None = None,
    formats: Iterable[str] = FORMATS,
    options: dict[str, str] | None = None,
    **settings: Any,
) -> Any:
    """Open a file object or an address for reading.

    The format is one of `formats`, found by the bytes and never by a name, and nothing but the source itself is opened:
    what a playlist or a file of references names stays closed.

    form: libav's name of the format where it is known. options: libav's.
    settings: av.open's. Raises one of Failure.
    """
    allowed = [form] if form is not None else formats
    given = {"protocol_whitelist": "", "format_whitelist": ",".join(allowed), **(options or {})}
    if hasattr(av.container.Container, "metadata_errors"):  # until PyAV 18; later ones never refuse a tag
        settings["metadata_errors"] = "replace"  # a tag in Latin-1 is no reason to refuse the sound
    return av.open(source, mode="r", format=form, options=given, **settings)


def open_file(opened: Opened) -> Any:
    """Open a file from its start, and where libav knows no format, from where sound begins in it.

    Raises DecodeError where there is none either, and StorageError where the file cannot be read.
    """
    opened.seek(0)
    try:
        return open_container(opened, buffer_size=BUFFER_BYTES)
    except Failure as error:
        opened.check()
        refusal = DecodeError(opened.label, f"it is no sound file that can be decoded: {reason_of_libav(error)}")
        refusal.__cause__ = error
    found = first_sound(opened)
    if found is None:
        raise refusal
    start, form = found
    try:
        return open_container(opened.stretch(start), form=form, buffer_size=BUFFER_BYTES)
    except Failure:
        raise refusal from refusal.__cause__


def sound_stream(container: Any) -> Any | None:
    """Return libav's choice among a container's sound streams; None where there is none."""
    return container.streams.best("audio")


def is_of_another_format(error: Exception) -> bool:
    """Whether libav says of an opened source that it is of a format that it may not open."""
    return isinstance(error, av.FFmpegError) and error.errno == errno.EINVAL


def reason_of_libav(error: Exception) -> str:
    """Return what libav says, without numbers and file names."""
    if is_of_another_format(error):
        return "its format is none of those that are decoded"
    if isinstance(error, av.FFmpegError):
        return str(error.strerror or type(error).__name__)
    return reason_of(error)
