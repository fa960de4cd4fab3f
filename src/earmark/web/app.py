"""The application: its routes, the checks of access, and the problems that errors become."""

import hmac
import ipaddress
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from earmark import __version__
from earmark.tagging.tagger import Tagger
from earmark.web import live, problems, routes
from earmark.web.collection import LibraryMap
from earmark.web.collection import router as collection_router
from earmark.web.json_requests import MOST_MISTAKES, wrong_values
from earmark.web.library import ServedLibrary
from earmark.web.library import router as library_router
from earmark.web.metrics import Metrics, MetricsMiddleware
from earmark.web.middleware import (
    CompressionMiddleware,
    HeadMiddleware,
    LingerMiddleware,
    RootPathMiddleware,
    TurnMiddleware,
)
from earmark.web.problem import MEDIA_TYPE, Problem, ProblemError
from earmark.web.schemas import FAILURES, with_problems
from earmark.web.server import running
from earmark.web.settings import ServerSettings
from earmark.web.teaching import Lessons
from earmark.web.teaching import router as teaching_router
from earmark.web.uploads import plain_name

DESCRIPTION = "Tags sounds with a model, and explains when and why each tag was found."
CLIENT_DISCONNECTED = 499
"""The status of a request whose client has disconnected, as proxies log it; no client receives it."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
EXPLORER_POLICY = POLICY.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
"""The policy of the page that shows the API: its viewer sets styles of single elements."""
SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
}
OPEN = ("/", "/docs", "/health", "/openapi.json")
"""Paths that need no token, besides the files of pages."""
PAGES = ("/page/", "/docs/")
API = "/v1/"


def make_app(settings: ServerSettings, tagger: Tagger, library: Path | None = None) -> FastAPI:
    """Return an application (ASGI) that tags sounds with a model, and searches a library if one is given.

    Its worker processes and its private folder exist from its start to its end (lifespan). Raises LibraryError if the
    file is no library.
    """
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.openapi()  # described once, before the first request has to wait for it
        async with running(settings, tagger, metrics) as server:
            app.state.server = server
            yield

    app = FastAPI(
        title="earmark",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # FastAPI's own pages load scripts from other hosts
        redoc_url=None,
        responses=FAILURES,
        generate_unique_id_function=lambda route: route.name,
        dependencies=[Depends(refuse_unknown_parameters)],
    )
    app.state.settings = settings
    app.state.library = ServedLibrary(library, tagger.card) if library is not None else None
    app.state.live = None
    app.state.library_map, app.state.lessons = LibraryMap(), Lessons()
    app.include_router(routes.open_router)
    # This only describes the token in the OpenAPI document: the middleware checks it.
    token = [Security(HTTPBearer(auto_error=False, description="The server's token."))] if settings.token else []
    for router in (
        routes.service_router,
        routes.sounds_router,
        routes.tracks_router,
        routes.batches_router,
        library_router,
        collection_router,
        teaching_router,
        live.router,
    ):
        app.include_router(router, dependencies=token)
    app.mount("/page", StaticFiles(directory=routes.PAGE_FOLDER), name="page")
    app.mount("/docs", StaticFiles(directory=routes.EXPLORER_FOLDER), name="explorer")
    describe = app.openapi

    def describe_once() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = with_problems(describe())
        return app.openapi_schema

    app.openapi = describe_once  # type: ignore[method-assign]
    answer_errors(app)
    app.add_middleware(AccessMiddleware, settings=settings)
    app.add_middleware(MetricsMiddleware, metrics=metrics)
    app.add_middleware(CompressionMiddleware)
    app.add_middleware(HeadMiddleware)
    app.add_middleware(LingerMiddleware)
    app.add_middleware(RootPathMiddleware, root_path=settings.root_path)
    app.add_middleware(TurnMiddleware, root_path=settings.root_path)
    return app


async def refuse_unknown_parameters(request: Request) -> None:
    """Raise ProblemError (422) if the query has a parameter that the address does not know, or one of them twice.

    Pages take any parameters, as others add some to links.
    """
    addresses = request.app.openapi()["paths"]
    path = request.scope["route"].path
    if not request.query_params or path not in addresses:
        return
    described = addresses[path].get(request.method.lower(), {})
    known = {each["name"]: each["schema"] for each in described.get("parameters", ()) if each["in"] == "query"}
    given = [name for name, _ in request.query_params.multi_items()]
    mistakes = (
        {
            "where": f"query.{plain_name(name)}",
            "what": "Found it twice, expected it once"
            if name in known
            else f"Found an unknown parameter, expected {', '.join(known) or 'none'}",
        }
        for name in dict.fromkeys(given)
        if name not in known or (given.count(name) > 1 and known[name].get("type") != "array")
    )
    wrong = list(islice(mistakes, MOST_MISTAKES))
    if wrong:
        raise ProblemError(problems.wrong_parameters(wrong))


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
        return _response(wrong_values(error.errors()), {})

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


class AccessMiddleware:
    """Refuses requests that are not allowed, and adds security headers to all responses (ASGI)."""

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self._app = app
        self._token = settings.token.strip().encode()
        self._hosts = {"localhost", *(name.lower().rstrip(".") for name in settings.allowed_hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on to the application."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if _path_of(scope) == "/docs":
                    headers["Content-Security-Policy"] = EXPLORER_POLICY
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-cache" if _is_page(_path_of(scope)) else "no-store")
            await send(message)

        problem = self._refusal(scope)
        if problem is None:
            await self._app(scope, receive, send_with_headers)
            return
        headers = {"WWW-Authenticate": 'Bearer realm="earmark"'} if problem.status == 401 else {}
        answer = JSONResponse(problem.to_dict(), problem.status, headers, MEDIA_TYPE)
        await answer(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Problem | None:
        headers = Headers(scope=scope)
        path = _path_of(scope)
        if not self._is_known(headers.get("host", "")):
            return problems.WRONG_HOST
        if (scope["method"] not in ("GET", "HEAD") or path.startswith(API)) and _is_foreign(headers):
            return problems.OTHER_ORIGIN
        if self._token and path not in OPEN and not path.startswith(PAGES):
            given = headers.get("authorization", "")
            kind, _, token = given.partition(" ")
            if kind.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), self._token):
                return problems.no_token(given=bool(given))
        return None

    def _is_known(self, host: str) -> bool:
        """Return whether a Host header is an address or a known name. Only names can be rebound to other servers."""
        name = _name_of(host)
        return name in self._hosts or _is_address(name)


def _response(problem: Problem, headers: Mapping[str, str]) -> Response:
    return JSONResponse(problem.to_dict(), problem.status, dict(headers), MEDIA_TYPE)


def _of_status(status: int) -> Problem:
    """Return the problem of an HTTP status that FastAPI raises."""
    if status == HTTPStatus.NOT_FOUND:
        return problems.NO_SUCH_ADDRESS
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return problems.WRONG_METHOD
    return problems.other_status(status, HTTPStatus(status).phrase)


def _path_of(scope: Scope) -> str:
    """Return the path of a request below the root path."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def _name_of(host: str) -> str:
    """Return a Host header without its port."""
    if host.startswith("["):
        return host[1:].rpartition("]")[0]
    return host.partition(":")[0].lower().rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_foreign(headers: Headers) -> bool:
    """Return whether a browser sends a request for a page of another origin. Other programs send no such headers."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    if origin is None:
        return False
    try:
        parts = urlsplit(origin)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return True
    host = headers.get("host", "")
    # A proxy may accept https and pass it on as http, so the schemes are not compared, only their usual ports.
    own = {(_name_of(host), _port_of(host, usual)) for usual in (80, 443)}
    return ((parts.hostname or "").rstrip("."), port) not in own


def _port_of(host: str, usual: int) -> int:
    port = host.rpartition("]")[2].rpartition(":")[2] if ":" in host.rpartition("]")[2] else ""
    return int(port) if port.isascii() and port.isdecimal() else usual


def _is_page(path: str) -> bool:
    return path in ("/", "/docs") or path.startswith(PAGES)
