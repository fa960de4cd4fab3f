"""`/v1/library`: the tracks of the library, searched, compared and heard."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi import Path as InPath
from fastapi.responses import FileResponse

from earmark.web.answers import FoundAnswer, LibraryAnswer, found_answer
from earmark.web.collection import name_of
from earmark.web.media import media_type_of
from earmark.web.ranges import sound_answer
from earmark.web.server import AServer
from earmark.web.track_routes import AlikeIn, Count

router = APIRouter(prefix="/v1/library", tags=["library"])

Number = Annotated[int, InPath(ge=1, le=2**62, description="Of a track, as a search gives it.", examples=[7])]


@router.get("", summary="The library")
async def library(server: AServer) -> LibraryAnswer:
    """How many tracks there are, and which model heard them."""
    tracks, model = await asyncio.to_thread(server.the_collection.count)
    return LibraryAnswer(tracks=tracks, model=model)


@router.get("/search", summary="Search by tags")
async def search(
    server: AServer,
    q: Annotated[
        str,
        Query(
            max_length=1_000,
            description="Tags joined by AND, OR and NOT, with > and < where a probability is meant. Empty: what was "
            "added last.",
            examples=["piano AND NOT vocals AND guitar>0.6"],
        ),
    ] = "",
    n: Count = 20,
) -> FoundAnswer:
    """The tracks that fit a search, the best first."""
    return found_answer(await asyncio.to_thread(server.the_collection.search, q, n))


@router.get("/similar/{number}", summary="Tracks like a track")
async def similar(number: Number, server: AServer, n: Count = 10, alike: AlikeIn = "all") -> FoundAnswer:
    """The tracks that are most like one of the library, the most alike first; the score is the likeness, -1 to 1."""
    return found_answer(await asyncio.to_thread(server.the_collection.similar, number, n, alike))


@router.head("/tracks/{number}/audio", include_in_schema=False, response_class=FileResponse)
@router.get(
    "/tracks/{number}/audio",
    summary="The sound of a track of the library",
    responses={
        200: {"content": {"audio/*": {}, "application/octet-stream": {}}},
        206: {"description": "One range", "content": {"audio/*": {}, "application/octet-stream": {}}},
    },
    response_class=FileResponse,
)
async def audio(request: Request, number: Number, server: AServer) -> FileResponse:
    """The file of a track as it is, whole or one range of it."""
    sound = await asyncio.to_thread(server.the_collection.sound, number)
    return sound_answer(request, sound, name_of(sound), await asyncio.to_thread(media_type_of, sound))
