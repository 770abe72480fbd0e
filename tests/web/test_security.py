"""Requests under foreign names and from foreign pages, and what every answer tells a browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from synthscope.web.app import create_app
from synthscope.web.asked import Asked
from synthscope.web.security import HEADERS
from tests.web.conftest import ONE_WORKER, encoded, loaded


@pytest.fixture(scope="module")
def client(asked: Asked) -> Iterator[TestClient]:
    app = create_app(loaded(asked), ONE_WORKER, hosts=["box.example", "[fe80::1]"])
    with TestClient(app, base_url="http://127.0.0.1:8765") as client:
        yield client


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8765", "127.0.0.1:1", "[::1]:8765", "[::1]", "box.example:8765", "[fe80::1]:1"]
)
def test_own_names_are_answered(client: TestClient, host: str) -> None:
    assert client.get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8765", "evil.example#localhost", "", "[::1",
        "2130706433", "localhost@evil.example", "user@evil.example:80", "127.0.0.1, evil.example",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics", "/static/app.js", "/nope"])
def test_foreign_names_are_refused(client: TestClient, host: str, path: str) -> None:
    response = client.get(path, headers={"host": host})
    assert response.status_code == 403
    assert list(response.json()) == ["error"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://127.0.0.1:8765"}, 200),
        ({"origin": "http://127.0.0.1:8765", "sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"origin": "http://127.0.0.1:3000"}, 403),
        ({"origin": "http://localhost:8765"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
def test_only_the_own_page_may_send_files(client: TestClient, headers: dict[str, str], status: int) -> None:
    assert client.post("/v1/inspect", content=encoded(), headers=headers).status_code == status


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"), ("GET", "/nope"), ("GET", "/docs"), ("GET", "/assets/page.js"), ("DELETE", "/"),
        ("POST", "/v1/inspect"),
    ],
)  # fmt: skip
def test_every_answer_has_the_headers(client: TestClient, method: str, path: str) -> None:
    response = client.request(method, path)
    assert {name: response.headers.get(name) for name in HEADERS} == HEADERS
    assert not [name for name in response.headers if name.startswith("access-control-")]


def test_the_policy_lets_nothing_run_but_own_files() -> None:
    policy = dict(part.strip().split(" ", 1) for part in HEADERS["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in str(policy) and "http" not in str(policy) and "*" not in str(policy)
