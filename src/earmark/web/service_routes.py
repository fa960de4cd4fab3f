"""The server itself: its health, its counters, its models, and the page."""

from pathlib import Path

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse

from earmark import __version__
from earmark.web.answers import HealthAnswer, LimitsAnswer, ModelAnswer, TagNameAnswer
from earmark.web.metrics import MEDIA_TYPE
from earmark.web.server import AServer

router = APIRouter(tags=["service"])
open_router = APIRouter(tags=["service"])
"""What is answered without the token."""

PAGE_FOLDER = Path(__file__).with_name("page")


@open_router.get("/", include_in_schema=False)
async def index() -> FileResponse:
    """The page."""
    return FileResponse(PAGE_FOLDER / "index.html", media_type="text/html")


@open_router.get("/health", summary="Whether the server is there")
async def health(server: AServer) -> HealthAnswer:
    """Answers at once, with the limits that a sound has to keep to."""
    settings = server.settings
    return HealthAnswer(
        status="ok",
        model=server.tagger.card.name,
        version=__version__,
        limits=LimitsAnswer(
            max_megabytes=settings.max_megabytes, max_minutes=settings.max_minutes, keep_minutes=settings.keep_minutes
        ),
    )


@router.get(
    "/metrics",
    summary="Counters for Prometheus",
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    response_class=Response,
)
async def metrics(server: AServer) -> Response:
    """What the server has done, in Prometheus' text form."""
    return Response(server.metrics.text(), headers={"Content-Type": MEDIA_TYPE})


@router.get("/v1/models", summary="The model")
async def models(server: AServer) -> list[ModelAnswer]:
    """The model that this server listens with: its tags, scales and levels, licence and hashes."""
    card = server.tagger.card
    return [
        ModelAnswer(
            name=card.name,
            labels=[TagNameAnswer(label=tag.label, group=tag.group) for tag in card.tags],
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
