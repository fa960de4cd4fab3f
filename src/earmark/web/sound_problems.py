"""What can be wrong with a sound, or with how it came."""

from earmark.web.problem import Problem


def too_large(max_megabytes: float) -> Problem:
    """More bytes than are taken."""
    return Problem(
        "too-large",
        413,
        "The file is too large",
        f"The file has more than the {max_megabytes:g} MB that this server takes.",
        "Send a shorter or compressed version, such as an MP3, or ask who runs the server to allow more "
        "(--max-megabytes).",
        {"max_megabytes": max_megabytes},
    )


def too_long(max_minutes: float) -> Problem:
    """More sound than is listened to."""
    return Problem(
        "too-long",
        422,
        "The sound is too long",
        f"The sound lasts longer than the {max_minutes:g} minutes that this server listens to.",
        "Cut it into parts, or ask who runs the server to allow more (--max-minutes).",
        {"max_minutes": max_minutes},
    )


def no_sound(detail: str) -> Problem:
    """A file that cannot be listened to."""
    return Problem(
        "no-sound",
        422,
        "The file cannot be listened to",
        detail,
        "Send a file of sound that plays elsewhere: MP3, FLAC, WAV, OGG, Opus, M4A, AIFF, WMA and most others.",
    )


def not_done_in_time(seconds: float) -> Problem:
    """A sound that took too long."""
    return Problem(
        "out-of-time",
        504,
        "Listening took too long",
        f"The sound was not done after {seconds:g} seconds, and was given up.",
        "Try it again when the server is less busy; if it happens again the file may be damaged.",
    )


def lost(how: str) -> Problem:
    """A process that ended on a sound."""
    return Problem(
        "listener-ended",
        422,
        "The process that listened to the file ended",
        f"The process that listened to this file ended before it was done ({how}). Nothing else was affected.",
        "The file is probably damaged: convert it to another format and try again.",
    )


def too_much_memory(megabytes: int) -> Problem:
    """A sound that asks for more memory than it may take."""
    return Problem(
        "out-of-memory",
        422,
        "The file asks for too much memory",
        f"Listening to this file needs more memory than the {megabytes} MB that it may take.",
        "The file is probably damaged: convert it to another format and try again.",
    )


def too_slow() -> Problem:
    """An upload that does not come on."""
    return Problem(
        "too-slow",
        408,
        "The upload is too slow",
        "The upload came so slowly that it was given up.",
        "Try again with a better connection or a smaller file.",
    )


def wrong_type(kind: str) -> Problem:
    """A body that is neither a form nor sound."""
    return Problem(
        "wrong-type",
        415,
        "The body is of the wrong kind",
        f"Found the Content-Type {kind or '(none)'}, expected multipart/form-data, audio/* or "
        "application/octet-stream.",
        "Send a form with the field `file` (curl -F file=@song.mp3), or the bytes themselves "
        "(curl -H 'Content-Type: application/octet-stream' --data-binary @song.mp3).",
    )


def wrong_form(detail: str) -> Problem:
    """A form that cannot be read."""
    return Problem(
        "wrong-form",
        400,
        "The form cannot be read",
        f"The form (multipart/form-data) cannot be read. {detail}",
        "Send one field `file` with the sound in it, as curl -F file=@song.mp3 does.",
    )


def two_sounds() -> Problem:
    """A sound and a track of the library in one request."""
    return Problem(
        "two-sounds",
        422,
        "Which of the two sounds is meant?",
        "Found a track of the library and a body in one request, expected one of them.",
        "Send the number of the track without a body, or the sound without the number.",
    )
