"""The application: its routes and middleware, and the problems that errors become."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

from fastapi import FastAPI, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.staticfiles import StaticFiles

from earmark import __version__
from earmark.tagging.tagger import Tagger
from earmark.web import live, problems, routes
from earmark.web.library import ServedLibrary
from earmark.web.library import router as library_router
from earmark.web.metrics import Metrics, MetricsMiddleware
from earmark.web.problems import MEDIA_TYPE, Problem, ProblemError
from earmark.web.schemas import FAILURES, with_problems
from earmark.web.security import SECURITY_HEADERS, AccessMiddleware
from earmark.web.server import running
from earmark.web.settings import ServerSettings

DESCRIPTION = "Tags sounds with a model, and explains when and why each tag was found."
CLIENT_DISCONNECTED = 499
"""The status of a request whose client has disconnected, as proxies log it; no client receives it."""


def make_app(settings: ServerSettings, tagger: Tagger, library: Path | None = None) -> FastAPI:
    """Return an application (ASGI) that tags sounds with a model, and searches a library if one is given.

    Its worker processes and its private folder exist from its start to its end (lifespan). Raises LibraryError if the
    file is no library.
    """
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running(settings, tagger, metrics) as server:
            app.state.server = server
            yield

    app = FastAPI(
        title="earmark",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # FastAPI's pages of documentation load scripts from other hosts
        redoc_url=None,
        responses=FAILURES,
    )
    app.state.library = ServedLibrary(library, tagger.card) if library is not None else None
    app.include_router(routes.open_router)
    # This only describes the token in the OpenAPI document: the middleware checks it.
    token = [Security(HTTPBearer(auto_error=False, description="The server's token."))] if settings.token else []
    for router in (
        routes.service_router,
        routes.sounds_router,
        routes.tracks_router,
        library_router,
        live.router,
    ):
        app.include_router(router, dependencies=token)
    app.mount("/page", StaticFiles(directory=routes.PAGE_FOLDER), name="page")
    openapi = app.openapi
    app.openapi = lambda: with_problems(openapi())  # type: ignore[method-assign]
    answer_errors(app)
    app.add_middleware(AccessMiddleware, settings=settings)
    app.add_middleware(MetricsMiddleware, metrics=metrics)
    return app


def answer_errors(app: FastAPI) -> None:
    """Make an application answer every error with a problem."""

    @app.exception_handler(ProblemError)
    async def answer_problem(request: Request, error: ProblemError) -> Response:
        del request
        return _response(error.problem, error.headers)

    @app.exception_handler(HTTPException)
    async def answer_status(request: Request, error: HTTPException) -> Response:
        del request
        return _response(_of_status(error.status_code), error.headers or {})

    @app.exception_handler(RequestValidationError)
    async def answer_parameters(request: Request, error: RequestValidationError) -> Response:
        del request
        wrong = [
            {"where": ".".join(str(part) for part in each["loc"]), "what": str(each["msg"])} for each in error.errors()
        ]
        return _response(problems.wrong_parameters(wrong), {})

    @app.exception_handler(ClientDisconnect)
    async def answer_nobody(request: Request, error: ClientDisconnect) -> Response:
        del request, error
        return Response(status_code=CLIENT_DISCONNECTED)

    @app.exception_handler(OSError)
    async def answer_full_disk(request: Request, error: OSError) -> Response:
        del request
        problem = problems.write_failed(error)
        if problem == problems.UNFORESEEN:
            raise error
        return _response(problem, {})

    @app.exception_handler(Exception)
    async def answer_unforeseen(request: Request, error: Exception) -> Response:
        del request, error  # the server logs the error with its traceback
        return _response(problems.UNFORESEEN, SECURITY_HEADERS)


def _response(problem: Problem, headers: Mapping[str, str]) -> Response:
    return JSONResponse(problem.to_dict(), problem.status, dict(headers), MEDIA_TYPE)


def _of_status(status: int) -> Problem:
    """Return the problem of an HTTP status that FastAPI raises."""
    if status == HTTPStatus.NOT_FOUND:
        return problems.NO_SUCH_ADDRESS
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return problems.WRONG_METHOD
    return problems.other_status(status, HTTPStatus(status).phrase)
