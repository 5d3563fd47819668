"""Errors over HTTP: `application/problem+json` (RFC 9457), in words that a person can act on."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from glioray.errors import DataError, GliorayError, ModelError, UnreadableError
from glioray.serving.visit import visit_of

MEDIA_TYPE = "application/problem+json"
CLIENT_GONE = 499  # nobody reads it; the access log tells it from an error of ours
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Problem:
    """What went wrong with a request; plain data, so that it may cross processes."""

    status: int
    title: str
    detail: str
    retry_after_s: int | None = None


class ProblemError(Exception):
    """Ends a request with a problem."""

    def __init__(self, status: int, title: str, detail: str, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.problem = Problem(status, title, detail, retry_after_s)

    @classmethod
    def of(cls, problem: Problem) -> ProblemError:
        """A problem that came as a value."""
        return cls(problem.status, problem.title, problem.detail, problem.retry_after_s)


def come_back(title: str, cause: str, what: str, wait_s: int) -> ProblemError:
    """503 with the seconds after which to send a request, or a volume, again."""
    return ProblemError(503, title, f"{cause}. Send the {what} again in {wait_s} s.", wait_s)


def described(texts: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """What a call refuses with, by status, as FastAPI takes it for the description."""
    return {status: {"description": text, "content": {MEDIA_TYPE: {}}} for status, text in texts.items()}


def problem_of(error: GliorayError) -> Problem:
    """What an error of ours means to the client; its text is the detail."""
    for kind, status, title in (
        (UnreadableError, 400, "The image cannot be read"),
        (ModelError, 422, "The image does not fit the model"),
        (DataError, 422, "The image cannot be prepared"),
    ):
        if isinstance(error, kind):
            return Problem(status, title, str(error))
    return Problem(500, "The service is not set up right", str(error))


def response(problem: Problem, request: Request) -> Response:
    """The problem as it is sent; `instance` is the path that was asked, `request_id` is found in the access log."""
    visit = visit_of(request.scope)
    content = {
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": request.url.path,
        **({} if visit is None else {"request_id": visit.request_id}),
    }
    wait = problem.retry_after_s
    headers = {} if wait is None else {"Retry-After": str(wait)}
    return JSONResponse(content, problem.status, headers, MEDIA_TYPE)


def install(api: FastAPI) -> None:
    """Every error of the API leaves as a problem."""

    @api.exception_handler(ProblemError)
    async def _ours(request: Request, error: ProblemError) -> Response:
        return response(error.problem, request)

    @api.exception_handler(GliorayError)
    async def _known(request: Request, error: GliorayError) -> Response:
        return response(problem_of(error), request)

    @api.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        lines = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        return response(Problem(422, "The request has a wrong value", "; ".join(lines)), request)

    @api.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        title = HTTPStatus(error.status_code).phrase
        detail = str(error.detail) if error.detail != title else f"{request.method} {request.url.path}: see /docs"
        answer = response(Problem(error.status_code, title, detail), request)
        answer.headers.update(error.headers or {})
        if methods := _methods(request) if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED else []:
            answer.headers["Allow"] = ", ".join(methods)
        return answer

    @api.exception_handler(ClientDisconnect)
    async def _gone(request: Request, error: ClientDisconnect) -> Response:
        del request, error
        return Response(status_code=CLIENT_GONE)

    @api.exception_handler(Exception)
    async def _unknown(request: Request, error: Exception) -> Response:
        logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return response(Problem(500, "Something went wrong here", "The cause is in the log of the service."), request)


def _methods(request: Request) -> list[str]:
    """All that the API describes for a path; Starlette names those of the first route alone."""
    path = getattr(request.scope.get("route"), "path", None)
    return sorted(method.upper() for method in request.app.openapi()["paths"].get(path, ()))
