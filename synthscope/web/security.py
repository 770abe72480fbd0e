"""Which requests are answered, and what a browser may do with the answers.

A page elsewhere can make a browser send requests here, under this machine's name or, with a name server of its own,
under another (DNS rebinding). So the name must be one of ours, and what changes anything must come from our own page.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from synthscope.web.problems import told

LOCAL = ("localhost", "127.0.0.1", "::1")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
_READING = ("GET", "HEAD")


class Guard:
    """ASGI middleware: refuses foreign names and origins, and puts ``HEADERS`` on everything."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str] = ()) -> None:
        """Let requests to ``app`` through that call it by one of ``hosts`` or a name of the loopback."""
        self.app = app
        self.hosts = {*LOCAL, *(host.strip("[]").lower() for host in hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand on."""
        if scope["type"] != "http":  # the start and the end of the server; it has no web sockets
            await self.app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        if refused := self._refused(scope["method"], Headers(scope=scope)):
            await told(403, refused)(scope, receive, send_guarded)
        else:
            await self.app(scope, receive, send_guarded)

    def _refused(self, method: str, headers: Headers) -> str:
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or _name(f"//{host}") not in self.hosts:
            return "Expected a request to a name of this server, got another. Start it with --allow-host NAME."
        if method in _READING:
            return ""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        ours = origin is None or origin.lower() in {f"{scheme}://{host}".lower() for scheme in ("http", "https")}
        if not ours or site not in ("same-origin", "none"):
            return "Expected a request of this server's own page, got one of another. Open the page itself."
        return ""


def _name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname  # lower case, without brackets and port
    except ValueError:
        return None
