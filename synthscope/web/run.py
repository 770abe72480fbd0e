"""Serve an application on a socket of this machine."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import Future
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from synthscope.errors import SynthscopeError
from synthscope.runtime.files import reason
from synthscope.web.limits import Limits

_GRACE = 5  # seconds that requests in work have once the server is stopped


class Impatient(H11Protocol):
    """HTTP, on connections that are closed when no request begins on them in time."""

    header_seconds = Limits().header_seconds

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start to wait."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self.loop.call_later(self.header_seconds, self._lose_patience)

    def _lose_patience(self) -> None:
        if self.cycle is None:
            self.transport.close()


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens; ``port`` 0 = any that is free.

    Raises:
        SynthscopeError: The address is taken or not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise SynthscopeError(
            f"Expected to listen on {host} port {port}, got: {reason(error).lower()}. Choose another --port."
        ) from error


def serve(listening: socket.socket, app: ASGIApp, needs: Future[Any] | None = None) -> None:
    """Answer requests until a signal comes.

    Args:
        listening: Of :func:`bound`.
        app: What answers.
        needs: Something that is still being made; should that fail, serving ends.

    Raises:
        SynthscopeError: What ``needs`` failed with.
    """
    server = uvicorn.Server(configured(app))

    def stop_if_failed(done: Future[Any]) -> None:
        server.should_exit = server.should_exit or done.exception() is not None

    if needs is not None:
        needs.add_done_callback(stop_if_failed)
    server.run([listening])
    if needs is not None and needs.done() and (error := needs.exception()):
        raise error


def configured(app: ASGIApp) -> uvicorn.Config:
    """How uvicorn serves: it trusts no proxy, logs no names of files, and tells no one what it is."""
    return uvicorn.Config(
        app, http=Impatient,  # type: ignore[arg-type]
        ws="none", lifespan="on", log_level="warning", access_log=False, proxy_headers=False,
        server_header=False, timeout_graceful_shutdown=_GRACE,
    )  # fmt: skip
