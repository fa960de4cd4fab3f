"""Access: the middleware that checks host names, origins and the token, and adds security headers."""

import hmac
import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from earmark.web import problems
from earmark.web.problems import MEDIA_TYPE, Problem
from earmark.web.settings import ServerSettings

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
OPEN = ("/", "/health", "/openapi.json")
"""Paths that need no token, besides the page's files."""
PAGE = "/page/"
API = "/v1/"


class AccessMiddleware:
    """Refuses requests that are not allowed, and adds security headers to all responses (ASGI)."""

    def __init__(self, app: ASGIApp, settings: ServerSettings) -> None:
        self._app = app
        self._token = settings.token.encode()
        self._hosts = {"localhost", *(name.lower().rstrip(".") for name in settings.allowed_hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on to the application."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-cache" if _is_page(scope["path"]) else "no-store")
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
        path = scope["path"]
        if not self._is_known(headers.get("host", "")):
            return problems.WRONG_HOST
        if (scope["method"] not in ("GET", "HEAD") or path.startswith(API)) and _is_foreign(headers):
            return problems.OTHER_ORIGIN
        if self._token and path not in OPEN and not path.startswith(PAGE):
            given = headers.get("authorization", "")
            kind, _, token = given.partition(" ")
            if kind.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), self._token):
                return problems.no_token(given=bool(given))
        return None

    def _is_known(self, host: str) -> bool:
        """Return whether a Host header is an address or a known name. Only names can be rebound to other servers."""
        name = _name_of(host)
        return name in self._hosts or _is_address(name)


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
    return path == "/" or path.startswith(PAGE)
