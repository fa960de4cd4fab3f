"""What can be wrong with any request, with a kept track, and with the server itself."""

from earmark.web.problem import Problem


def full(seconds: int) -> Problem:
    """No place left in the queue."""
    return Problem(
        "full",
        429,
        "The server is busy",
        "As many sounds are waiting as this server lets wait.",
        f"Try again in {seconds} seconds.",
        {"retry_after_seconds": seconds},
    )


def unknown_track() -> Problem:
    """A track that is not, or no longer, here."""
    return Problem(
        "unknown-track",
        404,
        "There is no such track",
        "No track with this name is kept: it was removed, its time is over, or it was never here.",
        "Send the sound again.",
    )


def not_finished() -> Problem:
    """A track that is asked for too early."""
    return Problem(
        "not-finished",
        409,
        "The track is not finished",
        "The sound is still waiting or being listened to.",
        "Follow its events, and ask again after `done`.",
    )


def sound_gone() -> Problem:
    """A track whose file is gone."""
    return Problem(
        "sound-gone",
        404,
        "The sound is no longer there",
        "The file of this track is no longer where it was.",
        "Send the sound again, or add its folder to the library again.",
    )


def beyond_the_end(size: int) -> Problem:
    """A range that a file does not have."""
    return Problem(
        "beyond-the-end",
        416,
        "The range is beyond the end",
        f"The file has {size} bytes, and the range begins behind them.",
        "Ask for a range within the file.",
    )


def no_listener(how: str) -> Problem:
    """No process that could listen."""
    return Problem(
        "no-listener",
        503,
        "Nothing can be listened to",
        f"The process that listens could not be started ({how}).",
        "Tell who runs the server: its log says why. Then try again.",
    )


def no_room() -> Problem:
    """A disk that is full."""
    return Problem(
        "no-room",
        507,
        "The server's disk is full",
        "The sound could not be written to the server's disk.",
        "Try again later, or tell who runs the server.",
    )


def ending() -> Problem:
    """A server that is about to end."""
    return Problem(
        "ending",
        503,
        "The server is ending",
        "The server was told to end, and gave up what it was doing.",
        "Try again when it is there again.",
    )


def wrong_parameters(wrong: list[dict[str, str]]) -> Problem:
    """Parameters that are not as they should be."""
    said = "; ".join(f"{each['where']}: {each['what']}" for each in wrong)
    return Problem(
        "wrong-parameters",
        422,
        "The request is not as it should be",
        f"{said}.",
        "Mend the parameters that are named; /openapi.json says what each may be.",
        {"errors": wrong},
    )


def no_such_address() -> Problem:
    """An address that leads nowhere."""
    return Problem(
        "no-such-address",
        404,
        "There is nothing here",
        "This server answers nothing at this address.",
        "See /openapi.json for the addresses that there are.",
    )


def wrong_method() -> Problem:
    """A method that an address does not have."""
    return Problem(
        "wrong-method",
        405,
        "The address has no such method",
        "This address does not answer to the request's method.",
        "Use a method that the header Allow names; /openapi.json says what each does.",
    )


def other_status(status: int, phrase: str) -> Problem:
    """What has no problem of its own."""
    return Problem("other", status, phrase, f"{phrase}.", "See /openapi.json for what may be asked.")


def unforeseen() -> Problem:
    """A mistake of the server's own."""
    return Problem(
        "unforeseen",
        500,
        "The server made a mistake",
        "Something went wrong that should not have.",
        "Tell who runs the server: its log says what happened.",
    )
