"""Inject: break calls on purpose, so that a bad day can be rehearsed before it comes.

Innermost, in the place of the host's own faults: below the attempt's limit, which ends what hangs, and below everything that retries, counts
or limits, which must not be able to tell. Raises `Disconnected`, `BadReply` and `StatusRefused`, as the wire would.

It is in the stack only of a process that was told to inject.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from gateway import telemetry
from gateway.call import Call, Caller, Reply
from gateway.errors import BadReply, Disconnected
from gateway.policy import InjectPolicy, Mode
from gateway.verdict import judge

DELAY = "delay"
"""What a span says of a call that was kept waiting."""


@dataclass(frozen=True, slots=True)
class Play:
    """What is done to one call: it waits so many seconds, then it fails or, with None, goes its way."""

    delay: float = 0.0
    failure: Mode | int | None = None

    def __str__(self) -> str:
        return ", ".join([*([DELAY] if self.delay else []), *([str(self.failure)] if self.failure else [])])


def decide(policy: InjectPolicy, chance: Callable[[], float]) -> Play:
    """What is done to the next call. Draws as often whatever the policy is, so that latencies never shift failures."""
    struck, swing, fall = chance(), chance(), chance()
    if struck >= policy.share:
        return Play()
    delay = (policy.latency or 0.0) + (policy.jitter or 0.0) * (2 * swing - 1)
    fails = fall < (policy.error_rate or 1.0)
    return Play(max(0.0, delay), policy.failure if fails else None)


@dataclass(frozen=True, slots=True)
class Inject:
    """Each call waits and fails as its policy has it."""

    chance: Callable[[], float] = field(default=random.random, repr=False)
    """Gives numbers from 0 up to 1; injected, so that a test knows them."""

    def __call__(self, caller: Caller) -> Caller:
        """A caller that breaks what it is given."""
        return partial(self._call, caller)

    async def _call(self, caller: Caller, call: Call) -> Reply:
        if call.inject is None:
            return await caller(call)
        play = decide(call.inject, self.chance)
        if said := str(play):
            call.span.own[telemetry.INJECTED] = said
        await asyncio.sleep(play.delay)
        return await (_fail(play.failure, call) if play.failure else caller(call))


async def _fail(failure: Mode | int, call: Call) -> Reply:
    match failure:
        case "hang":
            never: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
            return await never
        case "reset":
            raise Disconnected("the connection was reset, on purpose")
        case "garbage":
            raise BadReply("not HTTP, on purpose")
        case status if call.passage:
            await call.passage.begin(status, ())
            return Reply(status)
        case status:
            return judge(call, status, (), b"")
