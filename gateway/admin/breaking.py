"""Faults for one request, where the upstreams are the demo's: each of its services has a switch for them, `/_chaos`.

Told by an environment variable, since a gateway that breaks its upstreams when it is asked to is for a demo alone.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from gateway.call import Call, Reply
from gateway.errors import CallError
from gateway.formats.decode import Undecodable, decode_json
from gateway.formats.encode import encode_json
from gateway.inbound.request import Refused
from gateway.problem import of_status
from gateway.running import RunningState
from gateway.stack import WaysState
from gateway.telemetry import SpanType, Trace

FAULTS: Mapping[str, Mapping[str, Any]] = {
    "slow": {"latency_ms": 900},
    "503": {"error_rate": 1},
    "503 once": {"error_rate": 1, "times": 1},
    "hang": {"mode": "hang"},
    "reset": {"mode": "reset"},
    "garbage": {"mode": "garbage"},
    "html": {"mode": "html"},
    "trickle": {"mode": "trickle"},
}
"""By the word for it, what a switch is set to."""

SWITCH = "/_chaos"

PATIENCE = 2.0
"""Seconds that a switch may take."""

_SPAN = SpanType("switch")


def are_allowed() -> bool:
    """`gateway demo` says so, or whoever runs something like it."""
    return bool(os.environ.get("GATEWAY_TRY_FAULTS"))


async def breakable(state: RunningState) -> dict[str, list[str]]:
    """Upstreams whose hosts have a switch, and the hosts' URLs."""
    found = await asyncio.gather(*(_settings(ways) for ways in state.ways.values()))
    return {name: [*settings] for name, settings in zip(state.ways, found, strict=True) if settings}


class BreakingState:
    """One request at a time has its faults: those of another would be put in its way."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def broken(self, state: RunningState, faults: Mapping[str, str]) -> AsyncIterator[None]:
        """Upstreams have these faults while the block runs, and then what they had before. Raises `Refused`."""
        if not faults:
            yield
            return
        async with self._turn:
            before = {name: await _settings(_ways(state, name)) for name in faults}
            if not all(before.values()):
                raise Refused(of_status(400, "Bad Request", "an upstream has no switch for faults, or does not answer"))
            try:
                for name, fault in faults.items():
                    await _switch(state.ways[name], dict.fromkeys(before[name], FAULTS[fault]))
                yield
            finally:
                # Whoever has left meanwhile has not left them broken.
                await asyncio.shield(_mend(state, before))


def _ways(state: RunningState, name: str) -> WaysState:
    if name not in state.ways:
        raise Refused(of_status(400, "Bad Request", "faults are of upstreams that there are"))
    return state.ways[name]


async def _mend(state: RunningState, before: Mapping[str, Mapping[str, Any]]) -> None:
    for name, settings in before.items():
        with suppress(Refused):
            await _switch(state.ways[name], settings)


async def _settings(ways: WaysState) -> dict[str, Any]:
    """By host, what its switch is set to; without those that have none."""
    return {url: setting for url in ways.senders if (setting := await _ask(ways, url, "GET")) is not None}


async def _switch(ways: WaysState, settings: Mapping[str, Any]) -> None:
    for url, setting in settings.items():
        if await _ask(ways, url, "PUT", encode_json(setting)) is None:
            raise Refused(of_status(503, "Service Unavailable", "an upstream's switch for faults does not answer"))


async def _ask(ways: WaysState, url: str, method: str, body: bytes = b"") -> Any:
    """What a switch says; None where there is none."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    with suppress(CallError, TimeoutError, Undecodable, KeyError):
        async with asyncio.timeout_at(deadline):
            reply: Reply = await ways.senders[url](_call(ways.upstream.name, method, body, deadline))
        told = decode_json(reply.body)
        return told if isinstance(told, dict) and "error_rate" in told else None
    return None


def _call(upstream: str, method: str, body: bytes, deadline: float) -> Call:
    # A trace of its own, that nobody keeps.
    trace = Trace(random.getrandbits(128) or 1, sampled=False, next_id=lambda: random.getrandbits(64) or 1, recorded=False)
    headers = (("content-type", "application/json"),) if body else ()
    return Call(upstream, method, SWITCH, deadline, trace.span(_SPAN, None), SWITCH, headers, body)
