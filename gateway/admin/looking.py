"""How a gateway is, all of its processes together, for whoever looks."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from gateway.journal.file import Unusable, Worker
from gateway.journal.state import is_there
from gateway.metrics.conditions import Condition, HostCondition, conditions, together
from gateway.metrics.looks import Change, Look
from gateway.metrics.reading import of_upstreams
from gateway.metrics.sharing import hear, hear_upstreams
from gateway.metrics.sharing import together as added_up
from gateway.running import RunningState

RECENT = 10.0
"""Seconds whose calls to upstreams are told: of a single one there would be too little to tell."""

_UNKNOWN = {"calls": None, "errors": None, "retries": None, "p50_ms": None, "p99_ms": None}
_QUIET = {"calls": 0.0, "errors": 0.0, "retries": 0.0, "p50_ms": None, "p99_ms": None}


async def words(state: RunningState) -> Sequence[Worker]:
    """What all processes have told, others up to a second ago; nothing, where this one cannot know of others."""
    try:
        return await state.journal.everyone() if state.journal else ()
    except (sqlite3.Error, Unusable):
        return ()


async def look(state: RunningState) -> Look:
    """All processes as they are now, or were a moment ago."""
    return await state.looks.look(partial(_ask, state))


def upstreams(found: Look, change: Change | None) -> list[dict[str, Any]]:
    """Each upstream, and what has been called of it a second."""
    calls = of_upstreams(change.snapshot, change.seconds) if change else {}
    return [{**_told(one), **(calls.get(one.name, _QUIET) if change else _UNKNOWN)} for one in found.upstreams]


async def _ask(state: RunningState, at: float) -> Look:
    if told := await words(state):
        return await asyncio.to_thread(_heard, told, at)
    take, own = state.metrics.take(), conditions(state.ways.values())
    return Look(await asyncio.to_thread(take), own, 1, at)


def _heard(told: Sequence[Worker], at: float) -> Look:
    there = [one for one in told if is_there(one)]
    snapshot = added_up(hear(one.told, is_there=is_there(one)) for one in told)
    return Look(snapshot, together(hear_upstreams(one.told) for one in there), len(there), at)


def _told(one: Condition) -> dict[str, Any]:
    permits = asdict(one.permits) if one.permits else None
    return {"name": one.name, "hosts": [_host(host) for host in one.hosts], "permits": permits}


def _host(host: HostCondition) -> dict[str, Any]:
    return {**asdict(host), "breaker": host.breaker}
