"""`/v1/tracks`: a sound is brought, followed by its events, shown, heard and compared, and kept for a while."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as InPath
from fastapi.responses import FileResponse, StreamingResponse

from earmark.library.likeness import Alike
from earmark.web import sound_problems
from earmark.web.answers import FoundAnswer, StartedAnswer, TrackAnswer, found_answer
from earmark.web.collection import name_of
from earmark.web.media import media_type_of
from earmark.web.openapi import BUSY, EVENTS
from earmark.web.problem import ProblemError
from earmark.web.ranges import sound_answer
from earmark.web.sending import body_of_sound, has_body
from earmark.web.server import AServer
from earmark.web.tag_routes import Name
from earmark.web.tracks import Event
from earmark.web.uploads import receive

router = APIRouter(prefix="/v1/tracks", tags=["tracks"])

Identifier = Annotated[str, InPath(max_length=64, description="Of a track, as it was given when it was brought.")]
Count = Annotated[int, Query(ge=1, le=1_000, description="How many tracks at most.")]
AlikeIn = Annotated[Alike, Query(description="Over all levels, or the lowest (sound) or highest (style) alone.")]
STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@router.post(
    "",
    status_code=202,
    summary="Bring a sound",
    responses=BUSY,
    openapi_extra=body_of_sound(required=False),
)
async def bring(
    request: Request,
    server: AServer,
    name: Name = "",
    library: Annotated[
        int | None, Query(ge=1, le=2**62, description="A track of the library by its number, instead of a body.")
    ] = None,
) -> StartedAnswer:
    """Take in a sound, or a track of the library. It is listened to when its turn comes, which its events tell."""
    del name  # read by `receive`
    if library is not None and has_body(request):
        raise ProblemError(sound_problems.two_sounds())
    with ExitStack() as failing:
        place = server.desk.admit()
        failing.callback(place.leave)
        folder = server.tracks.new_folder()
        failing.callback(server.tracks.remove_folder, folder)
        if library is None:
            sound = folder / "sound"
            upload = await receive(request, sound, server.settings)
            server.metrics.uploaded_bytes.inc(upload.size_bytes)
            called = upload.name
        else:
            sound = await asyncio.to_thread(server.the_collection.sound, library)
            called = name_of(sound)
        track = server.tracks.add(called, sound, media_type_of(sound), folder)
        failing.pop_all()
    track.start(server.analyse(track, place))
    where = f"/v1/tracks/{track.id}"
    return StartedAnswer(id=track.id, events=f"{where}/events", audio=f"{where}/audio")


@router.get(
    "/{identifier}/events",
    summary="What becomes of a track",
    responses=EVENTS,
    response_class=StreamingResponse,
)
async def events(identifier: Identifier, server: AServer) -> StreamingResponse:
    """Server-sent events, from the present one on: `waiting`, `progress`, and last `done` or `failed`."""
    told = server.tracks.get(identifier).events()
    return StreamingResponse(_stream(told), media_type="text/event-stream", headers=STREAM_HEADERS)


@router.get("/{identifier}", summary="A track", responses={200: {"model": TrackAnswer}}, response_class=Response)
async def track(identifier: Identifier, server: AServer) -> Response:
    """All that was heard in a track: tags, tags over time, evidence of every tag, and the outline of its sound."""
    found = server.tracks.finished(identifier)
    content = await asyncio.to_thread(found.answer.read_bytes)
    own = json.dumps({"id": found.id, "media_type": found.media_type}).encode("ascii")
    return Response(own[:-1] + b", " + content[1:], media_type="application/json")


@router.delete("/{identifier}", status_code=204, summary="Remove a track")
async def remove(identifier: Identifier, server: AServer) -> None:
    """Forget a track at once, whatever is being done with it."""
    server.tracks.remove(server.tracks.get(identifier))


@router.head("/{identifier}/audio", include_in_schema=False, response_class=FileResponse)
@router.get(
    "/{identifier}/audio",
    summary="The sound of a track",
    responses={
        200: {"content": {"audio/*": {}, "application/octet-stream": {}}},
        206: {"description": "One range", "content": {"audio/*": {}, "application/octet-stream": {}}},
        **BUSY,
    },
    response_class=FileResponse,
)
async def audio(
    request: Request,
    identifier: Identifier,
    server: AServer,
    format: Annotated[  # noqa: A002 (as it is called in the address)
        Literal["original", "flac"],
        Query(description="FLAC is made where a browser cannot play the original; one channel, 44.1 kHz."),
    ] = "original",
) -> FileResponse:
    """The sound as it was brought, whole or one range of it."""
    found = server.tracks.get(identifier)
    if format == "flac":
        await server.make_flac(found)
        return sound_answer(request, found.flac, f"{found.name}.flac", "audio/flac")
    return sound_answer(request, found.sound, found.name, found.media_type)


@router.get("/{identifier}/similar", summary="Tracks of the library like a track")
async def similar(identifier: Identifier, server: AServer, n: Count = 10, alike: AlikeIn = "all") -> FoundAnswer:
    """The tracks of the library that are most like this one, the most alike first."""
    collection = server.the_collection
    found = server.tracks.finished(identifier)

    def look() -> FoundAnswer:
        record = json.loads(found.answer.read_bytes())
        embedding = np.array(record["prediction"]["embedding"], np.float32)
        return found_answer(collection.like(embedding, n, alike))

    return await asyncio.to_thread(look)


async def _stream(told: AsyncIterator[Event | None]) -> AsyncIterator[str]:
    """Events in their text form; a comment where nothing has happened for a while."""
    async for event in told:
        yield f"event: {event.name}\ndata: {json.dumps(event.data)}\n\n" if event is not None else ": still here\n\n"
