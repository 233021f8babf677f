"""Faults on the way to an upstream: no answer to a SYN, names that are slow or move, certificates that prove nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from faults.claims import Unplayable, require
from faults.config import CONNECT
from faults.row import AT_ONCE, LATE
from faults.stage import Stage


async def black_hole(stage: Stage) -> str:
    """A SYN that nobody answers."""
    got = await stage.ask("/black_hole")
    require(got.slug != "upstream-unreachable" or got.seconds > 0.1, f"{got} at once: connecting to a full queue is refused here")
    require(got.status in (502, 504), str(got))
    require(got.seconds <= CONNECT + LATE + stage.slack, f"{got} after {got.seconds:.2f} s")
    return f"{got} after {got.seconds:.2f} s"


async def slow_name(stage: Stage) -> str:
    """A name that takes its time keeps nobody waiting who does not ask for it."""
    waiting = asyncio.gather(*(stage.gateway.ask("/slow") for _ in range(10)))
    healthy = [await stage.ask("/sturdy") for _ in range(50)]
    slow = await waiting
    worst = max(one.seconds for one in healthy)
    require(all(one.status == 200 for one in healthy) and worst <= AT_ONCE + stage.slack, f"others wait {worst:.2f} s")
    require(all(one.status in (502, 504) for one in slow), f"the slow one: {slow[0]}")
    require(max(one.seconds for one in slow) <= CONNECT + LATE + stage.slack, f"after {max(one.seconds for one in slow):.2f} s")
    return f"{slow[0]} after {slow[0].seconds:.2f} s; others wait {worst * 1000:.0f} ms at most"


async def moving_name(stage: Stage, within: float = 30.0) -> str:
    """A name with another address is followed."""
    moved = stage.upstreams.moved
    if moved is None:
        raise Unplayable("this machine has no second address (127.0.0.2)")
    require((await stage.ask("/moving")).status == 200, "the name is not found at first")
    stage.move("moving.test", "127.0.0.2")
    began = time.perf_counter()
    while not moved.hits:
        require((await stage.ask("/moving")).status == 200, "a failure while it moves")
        require(time.perf_counter() - began < within + stage.slack, f"not followed within {within:g} s")
        await asyncio.sleep(0.2)
    return f"followed after {time.perf_counter() - began:.0f} s, every answer good"


def certificate(upstream: str, what: str) -> Callable[[Stage], Any]:
    """An upstream that is not trusted, or does not trust us: nothing is asked of it, and nobody is asked in its place."""

    async def play(stage: Stage) -> str:
        server = stage.upstreams.certified.servers.get(upstream)
        if server is None:
            raise Unplayable("certificates are made by trustme, which is not installed")
        hits = server.hits
        got = await stage.ask(f"/{upstream}")
        require(got.status == 502 and server.hits == hits, f"{what}: {got}, {server.hits - hits} calls")
        return f"{what}: {got.status}"

    return play


async def trusted(stage: Stage) -> str:
    """The same with nothing wrong, or the others would show nothing."""
    for name in ("tls_good", "tls_asks"):
        if name not in stage.upstreams.certified.servers:
            raise Unplayable("certificates are made by trustme, which is not installed")
        got = await stage.ask(f"/{name}")
        require(got.status == 200, f"{name}: {got}")
    return "good ones: 200"


async def handshake_hangs(stage: Stage) -> str:
    """A server that accepts, and never says who it is."""
    if "tls_hangs" not in stage.upstreams.certified.servers:
        raise Unplayable("certificates are made by trustme, which is not installed")
    got = await stage.ask("/tls_hangs")
    require(got.status in (502, 504) and got.seconds <= CONNECT + LATE + stage.slack, f"hangs: {got} after {got.seconds:.2f} s")
    return f"hangs: {got.status} after {got.seconds:.2f} s"
