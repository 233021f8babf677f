"""Time that is up, and clients that have left: nothing outlives them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from faults import replies
from faults.claims import require
from faults.clients import Crowd, percentile, together
from faults.config import DEADLINE
from faults.row import LATE
from faults.stage import Stage

REQUESTS = 2000
PER_SECOND = 100.0

LEAVERS = 200
LEFT = 0.2
"""Seconds in which a call is given up when its client has left."""


def kept(what: str, answer: Any) -> Callable[[Stage], Any]:
    """Requests whose upstream answers so, which is never in time; and with each of them one that is answered just then.

    What this one waits for beyond that the machine has to do with, and not the gateway.
    """

    async def play(stage: Stage) -> str:
        late, beside = stage.upstreams.own["late"], stage.upstreams.own["beside"]
        hits, abandoned = late.hits, late.abandoned
        late.always(answer)
        beside.always((DEADLINE, replies.KEPT))
        answers, others = await together(
            *(Crowd(stage.gateway, path, PER_SECOND).number(REQUESTS) for path in ("/late", "/beside"))
        )
        over = percentile([one.seconds - other.seconds for one, other in zip(answers, others, strict=True)], 0.999)
        clock = percentile([one.seconds for one in answers], 0.999) - DEADLINE
        said = f"{what}: p99.9 {over * 1000:+.0f} ms ({clock * 1000:+.0f} by the clock)"
        require({str(one) for one in answers} == {"504 deadline"}, f"{what}: {Counter(str(one) for one in answers)}")
        require(over <= LATE + stage.slack, said)
        await late.until(lambda: not late.in_flight)
        require(
            late.abandoned - abandoned == late.hits - hits,
            f"{said}; {late.abandoned - abandoned} of {late.hits - hits} calls given up",
        )
        return said

    return play


async def left(stage: Stage) -> str:
    """Clients that leave while an upstream hangs."""
    server, crowd, took = stage.upstreams.own["late"], Crowd(stage.gateway, "/late"), []
    server.always(replies.HANGS)
    for _ in range(LEAVERS):
        abandoned = server.abandoned
        _, writer = await crowd.connect()
        await server.until(lambda: server.in_flight == 1)
        began = time.perf_counter()
        writer.transport.abort()
        await server.until(lambda abandoned=abandoned: server.abandoned > abandoned)  # type: ignore[misc]
        took.append(time.perf_counter() - began)
    said = f"{LEAVERS} clients left, their calls given up within {max(took) * 1000:.0f} ms, half of them {percentile(took, 0.5) * 1000:.1f}"
    require(max(took) <= LEFT + stage.slack, said)
    return said
