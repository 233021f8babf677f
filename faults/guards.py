"""Faults that layers are for: upstreams that fail for long, that fail now and then, and that want to be left alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from faults import replies
from faults.claims import require
from faults.config import OPEN
from faults.gateway import Answer, new_client
from faults.proxy import Mode
from faults.row import AT_ONCE, LATE
from faults.stage import Stage

AMPLIFICATION = 1.2
"""Calls to an upstream for each request, at most, when all of them fail."""


async def refused(stage: Stage) -> str:
    """Nobody listens: the breaker opens by the fifth failure, and turns the rest away."""
    await stage.upstreams.proxy.become(Mode.REFUSE)
    failed: list[Answer] = []
    while (got := await stage.ask("/guarded")).status == 502 and len(failed) < 6:
        failed.append(got)
    require(bool(failed) and failed[0].slug == "upstream-unreachable", str(got))
    fastest = min(one.seconds for one in failed)
    require(fastest <= LATE + stage.slack, f"502 in {fastest * 1000:.0f} ms")
    require((got.status, got.slug) == (503, "breaker-open"), f"{got} after {len(failed)} failures")
    require(got.headers.get("retry-after", "").isdigit(), "no Retry-After")
    return f"{len(failed)} × 502, then {got}; {await _turned_away(stage)}"


async def _turned_away(stage: Stage) -> str:
    """How fast, and that nobody is asked meanwhile although somebody listens again."""
    proxy = stage.upstreams.proxy
    accepted = proxy.accepted
    await proxy.become(Mode.PASS)
    rejected = [await stage.ask("/guarded") for _ in range(10)]
    fastest = min(one.seconds for one in rejected)
    require(all(one.status == 503 for one in rejected) and proxy.accepted == accepted, "asked while the breaker is open")
    require(fastest <= 0.005 + stage.slack, f"turned away in {fastest * 1000:.1f} ms")
    return f"turned away in {fastest * 1000:.1f} ms, nobody asked"


async def probed(stage: Stage) -> str:
    """When an open breaker may ask again, one call does, however many come."""
    proxy = stage.upstreams.proxy
    await proxy.become(Mode.RESET)
    while (await stage.ask("/guarded")).slug != "breaker-open":
        pass
    await proxy.become(Mode.SLOW, AT_ONCE)
    accepted, end = proxy.accepted, time.perf_counter() + 2 * OPEN + stage.slack
    answers: list[Answer] = []
    while proxy.accepted == accepted:
        require(time.perf_counter() < end, f"no probe within {2 * OPEN:g} s")
        answers = await stage.gateway.many(10, "/guarded")
    require(proxy.accepted == accepted + 1, f"{proxy.accepted - accepted} probes at once")
    statuses = sorted(one.status for one in answers)
    require(statuses == [200, *[503] * 9], f"statuses {statuses}")
    require((await stage.ask("/guarded")).status == 200, "stays open after a good probe")
    return "one probe of 10, then closed"


async def storm(stage: Stage, requests: int = 240, per_second: int = 80) -> str:
    """Everything fails: what is sent again must not be a second storm."""
    stage.server.always(lambda _: (0.02, replies.status("503 Service Unavailable")))
    hits = stage.server.hits
    async with new_client(stage.gateway.url) as client:

        async def one(number: int) -> Answer:
            await asyncio.sleep(number / per_second)
            return await stage.gateway.ask("/stormed", client=client)

        answers = await asyncio.gather(*map(one, range(requests)))
    amplification = (stage.server.hits - hits) / requests
    require({one.status for one in answers} == {502}, f"statuses { ({one.status for one in answers}) }")
    require(amplification <= AMPLIFICATION, f"{amplification:.2f} calls a request")
    return f"{amplification:.2f} calls a request at {per_second} a second"


async def flapping(stage: Stage, requests: int = 200) -> str:
    """Half of the replies are no good."""
    answers = replies.flapping()
    stage.server.always(lambda _: next(answers))
    good = [(await stage.ask("/retried")).status for _ in range(requests)].count(200)
    require(good >= 0.7 * requests, f"{good / requests:.0%} good")
    return f"{good / requests:.0%} good"


def retry_after(upstream: str, value: Callable[[], str], *, pauses: bool = True) -> Callable[[Stage], Any]:
    """An upstream that turns calls away and says when to come back."""

    async def play(stage: Stage) -> str:
        hits, said = stage.server.hits, value()
        stage.server.always(replies.status("429 Too Many Requests", f"Retry-After: {said}"))
        first = await stage.ask(f"/{upstream}")
        require(first.status in (429, 503) and first.seconds <= AT_ONCE + stage.slack, f"{first} in {first.seconds:.2f} s")
        require(stage.server.hits == hits + 1, f"{said}: asked again before its time")
        if pauses:
            second = await stage.ask(f"/{upstream}")
            require(stage.server.hits == hits + 1, f"{said}: asked again by the next request: {second}")
            require(second.headers.get("retry-after", "").isdigit(), f"{second} without Retry-After")
        return f"{said}: {first}" + (", then nobody is asked" if pauses else "")

    return play


def in_two_seconds() -> str:
    """As a date, which has no fractions."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=3), usegmt=True)
