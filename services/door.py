"""The door of a service: every request comes in here to be counted, delayed, and answered or failed.

Plain ASGI, outside of everything else, because the framework's own middleware hides that a caller has left.
"""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send

from services.chaos import Play
from services.exchange import Exchange
from services.faults import fail
from services.record import Seen, ServiceState
from services.wire import wire_of

UNTOUCHED = frozenset({"/livez", "/_chaos", "/_stats", "/_requests", "/docs", "/redoc", "/openapi.json"})
"""Paths that are no part of what a service is for: not counted, never delayed, never failed."""


class Door:
    """An app around the app of one service."""

    def __init__(self, app: ASGIApp, state: ServiceState) -> None:
        self.app = app
        self.state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request. It is in flight until its answer is complete or its caller has left."""
        if scope["type"] != "http" or scope["path"] in UNTOUCHED:
            await self.app(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send)
        self.state.arrive(_seen(scope))
        try:
            await exchange.hold(self._perform(self.state.next_play(), exchange))
        finally:
            self.state.depart(abandoned=exchange.abandoned)

    async def _perform(self, play: Play, exchange: Exchange) -> None:
        await asyncio.sleep(play.delay)
        if play.failure is None:
            await self.app(exchange.scope, exchange.receive, exchange.send)
        else:
            await fail(play.failure, exchange, self.app)


def _seen(scope: Scope) -> Seen:
    return Seen(
        method=scope["method"],
        target=_target(scope).decode("latin-1"),
        headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]],
    )


def _target(scope: Scope) -> bytes:
    wire = wire_of(scope)
    if wire is not None:
        return wire.target
    query: bytes = scope["query_string"]
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    return path + b"?" + query if query else path
