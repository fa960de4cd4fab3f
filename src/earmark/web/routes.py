"""The routes of the API: the server itself, tagging a sound at once, and tracks that are kept for a while."""

import asyncio
import json
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as InPath
from fastapi.responses import FileResponse, StreamingResponse

from earmark import __version__
from earmark.tagging.features import read_features
from earmark.web import problems
from earmark.web.batches import BatchFile
from earmark.web.events import event_response
from earmark.web.job import Want
from earmark.web.job_queue import ignore_messages
from earmark.web.json_requests import BatchRequest
from earmark.web.library import AlikeIn, Count, library_of, name_of
from earmark.web.library_schemas import FoundAnswer
from earmark.web.metrics import MEDIA_TYPE
from earmark.web.problem import ProblemError
from earmark.web.schemas import (
    BATCH_EVENTS,
    BATCH_RESULTS,
    BUSY,
    SOUND_FILE,
    TRACK_EVENTS,
    BatchAnswer,
    EmbedAnswer,
    HealthAnswer,
    LimitsAnswer,
    ModelAnswer,
    StartedAnswer,
    StartedBatchAnswer,
    StretchAnswer,
    TagAnswer,
    TagNameAnswer,
    TrackAnswer,
    batch_body,
    sound_body,
)
from earmark.web.serialise import features_beside, shortened
from earmark.web.server import AServer, Server
from earmark.web.sound_file import SoundFileResponse, media_type_of
from earmark.web.uploads import declared_bytes, has_body, while_connected
from earmark.web.webhook import allowed_webhook

open_router = APIRouter(tags=["service"])
"""Routes that need no token."""
service_router = APIRouter(tags=["service"])
sounds_router = APIRouter(prefix="/v1", tags=["sounds"])
tracks_router = APIRouter(prefix="/v1/tracks", tags=["tracks"])
batches_router = APIRouter(prefix="/v1/batches", tags=["batches"])

PAGE_FOLDER = Path(__file__).with_name("page")
EXPLORER_FOLDER = Path(__file__).with_name("explorer")
"""The page that shows the API. `make explorer` fetches the viewer that it loads, OpenAPI Explorer."""

Name = Annotated[
    str,
    Query(
        max_length=1_000,
        description="The name of the sound; by default that of the form's file.",
        examples=["song.mp3"],
    ),
]
Identifier = Annotated[
    str, InPath(max_length=64, description="The identifier of a track, as `POST /v1/tracks` returns it.")
]
BatchIdentifier = Annotated[
    str, InPath(max_length=64, description="The identifier of a batch, as `POST /v1/batches` returns it.")
]


@open_router.get("/", include_in_schema=False)
async def index() -> FileResponse:
    """Return the page."""
    return FileResponse(PAGE_FOLDER / "index.html", media_type="text/html")


@open_router.get("/docs", include_in_schema=False)
async def explorer() -> FileResponse:
    """Return the page that shows the API."""
    return FileResponse(EXPLORER_FOLDER / "index.html", media_type="text/html")


@open_router.get("/health", summary="Check that the server runs")
async def read_health(server: AServer) -> HealthAnswer:
    """Return the limits of a sound, without waiting for other requests."""
    settings = server.settings
    return HealthAnswer(
        status="ok",
        model=server.tagger.card.name,
        version=__version__,
        limits=LimitsAnswer(
            max_megabytes=settings.max_megabytes, max_minutes=settings.max_minutes, keep_minutes=settings.keep_minutes
        ),
    )


@service_router.get(
    "/metrics",
    summary="Read the metrics",
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    response_class=Response,
)
async def read_metrics(server: AServer) -> Response:
    """Return the metrics of the server in Prometheus' text format."""
    return Response(server.metrics.text(), headers={"Content-Type": MEDIA_TYPE})


@service_router.get("/v1/models", summary="Describe the model")
async def read_models(server: AServer) -> list[ModelAnswer]:
    """Return the model of this server: its tags, scales and levels, licence and hashes."""
    card = server.tagger.card
    return [
        ModelAnswer(
            name=card.name,
            labels=[TagNameAnswer(**asdict(tag)) for tag in card.tags],
            default=True,
            calibrated=bool(card.calibration),
            scales=[extractor.name for extractor in card.extractors],
            scale_seconds={
                extractor.name: extractor.segment_length * extractor.row_seconds for extractor in card.extractors
            },
            levels={extractor.name: list(extractor.levels) for extractor in card.extractors},
            licence=card.licence,
            hashes={"head": card.head.hash, **{extractor.name: extractor.hash for extractor in card.extractors}},
        )
    ]


@sounds_router.post(
    "/tag",
    summary="Tag a sound",
    responses={200: {"model": TagAnswer}, **BUSY},
    openapi_extra=sound_body(required=True),
    response_class=Response,
)
async def tag_sound(
    request: Request,
    server: AServer,
    name: Name = "",
    over_time: Annotated[bool, Query(description="Also return tags over time.")] = False,
    evidence: Annotated[bool, Query(description="Also return evidence for every tag.")] = False,
    top: Annotated[
        int | None, Query(ge=1, le=1_000, description="How many tags to list; without it all.", examples=[5])
    ] = None,
) -> Response:
    """Return the tags of a sound, the most probable first. The server keeps nothing of the sound."""
    del name  # `receive` reads it
    return await _answer(request, server, "tag", over_time=over_time, evidence=evidence, top=top)


@sounds_router.post(
    "/embed",
    summary="Compute the vector of a sound",
    responses={200: {"model": EmbedAnswer}, **BUSY},
    openapi_extra=sound_body(required=True),
    response_class=Response,
)
async def embed_sound(request: Request, server: AServer, name: Name = "") -> Response:
    """Return the track vector of a sound and the meaning of its columns. The server keeps nothing of the sound."""
    del name
    return await _answer(request, server, "embed")


async def _answer(
    request: Request,
    server: Server,
    want: Want,
    *,
    over_time: bool = False,
    evidence: bool = False,
    top: int | None = None,
) -> Response:
    """Receive a sound, do a job on it, and return the result; remove both from the disk."""
    server.queue.check()
    server.uploads.check()
    folder = server.tracks.new_folder()
    try:
        sound, answer = folder / "sound", folder / "answer.json"
        upload = await server.uploads.receive(request, sound)
        with server.queue.take_slot():
            job = replace(server.job(want, sound, answer, upload.name), over_time=over_time, evidence=evidence, top=top)
            await while_connected(request, server.queue.run(job, ignore_messages))
        content = await asyncio.to_thread(answer.read_bytes)
    finally:
        await asyncio.to_thread(server.tracks.remove_folder, folder)  # large files take a while
    return Response(content, media_type="application/json")


@tracks_router.post(
    "",
    status_code=202,
    summary="Create a track from a sound",
    responses=BUSY,
    openapi_extra=sound_body(required=False),
)
async def create_track(
    request: Request,
    server: AServer,
    name: Name = "",
    library: Annotated[
        int | None, Query(ge=1, le=2**62, description="The number of a track of the library, instead of a body.")
    ] = None,
) -> StartedAnswer:
    """Create a track from a body or a track of the library. The server analyses it later, and its events tell when."""
    del name  # `receive` reads it
    if library is not None and has_body(request):
        raise ProblemError(problems.TWO_SOUNDS)
    server.queue.check()
    folder = server.tracks.new_folder()
    with ExitStack() as on_failure:
        on_failure.callback(server.tracks.remove_folder, folder)
        if library is None:
            upload = await server.uploads.receive(request, folder / "sound")
            sound, track_name = upload.path, upload.name
        else:
            sound = await asyncio.to_thread(library_of(request).sound, library)
            track_name = name_of(sound)
        slot = server.queue.take_slot()
        on_failure.callback(slot.release)
        track = server.tracks.add(track_name, sound, media_type_of(sound), folder)
        on_failure.pop_all()
    track.start(server.analyse(track, slot))
    address = f"{server.settings.root_path}/v1/tracks/{track.id}"
    return StartedAnswer(id=track.id, events=f"{address}/events", audio=f"{address}/audio")


@tracks_router.get(
    "/{identifier}/events",
    summary="Follow a track",
    responses=TRACK_EVENTS,
    response_class=StreamingResponse,
)
async def follow_track(identifier: Identifier, server: AServer) -> StreamingResponse:
    """Stream the newest event and those after it: `waiting`, `progress`, and last `done` or `failed`."""
    return event_response(server.tracks.get(identifier).events)


@tracks_router.get(
    "/{identifier}", summary="Read a track", responses={200: {"model": TrackAnswer}}, response_class=Response
)
async def read_track(identifier: Identifier, server: AServer) -> Response:
    """Return the tags of a track, its tags over time, the evidence of every tag, and its waveform."""
    found = server.tracks.finished(identifier)
    content = await asyncio.to_thread(found.read_result)
    own = json.dumps({"id": found.id, "media_type": found.media_type}).encode("ascii")
    return Response(own[:-1] + b", " + content[1:], media_type="application/json")


@tracks_router.get("/{identifier}/stretch", summary="Explain a stretch of a track")
async def stretch(
    identifier: Identifier,
    server: AServer,
    start: Annotated[float, Query(ge=0, description="In seconds.", examples=[20.0])],
    end: Annotated[float, Query(gt=0, description="In seconds, after the start.", examples=[25.0])],
) -> StretchAnswer:
    """Return the tags of a stretch of a track, and the evidence of every tag in it."""
    if not start < end:
        raise ProblemError(
            problems.wrong_parameters([{"where": "query.end", "what": "The end is not after the start"}])
        )
    found = server.tracks.finished(identifier)

    def explained() -> StretchAnswer:
        try:
            features = read_features(features_beside(found.result), server.tagger.card.extractors)
        except FileNotFoundError as error:
            raise ProblemError(problems.UNKNOWN_TRACK) from error
        last = min(end, features.duration_seconds)
        evidence = server.tagger.explainer.explain_stretch(features, min(start, last), last)
        return StretchAnswer.model_validate(shortened(evidence.to_dict()))

    return await asyncio.to_thread(explained)


@tracks_router.delete("/{identifier}", status_code=204, summary="Remove a track")
async def remove_track(identifier: Identifier, server: AServer) -> None:
    """Remove a track at once, and stop its analysis."""
    server.tracks.remove(server.tracks.get(identifier))


@tracks_router.get(
    "/{identifier}/audio",
    summary="Play a track",
    responses={**SOUND_FILE, **BUSY},
    response_class=Response,
)
async def play_track(
    identifier: Identifier,
    server: AServer,
    format: Annotated[  # noqa: A002 (the name of the parameter in the address)
        Literal["original", "flac"],
        Query(description="`flac` for browsers that cannot play the original: one channel, 44.1 kHz."),
    ] = "original",
) -> Response:
    """Return the file of a track as it was uploaded or as FLAC, or one range of it."""
    found = server.tracks.get(identifier)
    if format == "flac":
        await server.make_flac(found)
        return SoundFileResponse(found.flac, f"{found.name}.flac", "audio/flac")
    return SoundFileResponse(found.sound, found.name, found.media_type)


@tracks_router.get("/{identifier}/similar", summary="Find tracks of the library that are similar to a track")
async def find_similar_to_sound(
    request: Request, identifier: Identifier, server: AServer, n: Count = 10, alike: AlikeIn = "all"
) -> FoundAnswer:
    """Return the tracks of the library that are most similar to a track, best first."""
    library = library_of(request)
    found = server.tracks.finished(identifier)

    def nearest() -> FoundAnswer:
        record = json.loads(found.read_result())
        embedding = np.array(record["prediction"]["embedding"], np.float32)
        return library.nearest(embedding, n, alike)

    return await asyncio.to_thread(nearest)


@batches_router.post("", status_code=202, summary="Create a batch", responses=BUSY, openapi_extra=batch_body())
async def create_batch(
    request: Request,
    server: AServer,
    webhook: Annotated[
        str,
        Query(
            max_length=2_000,
            description="Where the server POSTs the counts when the batch is finished. Its host has to be allowed.",
        ),
    ] = "",
) -> StartedBatchAnswer:
    """Create a batch from the files of a form, or from tracks of the library. It is tagged later."""
    address = allowed_webhook(webhook, server.settings)
    server.batches.check(server.queue)
    folder = server.tracks.new_folder()
    with ExitStack() as on_failure:
        on_failure.callback(server.tracks.remove_folder, folder)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
            asked = await asyncio.to_thread(BatchRequest.from_json, await server.uploads.receive_json(request))
            server.batches.refuse_count(len(asked.tracks) + len(asked.paths))
            sounds = await asyncio.to_thread(library_of(request).sounds, asked.tracks, asked.paths)
            files = [BatchFile(name_of(sound), sound) for sound in sounds]
        else:
            with server.batches.arriving(declared_bytes(request), server) as count:
                uploads = await server.uploads.receive_many(request, folder, count)
            files = [BatchFile(upload.name, upload.path, upload.size_bytes) for upload in uploads]
            server.batches.refuse_count(len(files))
        batch = server.batches.add(server, files, folder, address)
        on_failure.pop_all()
    place = f"{server.settings.root_path}/v1/batches/{batch.id}"
    return StartedBatchAnswer(id=batch.id, of=len(files), events=f"{place}/events", results=f"{place}/results")


@batches_router.get("/{identifier}", summary="Read the state of a batch")
async def read_batch(identifier: BatchIdentifier, server: AServer) -> BatchAnswer:
    """Return how many sounds of a batch are done."""
    batch = server.batches.get(identifier)
    return BatchAnswer(id=batch.id, state=batch.state, done=batch.done, failed=batch.failed, of=len(batch.files))


@batches_router.get(
    "/{identifier}/events", summary="Follow a batch", responses=BATCH_EVENTS, response_class=StreamingResponse
)
async def follow_batch(identifier: BatchIdentifier, server: AServer) -> StreamingResponse:
    """Stream the newest event and those after it: `progress`, and last `done` or `failed`."""
    return event_response(server.batches.get(identifier).events)


@batches_router.get(
    "/{identifier}/results",
    summary="Read the results of a batch",
    responses=BATCH_RESULTS,
    response_class=Response,
)
async def read_batch_results(request: Request, identifier: BatchIdentifier, server: AServer) -> Response:
    """Return one line of JSON for each sound that is done, in the order in which they were done.

    Clients that accept text first, as browsers do, get the lines as `text/plain`.
    """
    content = await asyncio.to_thread(server.batches.get(identifier).read_results)
    as_text = request.headers.get("accept", "").lstrip().startswith("text/")
    return Response(content, headers={"Vary": "Accept"}, media_type="text/plain" if as_text else "application/x-ndjson")


@batches_router.delete("/{identifier}", status_code=204, summary="Remove a batch")
async def remove_batch(identifier: BatchIdentifier, server: AServer) -> None:
    """Stop a batch and remove its results."""
    server.batches.remove(server.batches.get(identifier))
