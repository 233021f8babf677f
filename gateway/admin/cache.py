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
from gateway.app import Gateway
from gateway.caching import Counts, Hot
from gateway.caching.clock import now
from gateway.caching.tally import Tallied, TalliesState
from gateway.running import RunningState

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
        "upstreams": [{"name": name, **_tallied(sums)} for name, sums in state.tallies.upstreams().items()],
        "endpoints": _endpoints(state.tallies),
        "hottest": [_hot(hot) for hot in state.store.hottest(HOTTEST)],
    }


def _endpoints(tallies: TalliesState) -> list[dict[str, Any]]:
    """Those that keep something: their own answers, or what their calls bring."""
    answers, calls = tallies.answers(), tallies.calls()
    return [
        {
            "name": name,
            "answers": _tallied(answers[name]) if name in answers else None,
            "calls": _tallied(calls[name]) if name in calls else None,
        }
        for name in dict.fromkeys([*answers, *calls])
    ]


def _tallied(sums: Tallied) -> dict[str, Any]:
    return {**sums._asdict(), "hit_rate": sums.rate}


def _hot(hot: Hot) -> dict[str, Any]:
    """The key that purges it, which what is kept by a reply's `Vary` has in common with others, and what it is of. No tag: it may be a name."""
    found: dict[str, str] = {}
    for kind, _, name in (scope.partition(":") for scope in hot.scopes):
        found.setdefault(kind, name)
    return {"key": found.get("key", hot.key), "hits": hot.hits, "of": found.get("upstream") or found.get("endpoint")}


def _tier(counts: Counts) -> dict[str, Any]:
    return {**counts._asdict(), "hit_rate": Tallied(hits=counts.hits, misses=counts.misses).rate}
