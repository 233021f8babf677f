"""Problems of routes that are no endpoints: what Starlette asks when one fails, or when there is none."""

from __future__ import annotations

from collections.abc import Mapping
from http.client import responses
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gateway.problem import Problem, of_status


def as_response(problem: Problem) -> Response:
    """The problem as Starlette takes it."""
    headers, body = problem.as_http()
    response = Response(body, problem.status)
    response.raw_headers = headers
    return response


async def _refused(_request: Request, error: Exception) -> Response:
    """Starlette's own 404 and 405 as problems, like everything else, and what a route raises."""
    assert isinstance(error, HTTPException)
    title = responses.get(error.status_code, "Error")
    detail: object = error.detail
    # FastAPI lets a detail be anything; in a problem it is text.
    said = detail if isinstance(detail, str) and detail != title else None
    return as_response(of_status(error.status_code, title, said, error.headers))


async def _bug(_request: Request, _error: Exception) -> Response:
    """A bug in a route: the client learns that it is one, the log has the rest."""
    return as_response(of_status(500, "Internal Server Error"))


HANDLERS: Mapping[Any, Any] = {HTTPException: _refused, Exception: _bug}
"""Of exceptions, by their class."""
