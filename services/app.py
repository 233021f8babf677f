"""Composition: the endpoints of one service, its switches, and the door around both."""

from __future__ import annotations

from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp

from services import catalog, orders, recommendations, switches, users
from services.door import Door
from services.record import ServiceState

_ROOMS = {
    "users": users,
    "orders": orders,
    "catalog": catalog,
    "recommendations": recommendations,
}


def compose(name: str) -> ASGIApp:
    """Give a new service as an ASGI app; `KeyError` for an unknown name."""
    app = _app(name)
    app.state.service = state = ServiceState(usual=_ROOMS[name].USUAL_LATENCY)
    app.include_router(switches.router)
    return Door(app, state)


def describe(name: str) -> dict[str, Any]:
    """Give a service's OpenAPI document without its switches; `KeyError` for an unknown name."""
    return _app(name).openapi()


def _app(name: str) -> FastAPI:
    room = _ROOMS[name]
    app = FastAPI(title=name, description=room.__doc__ or "", redirect_slashes=False)
    app.add_exception_handler(RequestValidationError, _refuse)
    app.include_router(room.router)
    return app


async def _refuse(_: Request, error: Exception) -> JSONResponse:
    # The framework's own handler echoes the input, and fails itself on one that JSON cannot say (NaN, broken UTF-8).
    complaints = cast(RequestValidationError, error).errors()
    told = [{key: complaint[key] for key in ("type", "loc", "msg")} for complaint in complaints]
    return JSONResponse({"detail": told}, status_code=422)
