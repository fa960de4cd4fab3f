"""Requests with a body of JSON: what they hold, how they are received, and what is wrong with them."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Annotated, Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from earmark.web import problems
from earmark.web.problem import Problem, ProblemError

MOST_FIELDS = 50
MOST_TRACKS = 100_000
MOST_MISTAKES = 10
"""How many mistakes of a request its response names."""
LONGEST_PLACE = 200
"""How many characters of the place of a mistake a response shows."""


class JsonRequest(BaseModel):
    """A request body of JSON. Unknown fields are refused by name, and more than MOST_FIELDS as a whole.

    Its lists have FailFast and a largest length, so that no body has very many mistakes.
    """

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _refuse_many_fields(cls, body: Any) -> Any:
        if isinstance(body, dict) and len(body) > MOST_FIELDS:
            raise PydanticCustomError("too_many_fields", f"Found {len(body)} fields, expected at most {MOST_FIELDS}")
        return body


class BatchRequest(JsonRequest):
    """Tracks of the library, by their numbers or by the paths of their files."""

    tracks: Annotated[list[int], FailFast()] = Field(default=[], max_length=MOST_TRACKS, examples=[[7, 12]])
    paths: Annotated[list[str], FailFast()] = Field(
        default=[], max_length=MOST_TRACKS, examples=[["/music/07 Gymnopédie.flac"]]
    )

    @classmethod
    def from_json(cls, text: bytes) -> "BatchRequest":
        """Read a request body; raise ProblemError (422) if it is none."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise ProblemError(wrong_values(error.errors(include_input=False), "body")) from error


class JsonRoute(APIRoute):
    """A route that receives its body of JSON under the limits of uploads, and not as a whole whatever its size."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of a request."""
        handle = super().get_route_handler()

        async def handle_received(request: Request) -> Response:
            if self.body_field is None:
                return await handle(request)
            content = await request.app.state.server.uploads.receive_json(request)
            return await handle(ReceivedRequest(request, content))

        return handle_received


class ReceivedRequest(Request):
    """A request whose body has been received."""

    def __init__(self, request: Request, content: bytes) -> None:
        """`content`: the body."""
        super().__init__(request.scope, request.receive)
        self._content = content

    async def body(self) -> bytes:
        """Return the body."""
        return self._content

    async def json(self) -> Any:
        """Return what the body states; it is parsed outside the event loop. Raises json.JSONDecodeError for no JSON."""
        return await asyncio.to_thread(json.loads, self._content)


def wrong_values(errors: Sequence[Mapping[str, Any]], *place: str) -> Problem:
    """Describe the first MOST_MISTAKES errors of pydantic; `place` comes before the names of what is wrong."""
    return problems.wrong_parameters(
        [
            {"where": ".".join(map(str, (*place, *each["loc"])))[:LONGEST_PLACE], "what": str(each["msg"])}
            for each in errors[:MOST_MISTAKES]
        ]
    )
