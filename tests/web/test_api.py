"""What the server answers: the evidence of an inspection, problems in a sentence, and its own state."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from starlette.testclient import TestClient

from synthscope.errors import SynthscopeError
from synthscope.inspection.evidence import Evidence
from synthscope.inspection.examine import examine
from synthscope.inspection.inspect import inspect_image
from synthscope.web.app import create_app
from synthscope.web.asked import Asked
from synthscope.web.limits import Limits
from tests.web.conftest import ONE_WORKER, encoded, loaded

Clients = Callable[..., TestClient]
LOCAL = "http://127.0.0.1:8765"


@pytest.fixture(scope="module")
def client(asked: Asked) -> Iterator[TestClient]:
    with TestClient(create_app(loaded(asked), ONE_WORKER), base_url=LOCAL) as client:
        yield client


ALSO = {"twin": "true", "private": "true"}


def without_files(evidence: Evidence) -> Evidence:
    bare = tuple(one.model_copy(update={"raw": None, "overlay": None}) for one in evidence.heatmaps)
    return evidence.model_copy(update={"heatmaps": bare})


def test_evidence_is_that_of_the_command_line(client: TestClient, asked: Asked) -> None:
    data = encoded()
    here = inspect_image(examine(data, "a b.jpg"), asked.detectors, asked.settings).evidence
    first, second = (client.post("/v1/inspect?name=folder%2Fa%20b.jpg", content=data) for _ in range(2))
    assert first.status_code == 200 and first.content == second.content
    assert without_files(Evidence.model_validate_json(first.content)) == here


def test_heatmaps_come_with_it(client: TestClient) -> None:
    (heatmap,) = client.post("/v1/inspect", content=encoded()).json()["heatmaps"]
    overlay, raw = (base64.b64decode(heatmap[key].partition(",")[2]) for key in ("overlay", "raw"))
    with Image.open(io.BytesIO(overlay)) as image:
        assert (image.size, image.mode) == ((200, 150), "RGBA")
    with np.load(io.BytesIO(raw)) as arrays:
        assert arrays["heat"].shape == (150, 200) and arrays["heat"].dtype == np.float16


def test_twins_and_private_words_are_told_on_demand(client: TestClient) -> None:
    text = PngInfo()
    text.add_text("parameters", "a secret garden\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 200x150")
    data = encoded(kind="PNG", pnginfo=text)
    plain, asked_for = (client.post("/v1/inspect", params=more, content=data).json() for more in ({}, ALSO))
    assert [one["detector"].endswith("random weights") for one in asked_for["heatmaps"]] == [False, True]
    assert len(plain["heatmaps"]) == 1
    told = [json.dumps(one["provenance"]) for one in (plain, asked_for)]
    assert ["a secret garden" in words for words in told] == [False, True]


def test_a_page_shows_names_as_text(client: TestClient) -> None:
    name = "<img src=x onerror=alert(1)>.jpg"
    response = client.post("/v1/inspect", params={"name": name, "format": "html"}, content=encoded())
    assert response.headers["content-type"].startswith("text/html")
    assert response.text.count("<article") == 1
    assert "<img src=x" not in response.text and "&lt;img src=x" in response.text
    assert 'src="data:image/jpeg;base64,' in response.text


def test_a_page_shows_metadata_as_text(client: TestClient) -> None:
    texts, exif, script = PngInfo(), Image.Exif(), "<script>alert(1)</script>"
    for key in ("parameters", "prompt", "Software", script):
        texts.add_text(key, script)
    exif[0x010F] = exif[0x0131] = script
    for data in (encoded(0, "PNG", pnginfo=texts), encoded(0, "JPEG", exif=exif)):
        page = client.post("/v1/inspect?format=html", content=data)
        assert page.status_code == 200 and "<script>alert" not in page.text


@pytest.mark.parametrize("content", [b"<svg onload=alert(1)>", b"<!DOCTYPE html><script>alert(1)</script>", b"GIF89a"])
def test_what_is_no_image_is_answered_as_such(client: TestClient, content: bytes) -> None:
    response = client.post("/v1/inspect?name=a.jpg", content=content)
    assert response.status_code == 200
    assert response.json()["answer"] == "not applicable" and response.json()["detectors"] == []


def problem(client: TestClient, status: int, words: str, **request: object) -> None:
    response = client.request("POST", "/v1/inspect", **request)  # type: ignore[arg-type]
    assert response.status_code == status
    assert list(response.json()) == ["error"]
    assert words in response.json()["error"]


def test_wrong_requests_are_told_in_a_sentence(client: TestClient) -> None:
    problem(client, 400, "an empty body", content=b"")
    problem(client, 415, "got a form", files={"file": encoded()})
    problem(client, 422, "query.name", params={"name": "a" * 256}, content=encoded())
    problem(client, 422, "query.format", params={"format": "pdf"}, content=encoded())


@pytest.mark.parametrize("announced", [True, False])
def test_a_file_above_the_limit_is_refused(asked: Asked, announced: bool) -> None:
    with TestClient(create_app(loaded(asked), Limits(workers=1, body_bytes=1000)), base_url=LOCAL) as client:
        content = b"x" * 1001 if announced else iter([b"x" * 500, b"x" * 501])
        problem(client, 413, "at most 0.001 MB", content=content)
        problem(client, 413, "at most", content=b"x", headers={"content-length": "-1"})
        assert client.post("/v1/inspect", content=b"x" * 1000).status_code == 200


def test_the_page_is_there_before_the_detectors(asked: Asked) -> None:
    loading: Future[Asked] = Future()
    with TestClient(create_app(loading, ONE_WORKER), base_url=LOCAL) as client:
        assert client.get("/").status_code == 200
        assert client.get("/healthz").json()["ready"] is False
        loading.set_result(asked)
        assert client.get("/healthz").json()["detectors"] == [asked.detectors[0].id]
        assert client.post("/v1/inspect", content=encoded()).status_code == 200


def test_detectors_that_cannot_be_loaded_are_told() -> None:
    loading: Future[Asked] = Future()
    loading.set_exception(SynthscopeError("Expected a detector, got none. Choose one."))
    with TestClient(create_app(loading, ONE_WORKER), base_url=LOCAL) as client:
        problem(client, 500, "Choose one.", content=encoded())


def test_an_error_of_the_program_shows_nothing_of_it(asked: Asked) -> None:
    broken = loaded(Asked((None,), asked.settings))  # type: ignore[arg-type]
    app = create_app(broken, ONE_WORKER)
    with TestClient(app, base_url=LOCAL, raise_server_exceptions=False) as client:
        response = client.post("/v1/inspect", content=encoded())
    assert response.status_code == 500
    assert list(response.json()) == ["error"] and "NoneType" not in response.text
    assert response.headers["content-security-policy"]


def test_meters_count_by_status(client: TestClient) -> None:
    def of(name: str) -> float:
        found = re.search(rf"^{re.escape(name)} (\S+)$", client.get("/metrics").text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    before = of('synthscope_requests_total{status="404"}')
    client.get("/nope")
    assert of('synthscope_requests_total{status="404"}') == before + 1
    assert of("synthscope_queue_length") == 0 and of("synthscope_worker_restarts_total") == 0
    assert of("synthscope_request_seconds_count") > 0


def test_the_manual_tells_every_operation_and_loads_nothing_from_elsewhere(client: TestClient) -> None:
    schema, text = client.get("/openapi.json").json(), client.get("/docs").text
    for path in schema["paths"]:
        assert path in text
    assert set(re.findall(r'(?:src|href)="([^"]*)"', text)) <= {
        "data:,", "/", "/openapi.json", "/assets/page.css", "/static/app.css",
    }  # fmt: skip
    answer = schema["paths"]["/v1/inspect"]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer == {"$ref": "#/components/schemas/Evidence"}
    assert json.dumps(schema["components"]["schemas"]["Evidence"]["properties"]["answer"])
