"""An upstream that hangs, and those who have nothing to do with it."""

from __future__ import annotations

import re
import time

from faults import replies
from faults.claims import require
from faults.clients import Crowd, good, percentile, together, waited
from faults.config import OPEN
from faults.gateway import Answer
from faults.stage import Stage

PER_SECOND = 100.0
"""Requests to each."""

SECONDS = 10.0

USUAL = 0.05
"""Seconds that replies take when all is well."""

SLOWER = 1.2
"""As much as the 99th percentile of the healthy one may be of what it was."""

OPEN_FOR = OPEN / 2 * 0.9
"""Seconds for which a breaker is open the first time, at least, and a little less."""

REJECTED_MS = 1.0
"""That a call takes which an open breaker turns away."""


async def hanging(stage: Stage) -> str:
    """As many ask for what hangs as for what is well: these notice nothing."""
    stuck, beside = stage.upstreams.own["stuck"], stage.upstreams.own["beside"]
    for server in (stuck, beside):
        server.always((USUAL, replies.KEPT))
    await _both(stage, 1.0)
    _, calm = await _both(stage, SECONDS)
    stuck.always(replies.HANGS)
    failed, healthy = await _both(stage, SECONDS)
    before, after = waited(calm, 0.99), waited(healthy, 0.99)
    said = f"the healthy one {good(healthy):.1%} good, p99 {after:.0f} ms against {before:.0f}"
    require(not good(failed) and good(healthy) == 1, said)
    require(after <= SLOWER * before + stage.slack * 1000, said)
    return said


async def _both(stage: Stage, seconds: float) -> tuple[list[Answer], list[Answer]]:
    stuck, beside = await together(*(Crowd(stage.gateway, path, PER_SECOND).come(seconds) for path in ("/stuck", "/beside")))
    return stuck, beside


async def rejected(stage: Stage) -> str:
    """An open breaker costs nothing: no time, and no connection."""
    server, crowd = stage.upstreams.own["shielded"], Crowd(stage.gateway, "/shielded")
    server.always(replies.RESETS)
    while (await crowd.at_once(1))[0].slug != "breaker-open":
        pass
    opened, ends = server.opened, time.perf_counter() + OPEN_FOR
    took: list[float] = []
    while time.perf_counter() < ends:
        (answer,) = await crowd.at_once(1)
        require(answer.slug == "breaker-open", str(answer))
        took.append(_milliseconds(answer))
    said = f"{len(took)} calls turned away in {percentile(took, 0.5):.2f} ms, p99 {percentile(took, 0.99):.2f}"
    require(percentile(took, 0.99) <= REJECTED_MS + stage.slack * 1000, said)
    require(server.opened == opened, f"{said}; {server.opened - opened} connections made")
    return f"{said}; no connection made"


def _milliseconds(answer: Answer) -> float:
    """What its step took, as the gateway says itself."""
    (took,) = re.findall(r"\breply;dur=([0-9.]+)", answer.headers["server-timing"])
    return float(took)
