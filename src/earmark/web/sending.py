"""What the requests that bring a sound have in common: their bodies as OpenAPI has them, and leaving early."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from fastapi import Request
from starlette.requests import ClientDisconnect

SOUND: dict[str, Any] = {"type": "string", "format": "binary", "description": "A file of sound, of any usual format."}


def body_of_sound(*, required: bool) -> dict[str, Any]:
    """How OpenAPI describes a body that is a sound."""
    form = {"type": "object", "required": ["file"], "properties": {"file": SOUND}}
    return {
        "requestBody": {
            "required": required,
            "description": "One sound: the field `file` of a form, or the bytes themselves.",
            "content": {
                "multipart/form-data": {"schema": form},
                "application/octet-stream": {"schema": SOUND},
                "audio/*": {"schema": SOUND},
            },
        }
    }


def has_body(request: Request) -> bool:
    """Whether a request says that it has a body."""
    return request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers


async def unless_left(request: Request, work: Coroutine[Any, Any, None]) -> None:
    """Do some work, and stop at once where the sender leaves; raises ClientDisconnect then."""
    task = asyncio.create_task(work)
    left = asyncio.create_task(_left(request))
    try:
        await asyncio.wait((task, left), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        await task
    finally:
        task.cancel()
        left.cancel()
        await asyncio.gather(task, left, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        continue
