"""The description of the API: FastAPI's, with problems as the answer to whatever goes wrong."""

from typing import Any

from earmark.web.answers import ProblemAnswer
from earmark.web.problem import MEDIA_TYPE

_PROBLEM = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemAnswer"}}}}

FAILURES: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "What is wrong with the request, and what to do", **_PROBLEM},
    "5XX": {"description": "What is wrong with the server, and what to do", **_PROBLEM},
}
"""What every address may answer."""

BUSY: dict[int | str, dict[str, Any]] = {
    429: {
        "description": "As many sounds wait as may wait",
        "headers": {
            "Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer", "minimum": 1}, "example": 5}
        },
        **_PROBLEM,
    }
}
"""What an address that takes sounds may answer besides."""

_EXAMPLE = """event: waiting
data: {"ahead": 2}

event: progress
data: {"stage": "decoding", "seconds": 93.5, "of": 215.4, "share": 0.434}

event: done
data: {"track": "/v1/tracks/Lb0w0bQd3WqfXlZ2m6mT4g"}

"""
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events, one after the other; of `failed` the data is a problem",
        "content": {
            "text/event-stream": {
                # Of one event, as those who check such streams take it.
                "schema": {
                    "type": "object",
                    "required": ["event", "data"],
                    "properties": {
                        "event": {"enum": ["waiting", "progress", "done", "failed"]},
                        "data": {"type": "string", "description": "JSON."},
                    },
                },
                "example": _EXAMPLE,
            }
        },
    }
}
"""What becomes of a track."""


def with_problems(document: dict[str, Any]) -> dict[str, Any]:
    """The same document, with the form of a problem among its forms."""
    form = ProblemAnswer.model_json_schema(ref_template="#/components/schemas/{model}")
    document.setdefault("components", {}).setdefault("schemas", {})["ProblemAnswer"] = form
    return document
