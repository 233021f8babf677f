"""The upstreams: where their hosts are, and what keeps calls away from them at this moment."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.admin.running import running
from gateway.app import Gateway
from gateway.layers.breaker import Breaker
from gateway.layers.bulkhead import Bulkhead
from gateway.layers.eject import Eject
from gateway.stack import Stack, WaysState
from gateway.states.breaking import BreakerState
from gateway.states.hosts import HostState


def routes(gateway: Gateway) -> Sequence[Route]:
    """What there is of upstreams on the admin side."""

    async def show(_: Request) -> Response:
        """Says what keeps calls away from each upstream, as the process that answers knows it: breakers, permits, health."""
        now = asyncio.get_running_loop().time()
        told = [describe(ways, now) for ways in running(gateway).ways.values()]
        return JSONResponse({"process": os.getpid(), "upstreams": told})

    return [Route("/api/upstreams", show)]


def describe(ways: WaysState, now: float) -> dict[str, Any]:
    """An upstream at a time of the loop. What only its finished calls tell is null."""
    return {
        "name": ways.upstream.name,
        "hosts": [_host(host, ways.stacks[host.url], now) for host in ways.hosts],
        "permits": next(_permits(ways.stack), None),
        "calls": None,
        "errors": None,
        "retries": None,
        "p50_ms": None,
        "p99_ms": None,
    }


def _host(host: HostState, stack: Stack, now: float) -> dict[str, Any]:
    return {
        "url": host.url,
        "breaker": next((_condition(layer.state) for layer in stack.layers if isinstance(layer, Breaker)), None),
        "healthy": host.is_healthy,
        "ejected": any(isinstance(layer, Eject) for layer in stack.layers) and host.is_out(now),
        "in_flight": host.in_flight,
        "latency_ms": None if host.seen is None else round(host.cost * 1000, 3),
    }


def _condition(breaker: BreakerState) -> str:
    """In the words that everybody has for it."""
    return "half-open" if breaker.condition == "probing" else breaker.condition


def _permits(stack: Stack) -> Iterator[dict[str, int]]:
    for layer in stack.layers:
        if isinstance(layer, Bulkhead):
            permits = layer.permits
            yield {"taken": permits.held, "of": permits.limit, "waiting": len(permits.waiting)}
