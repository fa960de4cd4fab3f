"""The problems of the server: why a request failed and what to do about it."""

import errno
from collections.abc import Mapping

from earmark.web.problem import Problem

SOON_SECONDS = 5
SOON: Mapping[str, str] = {"Retry-After": str(SOON_SECONDS)}
"""The header of a failure that is over soon, as far as the server knows."""


def too_large(max_megabytes: float, what: str = "file", option: str = "--max-megabytes") -> Problem:
    """Describe a file, or another body ("batch", "request"), that has more bytes than the server accepts."""
    more = f", or ask who runs the server to allow more ({option})" if option else ""
    less = "a shorter or compressed version, such as an MP3" if what == "file" else "several smaller ones"
    return Problem(
        "too-large",
        413,
        f"The {what} is too large",
        f"The {what} has more than the {max_megabytes:g} MB that this server takes.",
        f"Send {less}{more}.",
        {"max_megabytes": max_megabytes},
    )


def too_long(max_minutes: float) -> Problem:
    """Describe a sound that is longer than the server accepts."""
    return Problem(
        "too-long",
        422,
        "The sound is too long",
        f"The sound lasts longer than the {max_minutes:g} minutes that this server accepts.",
        "Cut it into parts, or ask who runs the server to allow more (--max-minutes).",
        {"max_minutes": max_minutes},
    )


def no_sound(detail: str) -> Problem:
    """Describe a file that cannot be decoded; `detail` says why."""
    return Problem(
        "no-sound",
        422,
        "The file cannot be listened to",
        detail,
        "Send a file of sound that plays elsewhere: MP3, FLAC, WAV, OGG, Opus, M4A, AIFF, WMA and most others.",
    )


def out_of_time(seconds: float) -> Problem:
    """Describe a job that exceeded its time limit."""
    return Problem(
        "out-of-time",
        504,
        "The analysis took too long",
        f"The analysis was not done after {seconds:g} seconds and was stopped.",
        "Try again when the server is less busy. If it happens again, the file may be damaged.",
    )


def worker_ended(how: str) -> Problem:
    """Describe a worker process that ended during a job; `how` names the signal or the exit code."""
    return Problem(
        "listener-ended",
        422,
        "The process that analysed the file ended",
        f"The process that analysed this file ended before it was done ({how}). No other request was affected.",
        "The file is probably damaged: convert it to another format and try again.",
    )


WORKER_KILLED = Problem(
    "listener-killed",
    503,
    "The process that analysed the file was killed",
    "The process that analysed this file was killed from outside, twice. The file is not at fault.",
    "Try again later. If it happens again, tell who runs the server: the machine may be short of memory.",
)


def out_of_memory(megabytes: int) -> Problem:
    """Describe a sound whose analysis needs more memory than a job may use."""
    return Problem(
        "out-of-memory",
        422,
        "The file needs too much memory",
        f"The analysis of this file needs more memory than the {megabytes} MB that it may use.",
        "The file is probably damaged: convert it to another format and try again.",
    )


TOO_SLOW = Problem(
    "too-slow",
    408,
    "The upload is too slow",
    "The upload stalled, or was so slow that the server stopped it.",
    "Try again with a better connection or a smaller file.",
)


def wrong_type(media_type: str) -> Problem:
    """Describe a request body that is neither a form nor a sound."""
    return Problem(
        "wrong-type",
        415,
        "The body has the wrong type",
        f"Found the Content-Type {media_type or '(none)'}, expected multipart/form-data, audio/* or "
        "application/octet-stream.",
        "Send a form with the field `file` (curl -F file=@song.mp3), or the bytes themselves "
        "(curl -H 'Content-Type: application/octet-stream' --data-binary @song.mp3).",
    )


def wrong_form(detail: str) -> Problem:
    """Describe a form that cannot be read; `detail` says why."""
    return Problem(
        "wrong-form",
        400,
        "The form cannot be read",
        f"The form (multipart/form-data) cannot be read. {detail}",
        "Send one field `file` with the sound in it, as curl -F file=@song.mp3 does.",
    )


TWO_SOUNDS = Problem(
    "two-sounds",
    422,
    "The request names two sounds",
    "Found a track of the library and a body in one request, expected one of them.",
    "Send the number of the track without a body, or the sound without the number.",
)


# Tracks and sound files.

UNKNOWN_TRACK = Problem(
    "unknown-track",
    404,
    "There is no such track",
    "The server has no track with this identifier: it was removed, its time is over, or it never existed.",
    "Send the sound again.",
)
UNKNOWN_BATCH = Problem(
    "unknown-batch",
    404,
    "There is no such batch",
    "The server has no batch with this identifier: it was removed, its time is over, or it never existed.",
    "Send the sounds again.",
)
NOT_FINISHED = Problem(
    "not-finished",
    409,
    "The track is not finished",
    "The sound is still waiting or being analysed.",
    "Follow its events, and ask again after `done`.",
)
SOUND_GONE = Problem(
    "sound-gone",
    404,
    "The sound is no longer there",
    "The file of this track was removed, moved, or cannot be read.",
    "Send the sound again, or add its folder to the library again.",
)


def beyond_the_end(size_bytes: int) -> Problem:
    """Describe a range that begins after the end of a file."""
    return Problem(
        "beyond-the-end",
        416,
        "The range is beyond the end",
        f"The file has {size_bytes} bytes, and the range begins after them.",
        "Ask for a range within the file.",
    )


# The library and the live sound.

NO_LIBRARY = Problem(
    "no-library",
    404,
    "There is no library",
    "This server was started without a library.",
    "Start it with one: earmark serve --library FILE",
)
EMPTY_LIBRARY = Problem(
    "empty-library",
    404,
    "The library is empty",
    "The library has no tracks yet.",
    "Add some music: earmark library add FOLDER",
)
LIBRARY_UNUSABLE = Problem(
    "library-unusable",
    503,
    "The library cannot be used",
    "The server could not read the library.",
    "Tell who runs the server: its log says why. Then try again.",
)


def unknown_number(number: int, tracks: int) -> Problem:
    """Describe a number that no track of the library has."""
    return Problem(
        "unknown-number",
        404,
        "There is no such track in the library",
        f"Found the number {number}, expected that of one of the library's {tracks} tracks.",
        "Take the number from a search.",
    )


def wrong_search(detail: str, position: int) -> Problem:
    """Describe a search that cannot be parsed; `position` is that of the first wrong character, from 0."""
    return Problem(
        "wrong-search",
        422,
        "The search cannot be understood",
        detail,
        "Write tags joined by AND, OR and NOT, such as: piano AND NOT vocals AND guitar>0.6",
        {"position": position},
    )


PATH_IN_SEARCH = Problem(
    "path-in-search",
    422,
    "Paths cannot be searched for here",
    "Found path:, folder: or like: with a path in the search, expected words, tags or like: with a number.",
    "Search for tags; for paths use `earmark library search` on the machine itself.",
)


def other_model(own: str, theirs: str) -> Problem:
    """Describe a library whose vectors are of another model than the server's."""
    return Problem(
        "other-model",
        409,
        "The library is of another model",
        f"The tracks of the library were analysed with {theirs!r}, and this server uses {own!r}: their vectors cannot "
        "be compared.",
        "Add the library's music again with this model, or start the server with the library's (--model).",
    )


NO_LIVE_SOUND = Problem(
    "no-live-sound",
    404,
    "There is no live sound",
    "This server was started without a live sound.",
    "Start it with one: earmark serve --listen http://... (or - for standard input, or microphone)",
)


# The server.


def full(seconds: int) -> Problem:
    """Describe a job queue without a free slot; `seconds` is the time after which to try again."""
    return Problem(
        "full",
        429,
        "The server is busy",
        "The queue of this server is full.",
        f"Try again in {seconds} seconds.",
        {"retry_after_seconds": seconds},
    )


def no_worker(reason: str) -> Problem:
    """Describe a worker process that cannot be started."""
    return Problem(
        "no-listener",
        503,
        "No sound can be analysed",
        f"The process that analyses sounds could not be started ({reason}).",
        "Tell who runs the server: its log says why. Then try again.",
    )


TOO_MANY_CONNECTIONS = Problem(
    "too-many-connections",
    503,
    "The server has too many connections",
    "As many connections are open as the server, or this client, may have, and a request is in progress on each.",
    "Try again later, or use fewer connections.",
)
DISK_FULL = Problem(
    "no-room",
    507,
    "The server's disk is full",
    "The server's disk has no room for the sound or its analysis.",
    "Try again later, or tell who runs the server.",
)
ENDING = Problem(
    "ending",
    503,
    "The server is ending",
    "The server is shutting down and stopped its work.",
    "Try again when the server runs again.",
)
UNFORESEEN = Problem(
    "unforeseen",
    500,
    "The server failed",
    "The request met an unexpected error.",
    "Tell who runs the server: its log says what happened.",
)


def write_failed(error: OSError) -> Problem:
    """Return DISK_FULL where a file could not be written for lack of room, and UNFORESEEN for every other reason."""
    return DISK_FULL if error.errno in (errno.ENOSPC, errno.EDQUOT) else UNFORESEEN


# Requests in general.


def wrong_parameters(wrong: list[dict[str, str]]) -> Problem:
    """Describe wrong parameters; each item says in `where` which one and in `what` what is wrong with it."""
    return Problem(
        "wrong-parameters",
        422,
        "The request has wrong parameters",
        "; ".join(f"{each['where']}: {each['what']}" for each in wrong) + ".",
        "Correct the parameters that are named; /openapi.json says what each may be.",
        {"errors": wrong},
    )


HEADER_TOO_SLOW = Problem(
    "header-too-slow",
    408,
    "The request is too slow",
    "The header of the request was not complete in time.",
    "Try again with a better connection.",
)
WRONG_REQUEST = Problem(
    "wrong-request",
    400,
    "The request is not HTTP",
    "The bytes that arrived are no request of HTTP/1.1 that this server accepts.",
    "Use a client that speaks HTTP/1.1, headers of at most 16 kB, and chunks of at least 512 bytes for a long body.",
)
NO_SUCH_ADDRESS = Problem(
    "no-such-address",
    404,
    "There is nothing at this address",
    "The server has no resource at this address.",
    "See /openapi.json for the addresses of this server.",
)
WRONG_METHOD = Problem(
    "wrong-method",
    405,
    "The address does not support the method",
    "This address does not support the request's method.",
    "Use a method that the header Allow names; /openapi.json says what each does.",
)


def other_status(status: int, phrase: str) -> Problem:
    """Describe an error that has an HTTP status and no problem of its own."""
    return Problem("other", status, phrase, f"{phrase}.", "See /openapi.json for the requests that the server accepts.")


# Access.

WRONG_HOST = Problem(
    "wrong-host",
    421,
    "The server does not have that name",
    "The request's Host is neither an address, nor localhost, nor a name that was given to this server.",
    "Use the server's address, or ask who runs it to allow the name (--allow-host NAME).",
)
OTHER_ORIGIN = Problem(
    "other-origin",
    403,
    "Requests from other pages are refused",
    "The request comes from a page of another origin.",
    "Use this server's own page, or a program that is no browser.",
)


def no_token(*, given: bool) -> Problem:
    """Describe a request without the server's token; `given` says whether it had an Authorization header."""
    return Problem(
        "no-token",
        401,
        "The token is wrong" if given else "A token is needed",
        f"Found {'a wrong' if given else 'no'} Authorization header, expected the server's token.",
        "Send the header `Authorization: Bearer TOKEN`; who runs the server knows the token.",
    )
