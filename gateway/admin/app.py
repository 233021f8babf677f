"""The admin app: subjects behind one entrance, and beside the endpoints' app on one server."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from gateway import __version__
from gateway.admin import cache, live, traces
from gateway.admin.access import Access, Entrance
from gateway.app import Gateway
from gateway.guard import App, Guard, Receive, Scope, Send
from gateway.inbound.request import Refused
from gateway.inbound.strangers import HANDLERS, as_response

Subject: TypeAlias = Callable[[Gateway], Sequence[Route]]

SUBJECTS: Sequence[Subject] = (traces.routes, live.routes, cache.routes)
"""What there is to see and to do, in the order in which `/api` lists it. The first line of a route's docstring says what it is for."""


def make_admin(gateway: Gateway, access: Access) -> App:
    """The admin app of a gateway. It has no lifespan: what it shows is there while the gateway's own app runs."""
    subjects = [route for subject in SUBJECTS for route in subject(gateway)]
    app = Starlette(routes=[*_own(gateway, subjects), *subjects], exception_handlers={**HANDLERS, Refused: _refused})
    # A redirect to the path without its slash would be built from the client's Host.
    app.router.redirect_slashes = False
    return Guard(Entrance(app, access))


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return as_response(error.problem)


def _own(gateway: Gateway, subjects: Sequence[Route]) -> list[BaseRoute]:
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
                "api": [_described(route) for route in subjects],
            }
        )

    return [Route("/livez", live), Route("/api", index)]


def _described(route: Route) -> dict[str, str]:
    method = min((route.methods or {"GET"}) - {"HEAD"})
    return {"method": method, "path": route.path, "summary": (route.endpoint.__doc__ or "").partition("\n")[0]}


class Sides:
    """Two apps on one server, told apart by the port that a connection came in at, which no client can say otherwise."""

    def __init__(self, endpoints: App, admin: App, admin_port: int, leave: Callable[[], None]) -> None:
        self.endpoints = endpoints
        self.admin = admin
        self.admin_port = admin_port
        self.leave = leave
        """Ends what would go on for as long as somebody listens; a server calls it when it is about to stop."""

    def at(self, server: tuple[str, int | None] | None) -> App:
        """The app of the connections that come in at this address; a server that asks has no need to with each request."""
        return self.admin if server and server[1] == self.admin_port else self.endpoints

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Lead to the one or the other; the lifespan is the endpoints'."""
        return self.at(scope.get("server"))(scope, receive, send)
