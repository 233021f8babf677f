"""Endpoints as a part of the FastAPI app: one route for all of them, and a shortcut past everything that stands before it."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Sequence
from http import HTTPStatus
from itertools import takewhile

from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.inbound.paths import Paths


class Endpoints(BaseRoute):
    """The route of every endpoint.

    A route for each costs a regular expression for each, with every request that is somebody else's: 1 ms for a thousand.
    """

    path = "/{path:path}"
    """What tools that list an app's routes read; which endpoint it was stands in the scope, under `route`."""

    def __init__(self) -> None:
        self._paths: Paths[ASGIApp] = Paths(())

    def lead_to(self, entries: Iterable[tuple[str, str, ASGIApp]]) -> None:
        """Lead these methods and paths to these endpoints from now on, and no others."""
        self._paths = Paths(entries)

    def find(self, scope: Scope, path: str) -> tuple[ASGIApp, dict[str, str]] | None:
        """The endpoint for a request, and the parameters of its path with those of where the app is mounted."""
        found = self._paths.find(scope["method"], path)
        if found and (outer := scope.get("path_params")):
            return found[0], {**outer, **found[1]}
        return found

    def at(self, method: str, path: str) -> ASGIApp | None:
        """The endpoint at a path below where the app is mounted."""
        found = self._paths.find(method, path)
        return found[0] if found else None

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether there is an endpoint for the request; partial, if only for other methods. As FastAPI asks its routes."""
        if scope["type"] == "http":
            if found := self.find(scope, _local_path(scope)):
                return Match.FULL, {"endpoint": found[0], "route": found[0], "path_params": found[1]}
            if self._paths.methods(_local_path(scope)):
                return Match.PARTIAL, {"endpoint": self._refuse}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the request answered, or refused for its method."""
        await scope["endpoint"](scope, receive, send)

    async def _refuse(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        """Refuse the method, and name all that something takes at this path; HEAD goes wherever GET does."""
        routes = (one for one in scope["router"].routes if isinstance(one, Route) and one.matches(scope)[0] is not Match.NONE)
        methods = set(self._paths.methods(_local_path(scope))).union(*(route.methods or () for route in routes))
        allowed = sorted(methods | ({"HEAD"} if "GET" in methods else set()))
        raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": ", ".join(allowed)})


class Others:
    """What routes before the endpoints answer."""

    def __init__(self, endpoints: Endpoints, routes: Sequence[BaseRoute]) -> None:
        self._firsts = {_first_segment(route) for route in takewhile(lambda route: route is not endpoints, routes)}
        """First segments of their paths; None among them may be any."""

    def may_want(self, path: str) -> bool:
        """One of them may be meant by this path."""
        return None in self._firsts or path.split("/", 2)[1] in self._firsts


class Shortcut:
    """ASGI in, ASGI out: takes a request to its endpoint at once.

    FastAPI's handling of exceptions, its exit stack and its router would take it there too, for 14 µs. What another route might want
    first goes the long way.
    """

    def __init__(self, app: ASGIApp, endpoints: Endpoints, routes: Sequence[BaseRoute]) -> None:
        self.app = app
        self._endpoints = endpoints
        self._others = Others(endpoints, routes)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Answer, or pass the request on."""
        if scope["type"] != "http":
            return self.app(scope, receive, send)
        path = _local_path(scope)
        found = self._endpoints.find(scope, path)
        if not found or self._others.may_want(path):
            return self.app(scope, receive, send)
        endpoint, parameters = found
        scope["route"] = scope["endpoint"] = endpoint
        scope["path_params"] = parameters
        return endpoint(scope, receive, send)


def _first_segment(route: BaseRoute) -> str | None:
    """The first segment of a route's path; None where it is not plain text."""
    segment: str = getattr(route, "path", "").removeprefix("/").partition("/")[0]
    return None if not segment or "{" in segment else segment


def _local_path(scope: Scope) -> str:
    """The path below where the app is mounted."""
    path: str = scope["path"]
    root = scope.get("root_path", "")
    return path[len(root) :] if root and f"{path}/".startswith(f"{root}/") else path
