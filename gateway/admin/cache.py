"""The cache: what it has come to, and purging it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.admin.orders import scope_of
from gateway.admin.reading import read_json
from gateway.admin.running import running
from gateway.app import Gateway
from gateway.caching import Counts, Hot
from gateway.caching.clock import now
from gateway.metrics.reading import Lookups, lookups
from gateway.plan import Plan
from gateway.running import RunningState

HOTTEST = 10
"""Keys that are shown."""

Place: TypeAlias = tuple[str, str | None]
"""An endpoint, and the upstream that its calls go to; None for its own answers."""


def routes(gateway: Gateway) -> Sequence[Route]:
    """What there is of the cache on the admin side."""

    async def show(_: Request) -> Response:
        """Says what the cache of the process that answers has come to."""
        state = running(gateway)
        found = lookups(await asyncio.to_thread(state.metrics.take()))
        return JSONResponse(described(state, gateway.plans, found))

    async def purge(request: Request) -> Response:
        """Purges everything of a key, an endpoint, an upstream or a tag, in all processes that share the cache."""
        board, order = running(gateway).board, await read_json(request)
        scope = scope_of(order, gateway.spec.upstreams, [f"{plan.method} {plan.path}" for plan in gateway.plans])
        board.tell(scope, now())
        return JSONResponse({"purged": scope, "told": await board.told()})

    return [Route("/api/cache", show), Route("/api/cache/purge", purge, methods=["POST"])]


def described(state: RunningState, plans: Iterable[Plan], found: Mapping[Place, Lookups]) -> dict[str, Any]:
    """What the cache has come to since the process began."""
    at = {place: found.get(place, Lookups()) for place in _places(plans)}
    upstreams = dict.fromkeys(upstream for _, upstream in at if upstream)
    return {
        "process": os.getpid(),
        "stores": [_tier(counts) for counts in state.store.counts()],
        "upstreams": [
            {"name": name, **_told(one for (_, upstream), one in at.items() if upstream == name)} for name in upstreams
        ],
        "endpoints": [_endpoint(name, at) for name in dict.fromkeys(endpoint for endpoint, _ in at)],
        "hottest": [_hot(hot) for hot in state.store.hottest(HOTTEST)],
    }


def _places(plans: Iterable[Plan]) -> Iterator[Place]:
    """Where something is kept: an endpoint's own answers, or what its calls to an upstream bring."""
    for plan in plans:
        name = f"{plan.method} {plan.path}"
        if plan.keeping:
            yield name, None
        yield from ((name, recipe.upstream.name) for recipe in plan.recipes if recipe.policies.cache)


def _endpoint(name: str, at: Mapping[Place, Lookups]) -> dict[str, Any]:
    calls = [one for (endpoint, upstream), one in at.items() if endpoint == name and upstream]
    return {
        "name": name,
        "answers": _told([at[name, None]]) if (name, None) in at else None,
        "calls": _told(calls) if calls else None,
    }


def _told(several: Iterable[Lookups]) -> dict[str, Any]:
    found = sum(several, Lookups())
    return {**asdict(found), "hit_rate": found.rate}


def _hot(hot: Hot) -> dict[str, Any]:
    """The key that purges it, which what is kept by a reply's `Vary` has in common with others, and what it is of. No tag: it may be a name."""
    found: dict[str, str] = {}
    for kind, _, name in (scope.partition(":") for scope in hot.scopes):
        found.setdefault(kind, name)
    return {"key": found.get("key", hot.key), "hits": hot.hits, "of": found.get("upstream") or found.get("endpoint")}


def _tier(counts: Counts) -> dict[str, Any]:
    return {**counts._asdict(), "hit_rate": Lookups(counts.hits, misses=counts.misses).rate}
