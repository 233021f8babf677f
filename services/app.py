"""Composition: the endpoints of one service, its switches, and the door around both."""

from __future__ import annotations

from typing import cast

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
    room = _ROOMS[name]
    state = ServiceState(usual=room.USUAL_LATENCY)
    app = FastAPI(title=name, description=room.__doc__ or "", redirect_slashes=False)
    app.state.service = state
    app.add_exception_handler(RequestValidationError, _refuse)
    app.include_router(room.router)
    app.include_router(switches.router)
    return Door(app, state)


async def _refuse(_: Request, error: Exception) -> JSONResponse:
    # The framework's own handler echoes the input, and fails itself on one that JSON cannot say (NaN, broken UTF-8).
    complaints = cast(RequestValidationError, error).errors()
    told = [{key: complaint[key] for key in ("type", "loc", "msg")} for complaint in complaints]
    return JSONResponse({"detail": told}, status_code=422)
