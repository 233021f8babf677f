"""The admin app: subjects behind one entrance."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TypeAlias

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway import __version__
from gateway.admin import cache, live, metrics, page, plans, traces, trying, upstreams
from gateway.admin.access import Access, Entrance
from gateway.app import Gateway
from gateway.guard import App, Guard
from gateway.inbound.request import Refused
from gateway.inbound.strangers import HANDLERS, as_response

Subject: TypeAlias = Callable[[Gateway], Sequence[Route]]

SUBJECTS: Sequence[Subject] = (
    metrics.routes,
    traces.routes,
    live.routes,
    upstreams.routes,
    plans.routes,
    cache.routes,
    trying.routes,
)
"""What there is to see and to do, in the order in which `/api` lists it. The first line of a route's docstring says what it is for."""


def make_admin(gateway: Gateway, access: Access, port: int | None = None) -> App:
    """The admin app of a gateway whose endpoints are at this port, if there is to be a word of it. It has no lifespan: what it shows is
    there while the gateway's own app runs.
    """
    subjects = [route for subject in SUBJECTS for route in subject(gateway)]
    app = Starlette(
        routes=[*_own(gateway, subjects, port), *subjects, *page.routes(gateway)],
        exception_handlers={**HANDLERS, Refused: _refused},
    )
    # A redirect to the path without its slash would be built from the client's Host.
    app.router.redirect_slashes = False
    return Guard(Entrance(app, access))


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return as_response(error.problem)


def _own(gateway: Gateway, subjects: Sequence[Route], port: int | None) -> list[BaseRoute]:
    async def live(_: Request) -> Response:
        """The process answers."""
        return JSONResponse({"status": "live"})

    async def index(_: Request) -> Response:
        """What there is, and of which gateway."""
        return JSONResponse(
            {
                "version": __version__,
                "revision": gateway.revision,
                "process": os.getpid(),
                "endpoints": len(gateway.plans),
                "port": port,
                "jaeger": os.environ.get("GATEWAY_JAEGER_URL", "").rstrip("/") or None,
                "api": [_described(route) for route in subjects],
            }
        )

    return [Route("/livez", live), Route("/api", index)]


def _described(route: Route) -> dict[str, str]:
    method = min((route.methods or {"GET"}) - {"HEAD"})
    return {"method": method, "path": route.path, "summary": (route.endpoint.__doc__ or "").partition("\n")[0]}
