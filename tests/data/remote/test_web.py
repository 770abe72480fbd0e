"""Web servers: parts, servers without parts, redirects into private networks, sizes and time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from synthscope.data.bombs import Refused
from synthscope.data.remote import patience, permission, web
from synthscope.data.remote.reading import open_elsewhere
from synthscope.data.remote.stores import Source

DATA = bytes(range(256)) * 1000


class Handler(BaseHTTPRequestHandler):
    """What a path says: a file with or without parts, a redirect, a failure, half a file."""

    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        name, _, rest = self.path.lstrip("/").partition("/")
        if name == "to":
            return self._say(302, Location=rest)
        if name == "status":
            return self._say(int(rest) if self.asked.count(self.path) == 1 or rest == "404" else 200, DATA[:10])
        if name == "half":
            return self._say(200, DATA[:100], length=1000)
        given = self.headers.get("Range")
        if name == "parts" and given:
            first, last = map(int, given.removeprefix("bytes=").split("-"))
            part = DATA[first : last + 1]
            return self._say(206, part, **{"Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(DATA)}"})
        return self._say(200, DATA)

    def _say(self, status: int, data: bytes = b"", length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for key, value in {"Content-Length": str(len(data) if length is None else length), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("0.0.0.0", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permission, "_granted", {""})
    monkeypatch.setattr(patience.time, "sleep", lambda seconds: None)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    Handler.asked.clear()


def read(url: str) -> bytes:
    with open_elsewhere(url) as file:
        return file.read()


def test_a_file_is_read_whole_or_in_parts(port: int) -> None:
    for name in ("parts", "whole"):
        assert read(f"http://127.0.0.1:{port}/{name}/a.jpg") == DATA
    with open_elsewhere(f"http://127.0.0.1:{port}/parts/a.tar#100000+50/x.jpg") as file:
        file.seek(7)
        assert file.read() == DATA[100007:100050]


def test_servers_without_parts_are_read_up_to_a_bound(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "WITHOUT_PARTS", len(DATA) - 1)
    with pytest.raises(Refused, match="a server that reads no parts of files, and more than"):
        read(f"http://127.0.0.1:{port}/whole/a.jpg")
    assert len(Handler.asked) == 1


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("file:///etc/passwd", "a redirect to something else than https or http"),
        ("ftp://127.0.0.1/x", "a redirect to something else"),
        ("http://127.0.0.2:{port}/whole/a", "a redirect to 127.0.0.2, which is in a private network"),
        ("http://[::ffff:127.0.0.1]:{port}/whole/a", "in a private network"),
        ("http://localhost:{port}/whole/a", "a redirect to localhost, which is in a private network"),
        ("/to//to//to//to//to//to//to//whole/a", "more than 5 redirects"),
    ],
)
def test_a_redirect_into_a_private_network_or_another_protocol_is_refused(port: int, target: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        read(f"http://127.0.0.1:{port}/to/{target.format(port=port)}")
    assert not [path for path in Handler.asked if path.startswith("/whole")]


def test_a_redirect_at_the_server_that_the_url_names_is_followed(port: int) -> None:
    assert read(f"http://127.0.0.1:{port}/to//whole/a") == DATA


def test_https_does_not_lead_to_http(monkeypatch: pytest.MonkeyPatch) -> None:
    from email.message import Message
    from urllib.error import HTTPError

    class Opener:
        def open(self, request: object, timeout: float) -> object:
            headers = Message()
            headers["Location"] = "http://example.org/a"
            raise HTTPError("https://example.org/a", 301, "moved", headers, None)

    monkeypatch.setattr(web, "_opener", lambda named: Opener())
    with pytest.raises(Refused, match="a redirect to something else than https$"):
        read("https://example.org/a")


def test_failures_of_the_server_are_tried_again_and_those_of_the_url_are_not(port: int) -> None:
    for status in (503, 429):
        assert read(f"http://127.0.0.1:{port}/status/{status}") == DATA[:10]
    with pytest.raises(Refused, match="no such file"):
        read(f"http://127.0.0.1:{port}/status/404")
    with pytest.raises(Refused, match="410"):
        read(f"http://127.0.0.1:{port}/status/410")
    assert Handler.asked == ["/status/503"] * 2 + ["/status/429"] * 2 + ["/status/404", "/status/410"]


def test_half_a_file_and_one_that_drips_are_lost_connections(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused, match=rf"\(tried {patience.TRIES} times\)"):
        read(f"http://127.0.0.1:{port}/half/a.jpg")
    monkeypatch.setattr(web, "DEADLINE", -1.0)
    with pytest.raises(Refused, match="no end of the file"):
        read(f"http://127.0.0.1:{port}/whole/a.jpg")


def test_a_file_of_the_hub_is_read_through_its_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from fsspec.implementations.memory import MemoryFileSystem

    system = MemoryFileSystem()
    system.pipe("/datasets/me/set@main/a b.jpg", DATA)
    monkeypatch.setattr(huggingface_hub, "HfFileSystem", lambda: system)
    assert read("hf://datasets/me/set@main/a%20b.jpg") == DATA
    with open_elsewhere("hf://datasets/me/set@main/a b.jpg") as file:
        file.seek(300)
        assert file.read(5) == DATA[300:305]


def test_a_member_behind_the_end_of_its_shard_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from synthscope.data.remote import reading

    monkeypatch.setitem(reading.STORES, "https", lambda url: Source(100, lambda start, size: bytes(size)))
    assert len(read("https://h/a.tar#40+60/x.jpg")) == 60
    with pytest.raises(Refused, match="behind the end of a shard of 100 bytes"):
        read("https://h/a.tar#40+61/x.jpg")
