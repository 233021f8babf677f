"""Hedge: a reply that takes longer than usual is asked for once more, and the first one counts.

Below retry: both copies are one attempt, which has failed when both have. Above the upstream's own stack: the second copy is traced,
counted and limited as any other call, and goes to another host if there is one. Only what reads is sent twice at a time. Raises what the
first copy raised, when both come to nothing; whichever is not needed any more is cancelled.
"""

from __future__ import annotations

import asyncio
from asyncio import Task
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial

from gateway import telemetry
from gateway.call import Call, Caller, Reply
from gateway.errors import CallError
from gateway.policy import HedgePolicy
from gateway.states.budget import BudgetState
from gateway.states.latency import LatencyState


@dataclass(frozen=True, slots=True)
class Hedge:
    """A second copy after the usual time, as long as there are not too many of them."""

    policy: HedgePolicy
    budget: BudgetState = field(default_factory=BudgetState, repr=False, compare=False)
    """The upstream's."""

    def __call__(self, caller: Caller) -> Caller:
        """A caller that asks twice. How long replies usually take is learned of these calls, and of no others."""
        return partial(self._call, caller, LatencyState(self.policy.percentile / 100))

    async def _call(self, caller: Caller, latency: LatencyState, call: Call) -> Reply:
        if call.passage:
            return await caller(call)
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.budget.earn(self.policy.extra)
        usual = latency.usual
        reply = await (caller(call) if usual is None else self._hedged(caller, call, max(usual, self.policy.at_least)))
        latency.observe(loop.time() - began)
        return reply

    async def _hedged(self, caller: Caller, call: Call, usual: float) -> Reply:
        first = asyncio.ensure_future(caller(call))
        copies = [first]
        try:
            await asyncio.wait(copies, timeout=usual)
            if not first.done() and self.budget.pay(asyncio.get_running_loop().time()):
                call.span.own[telemetry.HEDGE] = "sent"
                copies.append(asyncio.ensure_future(caller(call)))
            winner = await _first_good(copies)
            if winner is not first:
                call.span.own[telemetry.HEDGE] = "won"
            return await winner
        finally:
            await _end(copies)


async def _first_good(copies: Collection[Task[Reply]]) -> Task[Reply]:
    """The copy that came to something first; the first of all when none did."""
    left = set(copies)
    while left:
        done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
        for copy in copies:
            if copy in done and not isinstance(copy.exception(), CallError):
                return copy
    return next(iter(copies))


async def _end(copies: Collection[Task[Reply]]) -> None:
    """Nobody waits for them any more, or looks at what they came to."""
    for copy in copies:
        copy.cancel()
    await asyncio.gather(*copies, return_exceptions=True)
