"""A sound file as an answer, whole or one range of it."""

import re
from pathlib import Path

from fastapi import Request
from fastapi.responses import FileResponse

from earmark.web import problems
from earmark.web.problem import ProblemError

_ONE_RANGE = re.compile(r"bytes=(?:(?P<start>\d{1,18})-(?P<end>\d{0,18})|-(?P<last>\d{1,18}))")
HEADERS = {
    "Cache-Control": "private, no-cache",
    # What was uploaded is shown by nobody as a page of this server.
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


def sound_answer(request: Request, path: Path, name: str, media_type: str) -> FileResponse:
    """Answer with a file, or the range of it that the request asks for.

    A range that cannot be understood, or more than one, is as if none was asked for, as RFC 9110 has it. Raises
    ProblemError (416) for a range beyond the file, and 404 where the file is gone.
    """
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ProblemError(problems.sound_gone()) from error
    asked = request.headers.get("range")
    if asked is not None:
        found = _ONE_RANGE.fullmatch(asked.strip())
        if found is None or (found["end"] and int(found["end"]) < int(found["start"])):
            _forget_range(request)
        elif (found["start"] is not None and int(found["start"]) >= size) or found["last"] == "0" or not size:
            raise ProblemError(problems.beyond_the_end(size), {"Content-Range": f"bytes */{size}"})
    return FileResponse(
        path, filename=name, media_type=media_type, content_disposition_type="inline", headers=dict(HEADERS)
    )


def _forget_range(request: Request) -> None:
    request.scope["headers"] = [(key, value) for key, value in request.scope["headers"] if key != b"range"]
