"""What kind of sound a file holds, by its first bytes: the type that a browser is told."""

from pathlib import Path

UNKNOWN = "application/octet-stream"
HEAD_BYTES = 64

_STARTS = (
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"\x1a\x45\xdf\xa3", "audio/webm"),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "audio/x-ms-wma"),
    (b"MAC ", "audio/x-ape"),
    (b"wvPk", "audio/x-wavpack"),
    (b"TTA1", "audio/x-tta"),
    (b"caff", "audio/x-caf"),
    (b".snd", "audio/basic"),
    (b"#!AMR", "audio/amr"),
)


def media_type_of(path: Path) -> str:
    """The type of a sound file, `application/octet-stream` where it is none of the usual ones; never what is not sound.

    What a sender says it is does not count: an answer of the type text/html would be a page of this server.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    for start, media_type in _STARTS:
        if head.startswith(start):
            return media_type
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "audio/wav"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "audio/aiff"
    if head[4:8] == b"ftyp":
        return "audio/mp4"
    if head[:1] == b"\xff" and len(head) > 1:
        return _of_frame(head[1])
    return UNKNOWN


def _of_frame(second: int) -> str:
    """By the second byte of a frame whose first is all ones: MPEG audio has a layer, ADTS has none."""
    if second & 0xF6 == 0xF0:
        return "audio/aac"
    return "audio/mpeg" if second & 0xE0 == 0xE0 else UNKNOWN
