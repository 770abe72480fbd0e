"""What goes wrong with a request: a status and one sentence, and never more, for whoever sent it."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from synthscope.errors import SynthscopeError


class ErrorBody(BaseModel):
    """The body of every answer other than 200."""

    error: str  # one sentence


class Problem(SynthscopeError):
    """An answer other than 200."""

    def __init__(self, status: HTTPStatus, sentence: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status, self.headers = status, headers or {}


def told(status: int, sentence: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """A problem as a response."""
    return JSONResponse(ErrorBody(error=sentence).model_dump(), status, headers)


def add_problems(app: FastAPI) -> None:
    """Let ``app`` answer in sentences, whatever is raised; what it did not expect it writes to its own stderr."""

    @app.exception_handler(Problem)
    async def of_request(_: Request, error: Problem) -> JSONResponse:
        return told(error.status, str(error), error.headers)

    @app.exception_handler(HTTPException)
    async def of_path(request: Request, error: HTTPException) -> JSONResponse:
        known = "Open / for the page or /docs for the interface."
        sentence = f"Expected a page of this server, got {request.method} of something else. {known}"
        return told(error.status_code, sentence, dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def of_values(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return told(422, f"Expected a valid {where}, got: {first['msg']}. Change the value.")

    @app.exception_handler(SynthscopeError)
    async def of_detectors(_: Request, error: SynthscopeError) -> JSONResponse:
        return told(500, str(error))

    @app.exception_handler(Exception)
    async def of_program(_: Request, error: Exception) -> JSONResponse:
        return told(500, "Expected to inspect the file, got an error in the server. Its terminal says more.")
