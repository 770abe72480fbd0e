"""What a server tells of itself to Prometheus: counts and seconds, nothing of any file."""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SECONDS = (0.01, 0.1, 0.5, 1, 2, 5, 10, 20, 60)


class Meters:
    """Of one server."""

    def __init__(self, waiting: Callable[[], int]) -> None:
        """Begin at zero; ``waiting`` says how many files wait now."""
        self.registry = CollectorRegistry()
        self.requests = Counter("synthscope_requests", "Requests answered.", ["status"], registry=self.registry)
        self.seconds = Histogram(
            "synthscope_request_seconds", "From the header of a request to the end of its answer.",
            buckets=_SECONDS, registry=self.registry,
        )  # fmt: skip
        self.restarts = Counter(
            "synthscope_worker_restarts", "Processes that a file crashed or that were killed.", registry=self.registry
        )
        queue = Gauge("synthscope_queue_length", "Files on their way or waiting.", registry=self.registry)
        queue.set_function(waiting)


class Metered:
    """ASGI middleware that counts every request, also those that are refused."""

    def __init__(self, app: ASGIApp, meters: Meters) -> None:
        """Count what ``app`` answers."""
        self.app, self.meters = app, meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, and count."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_counted)
        finally:
            self.meters.requests.labels(str(status)).inc()
            self.meters.seconds.observe(time.perf_counter() - began)
