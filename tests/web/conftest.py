"""A server with a tiny detector, in this process, and one as a command of its own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="synthscope[web] is not installed")

from synthscope.detectors.hub import create_detector
from synthscope.inspection.calibrated import load_calibrated
from synthscope.inspection.inspect import Settings
from synthscope.web.app import create_app
from synthscope.web.asked import Asked
from synthscope.web.limits import Limits
from synthscope.web.run import bound, configured
from tests.inspection.conftest import scene

ONE_WORKER = Limits(workers=1)


def encoded(seed: int = 0, kind: str = "JPEG", **options: Any) -> bytes:
    """A made-up photograph as a file."""
    file = BytesIO()
    Image.fromarray(scene(seed)).save(file, kind, **options)
    return file.getvalue()


def loaded(asked: Asked) -> Future[Asked]:
    future: Future[Asked] = Future()
    future.set_result(asked)
    return future


@pytest.fixture(scope="session")
def asked() -> Asked:
    """A tiny detector without reference photographs, which answers at once."""
    detector = create_detector("cnn_small", name="tiny", options={"width": 4}, input={"crop": 64})
    return Asked((load_calibrated(detector),), Settings(stability=False))


@contextmanager
def serving(app: Any) -> Iterator[int]:
    """The port on which ``app`` is served, by uvicorn in a thread."""
    import uvicorn

    listening = bound("127.0.0.1", 0)
    server = uvicorn.Server(configured(app))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def serve(asked: Asked) -> Iterator[Callable[..., int]]:
    """Start servers with limits and something to decode with; they end with the test."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def start(limits: Limits = ONE_WORKER, **options: Any) -> int:
            return stack.enter_context(serving(create_app(loaded(asked), limits, **options)))

        yield start


def raw(port: int, request: bytes, *, seconds: float = 60) -> bytes:
    """All that comes back for these bytes until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(request)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
