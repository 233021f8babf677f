"""Two apps on one server. Apart from the admin app, since a server has to know no more of it: a worker begins with importing this."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gateway.guard import App, Receive, Scope, Send


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
