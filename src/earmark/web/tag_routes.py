"""`/v1/tag` and `/v1/embed`: a sound in, its answer out, nothing kept."""

import asyncio
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from earmark.web.answers import EmbedAnswer, TagAnswer
from earmark.web.desk import tell_nobody
from earmark.web.openapi import BUSY
from earmark.web.order import Want
from earmark.web.sending import body_of_sound, unless_left
from earmark.web.server import AServer, Server
from earmark.web.uploads import receive

router = APIRouter(prefix="/v1", tags=["sounds"])

Name = Annotated[
    str, Query(max_length=1_000, description="What the sound is called, where no form says so.", examples=["song.mp3"])
]


@router.post(
    "/tag",
    summary="Tag a sound",
    responses={200: {"model": TagAnswer}, **BUSY},
    openapi_extra=body_of_sound(required=True),
    response_class=Response,
)
async def tag(
    request: Request,
    server: AServer,
    name: Name = "",
    over_time: Annotated[bool, Query(description="Tags over time as well.")] = False,
    evidence: Annotated[bool, Query(description="Why, and when, for every tag.")] = False,
    top: Annotated[
        int | None, Query(ge=1, le=1_000, description="How many tags to list; without it all.", examples=[5])
    ] = None,
) -> Response:
    """Listen to a sound and answer with its tags, the most probable first; the sound is removed at once."""
    del name  # read by `receive`
    return await _answered(request, server, "tag", over_time=over_time, evidence=evidence, top=top)


@router.post(
    "/embed",
    summary="The vector of a sound",
    responses={200: {"model": EmbedAnswer}, **BUSY},
    openapi_extra=body_of_sound(required=True),
    response_class=Response,
)
async def embed(request: Request, server: AServer, name: Name = "") -> Response:
    """Listen to a sound and answer with its track vector, and which of its columns mean what."""
    del name
    return await _answered(request, server, "embed")


async def _answered(
    request: Request,
    server: Server,
    want: Want,
    *,
    over_time: bool = False,
    evidence: bool = False,
    top: int | None = None,
) -> Response:
    with server.desk.admit():
        folder = server.tracks.new_folder()
        try:
            sound, answer = folder / "sound", folder / "answer.json"
            upload = await receive(request, sound, server.settings)
            server.metrics.uploaded_bytes.inc(upload.size_bytes)
            order = replace(
                server.order(want, sound, answer, upload.name), over_time=over_time, evidence=evidence, top=top
            )
            await unless_left(request, server.desk.listen(order, tell_nobody))
            content = await asyncio.to_thread(answer.read_bytes)
        finally:
            server.tracks.remove_folder(folder)
    return Response(content, media_type="application/json")
