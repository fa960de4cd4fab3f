"""The metrics of a server, for Prometheus, and the middleware that counts requests."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MEDIA_TYPE = CONTENT_TYPE_LATEST
REQUEST_BUCKETS = (0.005, 0.02, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
JOB_BUCKETS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 300.0)
OTHER = "other"
"""The label of unknown routes and methods, so that nothing from a request becomes a label."""
METHODS = frozenset(("GET", "HEAD", "POST", "DELETE"))


class Metrics:
    """The metrics of one server. The values of all labels are known beforehand and never come from a request."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.requests = Counter(
            "earmark_requests", "Requests answered.", ("method", "route", "status"), registry=registry
        )
        self.request_seconds = Histogram(
            "earmark_request_seconds",
            "Seconds from a request to the end of its response.",
            ("route",),
            registry=registry,
            buckets=REQUEST_BUCKETS,
        )
        self.uploaded_bytes = Counter("earmark_uploaded_bytes", "Bytes of sound received.", registry=registry)
        self.uploads = Gauge("earmark_uploads", "Sounds being uploaded.", registry=registry)
        self.slots = Gauge("earmark_places", "Sounds waiting or analysed.", registry=registry)
        self.waiting = Gauge("earmark_waiting", "Sounds waiting for a worker process.", registry=registry)
        self.running = Gauge("earmark_listening", "Sounds being analysed.", registry=registry)
        self.refused = Counter("earmark_refused", "Sounds refused because the queue was full.", registry=registry)
        self.jobs = Counter("earmark_orders", "Sounds analysed.", ("want", "outcome"), registry=registry)
        self.job_seconds = Histogram(
            "earmark_order_seconds",
            "Seconds that a worker process took for a sound.",
            ("want",),
            registry=registry,
            buckets=JOB_BUCKETS,
        )
        self.sound_seconds = Counter("earmark_heard_seconds", "Seconds of sound analysed.", registry=registry)
        self.restarts = Counter(
            "earmark_listener_restarts", "Worker processes started in place of others that ended.", registry=registry
        )
        self.tracks = Gauge("earmark_tracks", "Tracks that the server keeps.", registry=registry)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class MetricsMiddleware:
    """Counts and times requests by their routes (ASGI)."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on to the application and count it."""
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
