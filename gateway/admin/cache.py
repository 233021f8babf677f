"""The cache: what it has come to, and purging it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.admin.orders import scope_of
from gateway.admin.reading import read_json
from gateway.admin.running import running
from gateway.app import Gateway, RunningState
from gateway.caching import Counts
from gateway.caching.clock import now

HOTTEST = 10
"""Keys that are shown."""


def routes(gateway: Gateway) -> Sequence[Route]:
    """What there is of the cache on the admin side."""

    async def show(_: Request) -> Response:
        """Says what the cache of the process that answers has come to."""
        return JSONResponse(described(running(gateway)))

    async def purge(request: Request) -> Response:
        """Purges everything of a key, an endpoint, an upstream or a tag, in all processes that share the cache."""
        board, order = running(gateway).board, await read_json(request)
        scope = scope_of(order, gateway.spec.upstreams, [f"{plan.method} {plan.path}" for plan in gateway.plans])
        board.tell(scope, now())
        return JSONResponse({"purged": scope, "told": await board.told()})

    return [Route("/api/cache", show), Route("/api/cache/purge", purge, methods=["POST"])]


def described(state: RunningState) -> dict[str, Any]:
    """What the cache has come to since the process began."""
    return {
        "process": os.getpid(),
        "stores": [_tier(counts) for counts in state.store.counts()],
        "hottest": [{"key": key, "hits": hits} for key, hits in state.store.hottest(HOTTEST)],
    }


def _tier(counts: Counts) -> dict[str, Any]:
    return {**counts._asdict(), "hit_rate": rate(counts.hits, counts.misses)}


def rate(hits: int, misses: int) -> float | None:
    """The share of hits; None where nothing was asked for."""
    return round(hits / (hits + misses), 4) if hits + misses else None
