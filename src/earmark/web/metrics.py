"""What a server counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

MEDIA_TYPE = CONTENT_TYPE_LATEST
REQUEST_BUCKETS = (0.005, 0.02, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
ORDER_BUCKETS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 300.0)


class Metrics:
    """One server's counters; labels are few and fixed, never from a request."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.requests = Counter(
            "earmark_requests", "Requests answered.", ("method", "route", "status"), registry=registry
        )
        self.request_seconds = Histogram(
            "earmark_request_seconds",
            "Seconds from a request to the end of its answer.",
            ("route",),
            registry=registry,
            buckets=REQUEST_BUCKETS,
        )
        self.uploaded_bytes = Counter("earmark_uploaded_bytes", "Bytes of sound received.", registry=registry)
        self.places = Gauge("earmark_places", "Sounds being uploaded, waiting or listened to.", registry=registry)
        self.waiting = Gauge("earmark_waiting", "Sounds that wait for a listener.", registry=registry)
        self.listening = Gauge("earmark_listening", "Sounds being listened to.", registry=registry)
        self.refused = Counter("earmark_refused", "Sounds refused because the queue was full.", registry=registry)
        self.orders = Counter("earmark_orders", "Sounds listened to.", ("want", "outcome"), registry=registry)
        self.order_seconds = Histogram(
            "earmark_order_seconds",
            "Seconds that a listener took for a sound.",
            ("want",),
            registry=registry,
            buckets=ORDER_BUCKETS,
        )
        self.heard_seconds = Counter("earmark_heard_seconds", "Seconds of sound listened to.", registry=registry)
        self.restarts = Counter(
            "earmark_listener_restarts", "Listeners started in place of others that ended.", registry=registry
        )
        self.tracks = Gauge("earmark_tracks", "Tracks that are kept.", registry=registry)

    def text(self) -> bytes:
        """All of them in Prometheus' text form."""
        return generate_latest(self.registry)
