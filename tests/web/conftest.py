"""A server with a tiny detector, in this process, and one as a command of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

pytest.importorskip("fastapi", reason="synthscope[web] is not installed")

import httpx2

import synthscope
from synthscope.detectors.hub import create_detector, save_detector
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


WATCH = """
import os, sys, tempfile
tempfile.gettempdir()  # Python tries the folder out once, for whoever asks first, such as dill, which torch imports
told = os.open(os.environ["WATCHED"], os.O_APPEND | os.O_CREAT | os.O_WRONLY)
def watch(event, given):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        os.write(told, f"{event} {given[1:]}\\n".encode())
    elif event == "open" and isinstance(given[0], (str, bytes)) and given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        if os.fsdecode(given[0]) != os.devnull:
            os.write(told, f"{event} {given[0]!r}\\n".encode())
sys.addaudithook(watch)
"""


class Command(NamedTuple):
    """``synthscope serve`` in a process of its own, with a folder that it could leave something in."""

    url: str
    folder: Path  # home and place of temporary files
    watched: Path  # a line for every connection, and every file opened to be written, of it and its workers

    def post(self, content: bytes, **params: str) -> httpx2.Response:
        """Inspect a file, once the detectors are loaded."""
        return httpx2.post(f"{self.url}/v1/inspect", params=params, content=content, timeout=300)


@pytest.fixture(scope="session")
def command(asked: Asked, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Command]:
    """The command as users run it, watched."""
    root = tmp_path_factory.mktemp("command")
    for name in ("detector", "home", "watch"):
        (root / name).mkdir()
    save_detector(asked.detectors[0].detector, root / "detector")
    (root / "watch" / "sitecustomize.py").write_text(WATCH)
    paths = [str(root / "watch"), str(Path(synthscope.__file__).parents[1])]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1", "WATCHED": str(root / "watched"),
        "HOME": str(root / "home"), "TMPDIR": str(root / "home"),
    }  # fmt: skip
    program = [sys.executable, "-m", "synthscope", "serve", "-d", str(root / "detector"), "--port", "0"]
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, text=True, env=environment, cwd=root / "home"
    ) as process:  # fmt: skip
        assert process.stdout is not None
        yield Command(process.stdout.readline().strip(), root / "home", root / "watched")
        process.terminate()
