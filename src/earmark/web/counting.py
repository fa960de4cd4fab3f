"""Counts what is answered."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from earmark.web.metrics import Metrics

OTHER = "other"
"""The route of what has none, so that nobody's addresses become labels."""
METHODS = frozenset(("GET", "HEAD", "POST", "DELETE"))


class Counted:
    """Stands before all else (ASGI) and counts requests by their routes."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        status = "500"

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        finally:
            route = getattr(scope.get("route"), "path", OTHER)
            method = scope["method"] if scope["method"] in METHODS else OTHER
            self._metrics.requests.labels(method, route, status).inc()
            self._metrics.request_seconds.labels(route).observe(time.monotonic() - started)
