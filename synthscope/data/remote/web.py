"""Files of web servers. A redirect leads neither out of HTTP nor to an address inside a private network."""

from __future__ import annotations

import time
from functools import partial
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from ipaddress import IPv6Address, ip_address
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urljoin, urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from synthscope.data.bombs import Refused
from synthscope.data.remote.stores import TIMEOUT, Source

FIRST = 2**16  # bytes that are read with a file's size: headers of images, and most small ones whole
WITHOUT_PARTS = 2**25  # bytes of a file that are kept where a server reads none in pieces
DEADLINE = 300.0  # seconds for one request, however slowly the bytes drip
MOST_REDIRECTS = 5
_REDIRECTS = {301, 302, 303, 307, 308}
_BLOCK = 2**18


def web(url: str) -> Source:
    """A file of ``https://`` or ``http://``."""
    status, total, head = _get(url, 0, FIRST)
    if status == 200:
        return Source(len(head), lambda start, size: head[start : start + size])

    def read(start: int, size: int) -> bytes:
        if start + size <= len(head):
            return head[start : start + size]
        return _get(url, start, size)[2]

    return Source(total, read)


def _get(url: str, start: int, size: int) -> tuple[int, int, bytes]:
    """Status, bytes of the whole file, and some or, with status 200, all of them."""
    end = time.monotonic() + DEADLINE
    try:
        with _answer(url, {"Range": f"bytes={start}-{start + size - 1}"}) as answer:
            if answer.status == 206:
                span, _, total = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
                if span.partition("-")[0] != str(start) or not total.isdecimal():
                    raise Refused("an answer of other bytes than were asked for")
                return 206, int(total), _drain(answer, min(size, int(total) - start), end)
            data = _drain(answer, WITHOUT_PARTS + 1, end)
    except HTTPError as error:
        if error.code == 404:
            raise FileNotFoundError(url) from error
        if error.code == 416:  # there is no first byte
            return 200, 0, b""
        raise
    if start or len(data) > WITHOUT_PARTS:
        raise Refused(f"a server that reads no parts of files, and more than {WITHOUT_PARTS} bytes")
    return 200, len(data), data


def _answer(url: str, headers: dict[str, str]) -> HTTPResponse:
    """The answer at the end of all redirects."""
    opener, url = _opener(urlsplit(url).hostname), url.partition("#")[0]
    for _ in range(1 + MOST_REDIRECTS):
        headers = {"User-Agent": "synthscope", "Accept-Encoding": "identity", **headers}
        try:
            request = Request(url, headers=headers)  # noqa: S310  (the opener knows HTTP alone)
            return opener.open(request, timeout=TIMEOUT)  # type: ignore[no-any-return]
        except HTTPError as error:
            error.close()
            if error.code not in _REDIRECTS or not (target := error.headers.get("Location")):
                raise
        allowed = ("https",) if url.startswith("https:") else ("https", "http")
        url = urljoin(url, target).partition("#")[0]
        if urlsplit(url).scheme not in allowed:
            raise Refused(f"a redirect to something else than {' or '.join(allowed)}")
    raise Refused(f"more than {MOST_REDIRECTS} redirects")


def _drain(answer: HTTPResponse, most: int, end: float) -> bytes:
    told = answer.headers.get("Content-Length")
    wanted = min(most, int(told)) if told and told.isdecimal() else None
    data = bytearray()
    while len(data) < most and (block := answer.read(min(_BLOCK, most - len(data)))):
        data += block
        if time.monotonic() > end:
            raise TimeoutError(f"no end of the file after {DEADLINE:g} s")
    if wanted is not None and len(data) < wanted:
        raise ConnectionError("connection lost")
    return bytes(data)


class _Guarded(HTTPConnection):
    """Says nothing to a private address that the URL did not name itself; a proxy decides for itself."""

    def __init__(self, *arguments: Any, named: str | None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._named = named

    def connect(self) -> None:
        """Looks at the address after the name was resolved, so that a name cannot change its meaning in between."""
        super().connect()
        address = ip_address(self.sock.getpeername()[0])
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        if self.host.lower() != self._named and not (mapped or address).is_global:
            self.close()
            raise Refused(f"a redirect to {self.host}, which is in a private network")


class _GuardedTLS(_Guarded, HTTPSConnection):
    pass


class _Plain(HTTPHandler):
    connection: Any

    def http_open(self, req: Request) -> HTTPResponse:
        return self.do_open(self.connection, req)


class _Secure(HTTPSHandler):
    connection: Any

    def https_open(self, req: Request) -> HTTPResponse:
        return self.do_open(self.connection, req)


def _opener(named: str | None) -> OpenerDirector:
    opener, proxies, plain, secure = OpenerDirector(), ProxyHandler(), _Plain(), _Secure()
    given = proxies.proxies  # type: ignore[attr-defined]
    plain.connection = HTTPConnection if "http" in given else partial(_Guarded, named=named)
    secure.connection = HTTPSConnection if "https" in given else partial(_GuardedTLS, named=named)
    for handler in (proxies, plain, secure, HTTPDefaultErrorHandler(), HTTPErrorProcessor()):
        opener.add_handler(handler)
    return opener
