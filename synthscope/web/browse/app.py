"""The server of the browser: its page, the list of images, and what is known of each."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import ASGIApp

from synthscope.errors import UnreadableImageError
from synthscope.tables.answers import answer
from synthscope.web.browse import pictures
from synthscope.web.browse.collection import Collection
from synthscope.web.browse.collection import Query as Listed
from synthscope.web.problems import Problem, add_problems
from synthscope.web.security import Guard

LARGE = 1280  # longest side in pixels
_STATIC = Path(str(files("synthscope.web.browse") / "static"))
Side = Annotated[int, Query(ge=16, le=2048)]


def create_browser(collection: Collection) -> ASGIApp:
    """The application. It reads files of the collection alone, which requests name by number."""
    app = FastAPI(title="synthscope browse", docs_url=None, redoc_url=None)
    add_problems(app)
    app.mount("/static", StaticFiles(directory=_STATIC))
    _add_lists(app, collection)
    _add_pictures(app, collection)
    return Guard(app)


def _add_lists(app: FastAPI, collection: Collection) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(_STATIC / "index.html")

    @app.get("/api/about")
    def about() -> dict[str, Any]:
        """What can be filtered by."""
        subsets = collection.images["subset"].drop_nulls().unique(maintain_order=True).to_list()
        choices = {name: collection.choices(name) for name in ("detector", "view", "condition")}
        return {"name": collection.name, "images": collection.images.height, "subset": subsets, **choices}

    @app.get("/api/images")
    def images(query: Annotated[Listed, Query()]) -> dict[str, Any]:
        """Images that match, in order."""
        table = collection.rows(query)
        shown = table.slice(query.offset, query.limit)
        return {
            "matching": table.height,
            "wrong": int(table["wrong"].sum()),
            "images": [_short(row) for row in shown.iter_rows(named=True)],
        }

    @app.get("/api/images/{number}")
    def image(number: int) -> dict[str, Any]:
        """Everything that is known of an image."""
        row = _image(collection, number)
        heatmaps = pictures.heatmap_rows(collection, row["path"])
        try:
            marked = pictures.regions(collection, row["path"], row["sha256"])
        except UnreadableImageError as error:
            raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
        return row | {
            "answers": _answers(collection, number),
            "regions": marked,
            "heatmaps": [{name: one[name] for name in ("detector", "explainer", "condition")} for one in heatmaps],
        }


def _add_pictures(app: FastAPI, collection: Collection) -> None:
    conditions = {"none", *collection.choices("condition")}

    async def made(work: Any, *given: Any, kind: str) -> Response:
        try:
            return Response(await asyncio.to_thread(work, *given), media_type=kind)
        except UnreadableImageError as error:
            raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error

    @app.get("/picture/{number}")
    async def picture(number: int, condition: str = "none", side: Side = LARGE) -> Response:
        """An image, as it is or under a condition of the run."""
        if condition not in conditions:
            raise Problem(
                HTTPStatus.NOT_FOUND, "Expected a condition of this run, got another. Choose one of the list."
            )
        return await made(pictures.picture, _image(collection, number)["path"], condition, side, kind="image/jpeg")

    @app.get("/heatmap/{number}/{place}")
    async def heatmap(number: int, place: int, side: Side = LARGE) -> Response:
        """A heatmap of an image, to lay over it."""
        path = _image(collection, number)["path"]
        rows = pictures.heatmap_rows(collection, path)
        if not 0 <= place < len(rows):
            raise Problem(
                HTTPStatus.NOT_FOUND, "Expected a heatmap of this image, got another number. Open the image again."
            )
        return await made(pictures.heatmap, collection, path, rows[place], side, kind="image/png")


def _image(collection: Collection, number: int) -> dict[str, Any]:
    if not 0 <= number < collection.images.height:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            f"Expected an image from 0 to {collection.images.height - 1}, got {number}. Use the list.",
        )
    return collection.images.row(number, named=True)


def _short(row: dict[str, Any]) -> dict[str, Any]:
    names = ("number", "label", "subset", "answer", "wrong", "logit", "error")
    return {name: row[name] for name in names} | {"name": Path(row["path"]).name}


def _answers(collection: Collection, number: int) -> list[dict[str, Any]]:
    if collection.predictions is None:
        return []
    rows = collection.predictions.filter(number=number)
    rows = rows.unique(["detector", "view", "condition"], maintain_order=True)
    rows = rows.with_columns(answer=answer())
    return rows.select("detector", "view", "condition", "logit", "p_ai", "answer", "error").to_dicts()
