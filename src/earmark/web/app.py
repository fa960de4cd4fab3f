"""The application: routes, what stands before them, and what becomes of errors."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Security
from fastapi.security import HTTPBearer
from starlette.staticfiles import StaticFiles

from earmark import __version__
from earmark.tagging.tagger import Tagger
from earmark.web import library_routes, live, service_routes, tag_routes, track_routes
from earmark.web.collection import Collection
from earmark.web.counting import Counted
from earmark.web.failures import answer_failures
from earmark.web.metrics import Metrics
from earmark.web.openapi import FAILURES, with_problems
from earmark.web.security import Guard
from earmark.web.server import running
from earmark.web.settings import ServerSettings

DESCRIPTION = "Brings sounds to a model that tags them, and says when and why each tag was found."


def make_app(settings: ServerSettings, tagger: Tagger, library: Path | None = None) -> FastAPI:
    """An application (ASGI) that listens with a model, and shows a library where one is named.

    Its listeners and its private folder are there from its start to its end (lifespan). Raises LibraryError where the
    file is no library.
    """
    metrics = Metrics()
    collection = Collection(library, tagger.card) if library is not None else None

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running(settings, tagger, collection, metrics) as server:
            app.state.server = server
            yield

    app = FastAPI(
        title="earmark",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # they load their parts from other hosts
        redoc_url=None,
        responses=FAILURES,
    )
    app.include_router(service_routes.open_router)
    # The guard asks for the token; this says so in the description.
    token = [Security(HTTPBearer(auto_error=False, description="The server's token."))] if settings.token else []
    for routes in (service_routes, tag_routes, track_routes, library_routes, live):
        app.include_router(routes.router, dependencies=token)
    app.mount("/page", StaticFiles(directory=service_routes.PAGE_FOLDER), name="page")
    described = app.openapi
    app.openapi = lambda: with_problems(described())  # type: ignore[method-assign]
    answer_failures(app)
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(Counted, metrics=metrics)
    return app
