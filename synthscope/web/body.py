"""The body of a request, in memory alone: a file is never put on disk on its way."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request

from synthscope.web.limits import MEGABYTE, Limits
from synthscope.web.problems import Problem

_CLOSE = {"connection": "close"}  # after which nothing more of a slow body is read


async def read_body(request: Request, limits: Limits) -> bytes:
    """The bytes of one file.

    Raises:
        Problem: Empty, larger or slower than ``limits`` allow, or a form instead of a file.
    """
    if request.headers.get("content-type", "").startswith("multipart/"):
        advice = "Send it as curl --data-binary @FILE does."
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Expected the file itself as the body, got a form. {advice}")
    too_large = Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"Expected a file of at most {limits.body_bytes / MEGABYTE:g} MB, got a larger one. Make it smaller.",
    )
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > limits.body_bytes:
        raise too_large
    try:
        async with asyncio.timeout(limits.body_seconds):
            body = await _collect(request, limits.body_bytes)
    except TimeoutError:
        sentence = f"Expected the file within {limits.body_seconds:g} seconds, got a part of it. Send it again."
        raise Problem(HTTPStatus.REQUEST_TIMEOUT, sentence, _CLOSE) from None
    except ClientDisconnect:
        raise Problem(HTTPStatus.BAD_REQUEST, "Expected a whole file, got a part of it. Send it again.") from None
    if body is None:
        raise too_large
    if not body:
        raise Problem(HTTPStatus.BAD_REQUEST, "Expected a file, got an empty body. Send the bytes of the file.")
    return body


async def _collect(request: Request, most: int) -> bytes | None:
    body = bytearray()
    async for part in request.stream():
        if len(body) + len(part) > most:
            return None
        body += part
    return bytes(body)
