"""The server: one page, one way to inspect a file, and what it tells of itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from fastapi import FastAPI, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from starlette.types import ASGIApp

from synthscope import __version__
from synthscope.inspection.evidence import Evidence
from synthscope.inspection.examine import examine
from synthscope.web.asked import Asked
from synthscope.web.body import read_body
from synthscope.web.confined import Examine
from synthscope.web.limits import Limits
from synthscope.web.manual import manual
from synthscope.web.meters import Metered, Meters
from synthscope.web.places import Places
from synthscope.web.problems import ErrorBody, Problem, add_problems
from synthscope.web.security import Guard
from synthscope.web.worker import Workers

_STATIC = Path(str(files("synthscope.web") / "static"))
_ASSETS = Path(str(files("synthscope.inspection.page") / "assets"))
_STATUSES: dict[int | str, dict[str, object]] = {
    status: {"model": ErrorBody} for status in (400, 403, 408, 413, 415, 422, 500, 503)
}
_BODY = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"format": "binary"}}}}}


class Health(BaseModel):
    """That the server lives, and whether it can answer yet."""

    status: Literal["ok"] = "ok"
    ready: bool  # detectors are loaded
    detectors: list[str] = []  # name@first 8 digits of the weights' sha256
    body_bytes: int  # of the largest file that is taken


def create_app(
    asked: Future[Asked], limits: Limits | None = None, *, hosts: Iterable[str] = (), examine: Examine = examine
) -> ASGIApp:
    """The application, with its guards around it.

    Args:
        asked: Detectors, perhaps still being loaded; inspections wait for them.
        limits: What is taken in.
        hosts: Further names under which requests may come, beside those of the loopback.
        examine: What decodes, in processes of its own.
    """
    limits = limits or Limits()
    places = Places(limits)
    meters = Meters(lambda: places.waiting)
    workers: list[Workers] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        workers.append(Workers(limits, examine, meters.restarts.inc))
        yield
        workers.pop().close()

    app = FastAPI(title="synthscope", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    add_problems(app)
    _add_inspect(app, asked, limits, places, workers)
    _add_pages(app, asked, limits, meters)
    return Metered(Guard(app, hosts), meters)


def _add_inspect(app: FastAPI, asked: Future[Asked], limits: Limits, places: Places, workers: list[Workers]) -> None:
    one_at_a_time = asyncio.Lock()  # detectors use all cores

    @app.post("/v1/inspect", response_model=Evidence, responses=_STATUSES, openapi_extra=_BODY)
    async def inspect(
        request: Request,
        name: Annotated[str, Query(max_length=255, description="What to call the file.")] = "image",
        format: Annotated[Literal["json", "html"], Query(description="html: a page that can be saved.")] = "json",
        private: Annotated[bool, Query(description="Also tell prompts, places and serial numbers.")] = False,
        twin: Annotated[bool, Query(description="Also heatmaps of networks with random weights.")] = False,
    ) -> Response:
        """Say what can be said of one file, the body: an answer, how stable it is, heatmaps, provenance."""
        async with places.place():
            body = await read_body(request, limits)
            inspector = await asyncio.shield(asyncio.wrap_future(asked))
            async with places.turn():
                if await request.is_disconnected():
                    raise Problem(HTTPStatus.BAD_REQUEST, "Expected somebody to wait for the answer, got nobody.")
                examined = await asyncio.to_thread(workers[0].examine, body, name, private=private)
                del body
                changes = {"private": private, "twin": twin}
                async with one_at_a_time:
                    if format == "html":
                        return HTMLResponse(await asyncio.to_thread(inspector.as_page, examined, **changes))
                    content = await asyncio.to_thread(inspector.as_json, examined, **changes)
                    return Response(content, media_type="application/json")


def _add_pages(app: FastAPI, asked: Future[Asked], limits: Limits, meters: Meters) -> None:
    app.mount("/static", StaticFiles(directory=_STATIC))
    app.mount("/assets", StaticFiles(directory=_ASSETS))

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(_STATIC / "index.html")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(manual(app.openapi()))

    @app.get("/healthz")
    async def healthz() -> Health:
        """Say that the server lives, also while detectors are being loaded."""
        ready = asked.done() and not asked.cancelled() and asked.exception() is None
        names = [one.id for one in asked.result().detectors] if ready else []
        return Health(ready=ready, detectors=names, body_bytes=limits.body_bytes)

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Count requests by status, their seconds, the queue and restarts of workers, for Prometheus."""
        return Response(generate_latest(meters.registry), media_type=CONTENT_TYPE_LATEST)
