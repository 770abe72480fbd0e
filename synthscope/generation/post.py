"""One request to one host: no redirects, bounded answers, and patience with servers that are busy."""

from __future__ import annotations

import contextlib
import random
import sys
import time
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPResponse
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from synthscope.errors import SynthscopeError
from synthscope.runtime.files import reason
from synthscope.runtime.told import printable

TRIES = 6
FIRST_PAUSE = 1.0  # seconds; the next ones are twice as long each, all up to half shorter or longer
LONGEST_PAUSE = 120.0  # that a server may ask for
TIMEOUT = 180.0  # seconds without a byte: some models take minutes
DEADLINE = 600.0  # seconds for one answer, however slowly the bytes drip
MOST = 2**26  # bytes of an answer: 48 MB of image in base64
_BUSY = {408, 409, 425, 429, 500, 502, 503, 504, 529}
_BLOCK = 2**18


class Answer(NamedTuple):
    """What a server said in the end."""

    status: int
    body: bytes


def ask(address: str, headers: dict[str, str], body: bytes | None) -> Answer:
    """Send JSON, or read an address where there is no ``body``; ask again while the server is busy.

    Raises:
        SynthscopeError: No answer, a server that stays busy, or more than ``MOST`` bytes.
    """
    host = urlsplit(address).hostname
    headers = {"User-Agent": "synthscope", "Accept-Encoding": "identity", **headers}
    kind = {"Content-Type": "application/json"} if body else {}
    request = Request(address, body, headers | kind)  # noqa: S310  (the opener knows HTTP alone)
    for tried in range(1, TRIES + 1):
        pause = FIRST_PAUSE * 2 ** (tried - 1) * random.uniform(0.5, 1.5)
        try:
            with _opener().open(request, timeout=TIMEOUT) as answer:
                return Answer(answer.status, _drain(answer))
        except HTTPError as error:
            with error:
                if error.code not in _BUSY:
                    return Answer(error.code, error.read(2**16))
                problem, pause = f"status {error.code}", _asked_for(error.headers.get("Retry-After")) or pause
        except (OSError, HTTPException) as error:
            said = getattr(error, "reason", None)
            problem = reason(said if isinstance(said, Exception) else error).lower()
        if pause > LONGEST_PAUSE or tried == TRIES:
            break
        print(f"{printable(host)}: {printable(problem)}; asking again in {pause:.0f} s", file=sys.stderr, flush=True)
        time.sleep(pause)
    wait = f", which asks to wait for {pause:.0f} s" if pause > LONGEST_PAUSE else f", asked {tried} times"
    raise SynthscopeError(f"Expected an answer from {host}, got {problem}{wait}. Run again later to go on.")


def _opener() -> OpenerDirector:
    """Knows HTTP alone, and no redirects: one could lead elsewhere, with the key."""
    opener = OpenerDirector()
    for handler in (ProxyHandler(), HTTPHandler(), HTTPSHandler(), HTTPDefaultErrorHandler(), HTTPErrorProcessor()):
        opener.add_handler(handler)
    return opener


def _drain(answer: HTTPResponse) -> bytes:
    end, data = time.monotonic() + DEADLINE, bytearray()
    while block := answer.read(_BLOCK):
        data += block
        if len(data) > MOST:
            raise SynthscopeError(f"Expected an answer of at most {MOST} bytes, got more. Ask for smaller images.")
        if time.monotonic() > end:
            raise TimeoutError(f"no end of the answer after {DEADLINE:g} s")
    return bytes(data)


def _asked_for(retry_after: str | None) -> float | None:
    """Seconds of a header Retry-After (RFC 9110, 10.2.3), a number or a date."""
    if retry_after is None:
        return None
    with contextlib.suppress(ValueError):
        return max(0.0, float(retry_after))
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    return None
