"""Pause: an upstream that asks to be left alone is left alone, by all who call it.

Below retry, so that each attempt keeps to it. Above the upstream's own stack: who waits holds nothing there, and nobody makes a
connection. Raises `Paused` at once when the pause would not end before the deadline.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from gateway import telemetry
from gateway.call import Call, Caller, Reply
from gateway.errors import Paused, StatusRefused
from gateway.states.pause import TOO_MANY, PauseState, retry_after
from gateway.syntax import seconds_asked

_ASKING = frozenset({TOO_MANY, 503})
"""Statuses whose `Retry-After` says when the upstream wants to be asked again, and not where something else is."""

_SPREAD = 0.1
"""Those who have waited together come back within this share of their wait, and not all at once."""


@dataclass(frozen=True, slots=True)
class Pause:
    """As long as the upstream has asked for, and no longer than `longest` seconds."""

    longest: float
    state: PauseState = field(default_factory=PauseState, repr=False, compare=False)
    chance: Callable[[], float] = field(default=random.random, repr=False)
    """Gives numbers from 0 up to 1; injected, so that a test knows them."""

    wall_time: Callable[[], float] = field(default=time.time, repr=False)  # noqa: TID251 - an HTTP date is wall time
    """Seconds since the epoch, to read `Retry-After` when it is a date."""

    def __call__(self, caller: Caller) -> Caller:
        """A caller that keeps to it."""
        return partial(self._call, caller)

    async def _call(self, caller: Caller, call: Call) -> Reply:
        if self.state.until > 0:
            await self._wait(call)
        try:
            reply = await caller(call)
        except StatusRefused as error:
            self._heed(call, error.reply)
            raise
        self._heed(call, reply)
        return reply

    async def _wait(self, call: Call) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while left := self.state.left(now := loop.time()):
            if now + left >= call.deadline:
                raise Paused(f"asked to be left alone for {left:.3f} s more", left)
            await asyncio.sleep(min(left * (1 + _SPREAD * self.chance()), call.deadline - now))
            call.span.own[telemetry.PAUSE_DELAY] = loop.time() - began

    def _heed(self, call: Call, reply: Reply) -> None:
        if reply.status not in _ASKING or (asked := retry_after(call, reply)) is None:
            return
        if (seconds := seconds_asked(asked, self.wall_time())) is not None:
            self.state.ask(min(seconds, self.longest), asyncio.get_running_loop().time())
