"""An image API on this machine that is busy, broken, lavish and hostile."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from synthscope.errors import SynthscopeError, UsageError
from synthscope.generation import post
from synthscope.generation.classes import imagenet_classes
from synthscope.generation.contract import Permission
from synthscope.generation.plan import class_orders
from synthscope.generation.prompts import template
from synthscope.generation.run import Report, generate
from synthscope.generation.saving import png
from synthscope.generation.spec import open_generator

ORDERS = class_orders(imagenet_classes()[:1], [template("a {name}", "blur")], train=3, val=0, seed=0)
FILE = png(np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8))
IMAGE = json.dumps({"data": [{"b64_json": base64.b64encode(FILE).decode(), "revised_prompt": "a fish"}]}).encode()
Reply = tuple[int, dict[str, str], bytes]


class Server:
    """Answers requests with what is in ``replies``, the last one for ever."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        self.replies: list[Reply] = [(200, {}, IMAGE)]
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                server.asked.append((self.path, dict(self.headers), body))
                status, headers, data = server.replies.pop(0) if len(server.replies) > 1 else server.replies[0]
                self._answer(status, headers, data)

            def do_GET(self) -> None:
                server.asked.append((self.path, dict(self.headers), None))
                self._answer(200, {}, FILE)

            def _answer(self, status: int, headers: dict[str, str], data: bytes) -> None:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(data)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *arguments: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.place = f"http://127.0.0.1:{self.http.server_port}"


Run = Callable[..., Report]


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.http.serve_forever, daemon=True)
    thread.start()
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Of requests, which are not waited for."""
    slept: list[float] = []
    monkeypatch.setattr(post.time, "sleep", slept.append)
    return slept


@pytest.fixture
def run(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("SECRET", "k-123\n")

    def go(options: str = "", max_cost: float = 0) -> Report:
        permission = Permission(max_cost=max_cost)
        spec = f"http:{server.place}/v1/images?model=draw-1&key=SECRET&size=16x16{options}"
        return generate(ORDERS, [open_generator(spec, permission)], tmp_path, permission=permission)

    return go


def test_images_come_as_they_are_with_what_the_api_says(server: Server, run: Run, tmp_path: Path) -> None:
    assert run("&seed=on&quality=high").made == 3
    path, headers, body = server.asked[0]
    assert path == "/v1/images" and headers["Authorization"] == "Bearer k-123"
    assert 0 <= body.pop("seed") < 2**31
    assert body == {
        "model": "draw-1", "size": "16x16", "quality": "high", "response_format": "b64_json", "n": 1,
        "prompt": "a tench\nAvoid: blur",
    }  # fmt: skip
    row = pl.read_parquet(tmp_path / "prompts.parquet").row(0, named=True)
    assert (tmp_path / row["path"]).read_bytes() == FILE
    assert row["model"] == "draw-1" and json.loads(row["details"])["revised_prompt"] == "a fish"
    kept = "".join(path.read_text() for path in [tmp_path / "generate.json", *(tmp_path / "record").iterdir()])
    assert "k-123" not in kept


def test_a_busy_server_is_asked_again_when_it_says(server: Server, run: Run, pauses: list[float]) -> None:
    server.replies[:0] = [(429, {"Retry-After": "7"}, b"slow down"), (500, {}, b""), (503, {}, b"")]
    assert run().made == 3
    assert pauses[0] == 7 and 1 <= pauses[1] <= 3 and 2 <= pauses[2] <= 6
    assert len(server.asked) == 6


def test_a_server_that_stays_busy_ends_the_run_and_the_next_goes_on(
    server: Server, run: Run, pauses: list[float]
) -> None:
    server.replies = [(200, {}, IMAGE), (500, {}, b"oh no")]
    with pytest.raises(SynthscopeError, match=r"answer from 127.0.0.1, got status 500, asked 6 times. Run again later"):
        run()
    assert len(pauses) == 5
    server.replies = [(200, {}, IMAGE)]
    server.asked.clear()
    assert run().made == 3 and len(server.asked) == 2


def test_a_server_that_wants_hours_is_not_waited_for(server: Server, run: Run, pauses: list[float]) -> None:
    server.replies = [(429, {"Retry-After": "7200"}, b"")]
    with pytest.raises(SynthscopeError, match="got status 429, which asks to wait for 7200 s"):
        run()
    assert not pauses


def test_costs_are_counted_before_they_arise(server: Server, run: Run, tmp_path: Path) -> None:
    with pytest.raises(SynthscopeError, match="costs of at most 0.1 in all, got 0.08 so far and 0.04 .*--max-cost"):
        run("&cost=0.04", max_cost=0.1)
    assert len(server.asked) == 2
    with pytest.raises(SynthscopeError, match="at most 0.1 in all, got 0.08"):
        run("&cost=0.04", max_cost=0.1)
    assert len(server.asked) == 2, "what was paid before counts"
    assert run("&cost=0.04", max_cost=0.12).made == 3
    assert pl.read_parquet(tmp_path / "prompts.parquet")["cost"].to_list() == [0.04] * 3


@pytest.mark.parametrize(
    "reply",
    [b"<html>", b"{}", b"[]", b'{"data": []}', b'{"data": [{"b64_json": "!"}]}', b'{"data": [{"b64_json": "aGk="}]}',
     b'{"data": [{"url": 7}]}', b'{"data": [{"url": "http://[oops"}]}', b"[" * 100_000],
)  # fmt: skip
def test_garbage_is_asked_for_again_and_then_a_row_with_an_error(
    server: Server, run: Run, tmp_path: Path, reply: bytes
) -> None:
    server.replies = [(200, {}, IMAGE), (200, {}, reply)]
    report = run("&cost=1", max_cost=7)
    assert (report.made, report.failed) == (1, 2)
    told = pl.read_parquet(tmp_path / "prompts.parquet")
    assert told["error"].str.starts_with("the API answered with no image").sum() == 2
    assert told["cost"].to_list() == [1, 3, 3] and len(server.asked) == 7


def test_a_prompt_that_is_refused_is_told_and_other_mistakes_end_the_run(
    server: Server, run: Run, tmp_path: Path
) -> None:
    refusal = json.dumps({"error": {"message": "Rejected by our safety system"}}).encode()
    server.replies = [(400, {}, refusal)] * 3 + [(200, {}, IMAGE)]
    assert run().failed == 0
    assert pl.read_parquet(tmp_path / "prompts.parquet")["rejected"].count() == 3
    (tmp_path / "record" / "shard-0-of-1.jsonl").unlink()
    server.replies = [(401, {}, b'{"error": {"message": "wrong key\\u001b[2J"}}')]
    with pytest.raises(SynthscopeError, match=r"got status 401: wrong key \[2J. Check the key in SECRET"):
        run()
    server.replies = [(400, {}, b'{"error": "unknown size"}')]
    with pytest.raises(SynthscopeError, match="got status 400: unknown size"):
        run()


def test_only_the_host_that_was_named_is_asked(server: Server, run: Run, tmp_path: Path) -> None:
    server.replies = [(200, {}, json.dumps({"data": [{"url": f"{server.place}/a.png"}]}).encode())]
    assert run("&answer=url").made == 3
    assert server.asked[0][2]["response_format"] == "url"
    path, headers, body = server.asked[1]
    assert path == "/a.png" and "Authorization" not in headers and body is None
    (tmp_path / "record" / "shard-0-of-1.jsonl").unlink()
    for address in ("http://127.0.0.1:1/a.png", "http://example.org/a.png", "file://127.0.0.1/etc/passwd"):
        server.replies = [(200, {}, json.dumps({"data": [{"url": address}]}).encode())]
        with pytest.raises(SynthscopeError, match="which nobody named. Ask for the image itself by answer=b64_json"):
            run("&answer=url")
    server.replies = [(307, {"Location": f"{server.place}/v2"}, b"")]
    with pytest.raises(SynthscopeError, match="got status 307"):
        run("&answer=url")


def test_an_answer_without_end_is_refused(server: Server, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post, "MOST", 1000)
    server.replies = [(200, {}, b"x" * 1001)]
    with pytest.raises(SynthscopeError, match="answer of at most 1000 bytes, got more"):
        run()


def test_nobody_there_is_one_sentence(pauses: list[float], tmp_path: Path) -> None:
    generator = open_generator("http:http://127.0.0.1:1/v1?model=m", Permission())
    with pytest.raises(SynthscopeError, match="answer from 127.0.0.1, got connection refused, asked 6 times"):
        generate(ORDERS, [generator], tmp_path)


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("http:ftp://x/v1?model=m", "address such as https"),
        ("http:https://x/v1?model=m&answer=gif", "answer=b64_json or url or none, got 'gif'"),
        ("http:https://x/v1?model=m&cost=-1", "cost as a number from 0"),
        ("http:https://x/v1?model=m&key=NOT_SET_HERE", "environment variable NOT_SET_HERE, got none"),
        ("htp:https://x", "name of a generator, got 'htp'. Did you mean http"),
        ("https//x", "GENERATOR:TARGET, got 'https//x' without a generator"),
        ("http:", "target after http:"),
    ],
)
def test_wrong_specs_are_told(spec: str, sentence: str) -> None:
    with pytest.raises((UsageError, SynthscopeError), match=sentence):
        open_generator(spec, Permission())


def test_a_generator_may_be_a_function_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from tests.generation.tiny import Noise\n\ndef noise(target, permission, *, batch='1'):\n"
        "    return Noise(target, int(batch))\n"
    )
    generator = open_generator(f"{tmp_path / 'mine.py'}:noise:loud?batch=3", Permission())
    assert (generator.name, generator.batch) == ("loud", 3)
