"""A server on a socket: slow senders, many of them, files that kill the decoder. It always lives on."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from synthscope.web.limits import Limits
from synthscope.web.run import Impatient
from tests.web.conftest import encoded, raw
from tests.web.hostile import hostile

Serve = Callable[..., int]
HEAD = b"POST /v1/inspect HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\n"


def post(port: int, content: bytes) -> httpx2.Response:
    return httpx2.post(f"http://127.0.0.1:{port}/v1/inspect", content=content, timeout=300)


def lives(port: int) -> bool:
    return post(port, encoded()).status_code == 200


def test_a_slow_body_is_ended_while_others_are_answered(serve: Serve) -> None:
    port = serve(Limits(workers=1, body_seconds=2))
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(raw, port, HEAD + b"a part")
        assert lives(port)
        answer = slow.result()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"within 2 seconds" in answer
    assert lives(port)


def test_a_connection_on_which_no_request_begins_is_closed(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Impatient, "header_seconds", 0.2)
    port = serve()
    assert raw(port, b"POST /v1/inspect HTTP/1.1\r\nhost: local") == b""
    assert raw(port, b"") == b""
    assert lives(port)


def test_a_sender_that_leaves_leaves_nothing_behind(serve: Serve) -> None:
    port = serve(Limits(workers=1, waiting=0))
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(HEAD + b"a part")
    for _ in range(100):  # its place is free again once the server has seen it leave
        if post(port, encoded()).status_code != 503:
            break
    assert lives(port)
    assert "synthscope_queue_length 0.0" in httpx2.get(f"http://127.0.0.1:{port}/metrics").text


def test_fifty_at_once_are_answered_or_asked_to_come_again(serve: Serve) -> None:
    port = serve(Limits(workers=2, waiting=3), examine=hostile)
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: post(port, b"wait"), range(50)))
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {200, 503} and statuses[200] >= 5
    for answer in answers:
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) > 0 and "at most 5 files" in answer.json()["error"]
    assert lives(port)


@pytest.mark.parametrize(("word", "sentence"), [(b"crash", "decoder crashed"), (b"hang", "takes longer")])
def test_a_file_that_stops_the_decoder_stops_nothing_else(serve: Serve, word: bytes, sentence: str) -> None:
    port = serve(Limits(workers=2, examine_seconds=5), examine=hostile)
    with ThreadPoolExecutor(2) as pool:
        broken, whole = pool.submit(post, port, word), pool.submit(post, port, encoded())
        assert broken.result().status_code == 422 and sentence in broken.result().json()["error"]
        assert whole.result().status_code == 200
    assert lives(port)
    assert "synthscope_worker_restarts_total 1.0" in httpx2.get(f"http://127.0.0.1:{port}/metrics").text


@pytest.mark.parametrize(
    "request_",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nx: " + b"x" * 2**20 + b"\r\n\r\n",
        b"GET /static/../../app.py HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        b"GET /static/%2e%2e/app.py HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        b"GET /ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n",
    ],
)
def test_requests_that_are_none_are_refused(serve: Serve, request_: bytes) -> None:
    port = serve()
    try:
        answer = raw(port, request_)
    except ConnectionResetError:  # it did not even read all of it
        answer = b"HTTP/1.1 400 "
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 403 ", b"HTTP/1.1 404 "))
    assert b"Traceback" not in answer and b"def " not in answer
    assert lives(port)
